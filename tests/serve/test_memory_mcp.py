"""Agents at /mcp of the server of memories: the keys, tenants, rights and limits of its other routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from memalpha.memory.entry import Origin
from memalpha.memory.store import Right
from memalpha.serve.memory_limits import Limits

Serve = Callable[..., AbstractContextManager[Any]]
HEADERS = {"Accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def ask(url: str, key: str, tool: str, **arguments: object) -> Any:
    """What a tool answers to a client that connects for this one call."""

    async def talk() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await client.call_tool(tool, arguments)

    return asyncio.run(talk())


def test_what_an_agent_adds_is_in_the_memory_of_its_key_and_path_alone(serve_memories: Serve) -> None:
    with serve_memories() as memories:
        acme, ajax = (memories.key(tenant) for tenant in ("acme", "ajax"))
        added = ask(f"{memories.url}/mcp/ana", acme, "add_memory", text="Please keep that I like tea.", origin="user")
        assert [each["after"] for each in added.structured_content["operations"]] == [
            "User: Please keep that I like tea."
        ]
        (entry,) = memories.memory.for_user("ana", tenant="acme").get_all()
        assert entry.provenance.origin is Origin.ASSISTANT
        for user, key in (("bea", acme), ("ana", ajax)):
            found = ask(f"{memories.url}/mcp/{user}", key, "search_memory")
            assert found.structured_content["entries"] == []
        assert len(ask(f"{memories.url}/mcp/ana", acme, "search_memory").structured_content["entries"]) == 1


def test_a_key_that_may_read_reads(serve_memories: Serve) -> None:
    with serve_memories() as memories:
        reader = memories.key("acme", [Right.READ])
        assert not ask(f"{memories.url}/mcp/ana", reader, "search_memory").is_error
        assert ask(f"{memories.url}/mcp/ana", reader, "add_memory", text="x", origin="user").is_error
        writer = memories.key("acme", [Right.WRITE])
        headers = {**HEADERS, "Authorization": f"Bearer {writer}"}
        reply = httpx.post(f"{memories.url}/mcp/ana", json=LIST, headers=headers)
        assert reply.status_code == 403


def test_no_key_an_unknown_one_and_too_many_requests_are_refused(serve_memories: Serve) -> None:
    with serve_memories(limits=Limits(requests_a_second=0.5)) as memories:
        url = f"{memories.url}/mcp/ana"
        for given in ({}, {"Authorization": "Bearer memalpha_x"}, {"Authorization": "Basic x"}):
            reply = httpx.post(url, json=LIST, headers={**HEADERS, **given})
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
        known = {"Authorization": f"Bearer {memories.key()}"}
        statuses = [httpx.post(url, json=LIST, headers={**HEADERS, **known}).status_code for _ in range(3)]
        assert statuses == [200, 429, 429]


def test_the_server_says_how_far_agents_are_trusted(serve_memories: Serve) -> None:
    with serve_memories(trust=Origin.TOOL) as memories:
        memories.memory.for_user("ana", tenant="acme").add("I swim.", infer=False, origin=Origin.ASSISTANT)
        key = memories.key()
        refused = ask(f"{memories.url}/mcp/ana", key, "delete_memory", id=1)
        assert refused.is_error and "trusted as the tool at most" in refused.content[0].text
