"""A memory over the Model Context Protocol by streamable HTTP, without sessions: every request proves itself anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from memalpha.errors import MemalphaError
from memalpha.serve.mcp_server import Context, mcp_server
from memalpha.serve.memory_errors import refusal, reply
from memalpha.service.access import Access

BODY_BYTES = 4 * 2**20
Identify = Callable[[Mapping[str, str], str], Access]
"""From the headers of a request and the user that its path names to what it may do; a `MemalphaError` is a refusal."""
_ACCESS = "memalpha.access"


def mcp_app(identify: Identify, *, body_bytes: int = BODY_BYTES) -> Starlette:
    """Streamable HTTP under `/{user}`, to be served or mounted; whoever mounts it runs its lifespan.

    Bodies of more than `body_bytes` are refused with status 413.
    """
    server = mcp_server(_access)
    # Without sessions there is nothing to steal: each request is identified by its own headers.
    manager = StreamableHTTPSessionManager(server, stateless=True, json_response=True, max_request_body_size=body_bytes)

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    return Starlette(routes=[Route("/{user}", _Door(manager, identify))], lifespan=running)


class _Door:
    """Lets a request in that is identified."""

    def __init__(self, manager: StreamableHTTPSessionManager, identify: Identify) -> None:
        self._manager = manager
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = scope["path_params"]["user"]
        try:
            access = await anyio.to_thread.run_sync(self._identify, Headers(scope=scope), user)
        except MemalphaError as error:
            return await reply(refusal(error))(scope, receive, send)
        await self._manager.handle_request({**scope, _ACCESS: access}, receive, send)


def _access(context: Context) -> Access:
    """What the door let in."""
    access: Access = context.request.scope[_ACCESS]  # type: ignore[union-attr]
    return access
