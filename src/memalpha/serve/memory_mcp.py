"""The Model Context Protocol at `/mcp/{user}` of the server of memories: its keys, its tenants, its limits."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette

from memalpha.memory.entry import Origin
from memalpha.memory.store import Right
from memalpha.serve.mcp_http import mcp_app
from memalpha.serve.memory_access import Server, identify, require
from memalpha.serve.memory_limits import too_many
from memalpha.service.access import Access


def memory_mcp(server: Server, trust: Origin) -> Starlette:
    """The application to be mounted; `trust` says whose words agents may claim at most."""

    def enter(headers: Mapping[str, str], user: str) -> Access:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        caller = identify(server, secret.strip() if scheme.lower() == "bearer" else None)
        require(caller, Right.READ)
        wait_seconds = server.buckets.take(caller.key)
        if wait_seconds > 0:
            raise too_many(wait_seconds, server.limits.requests_a_second)
        memory = server.memory.for_user(user, tenant=caller.tenant)
        return Access(memory=memory, trust=trust, writes=Right.WRITE in caller.rights)

    return mcp_app(enter, body_bytes=server.limits.body_bytes)
