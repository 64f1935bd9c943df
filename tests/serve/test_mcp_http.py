"""A memory over streamable HTTP: who is let in to what, asked by the client of the protocol's own SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from memalpha.errors import StoreError
from memalpha.serve.launch import serving
from memalpha.serve.mcp_http import mcp_app
from memalpha.serve.openai_errors import RefusedError
from memalpha.service import Access, Memory

MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])
KEYS = {"key-of-acme": ("acme", True), "key-to-read": ("acme", False), "key-of-ajax": ("ajax", True)}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "memory.db", user="nobody") as opened:
        yield opened


@pytest.fixture
def url(memory: Memory) -> Iterator[str]:
    """A server with the protocol at /mcp, as an application mounts it."""

    def identify(headers: Mapping[str, str], user: str) -> Access:
        if user == "broken":
            raise StoreError("the database does not answer; try again")
        found = KEYS.get(headers.get("authorization", "").removeprefix("Bearer "))
        if found is None:
            raise RefusedError("got no key that is known, expected one; send it as Bearer", status=401)
        tenant, writes = found
        return Access(memory=memory.for_user(user, tenant=tenant), writes=writes, infer=False)

    protocol = mcp_app(identify)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with protocol.router.lifespan_context(protocol):
            yield

    app = FastAPI(lifespan=running)
    app.mount("/mcp", protocol)
    with serving(app) as address:
        yield f"{address}/mcp"


@asynccontextmanager
async def connected(url: str, key: str, mode: str = "auto") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@MODES
def test_a_server_finds_the_memory_by_key_and_path(url: str, memory: Memory, mode: str) -> None:
    async def talk() -> None:
        async with connected(f"{url}/ana", "key-of-acme", mode) as client:
            assert len((await client.list_tools()).tools) == 6
            for text in ("I live in Rome.", "Tea is hot.", "It rains."):
                await client.call_tool("add_memory", {"text": text, "origin": "user"})
            result = await client.call_tool("search_memory", {"query": "Rome"})
            assert [entry["text"] for entry in result.structured_content["entries"]] == ["I live in Rome."]
            assert result.content[0].text.endswith("I live in Rome.")
            wrong = await client.call_tool("delete_memory", {"id": 77})
            assert wrong.is_error and wrong.content[0].text.startswith("got #77, which is not in memory")
        for path, key in (("bea", "key-of-acme"), ("ana", "key-of-ajax")):
            async with connected(f"{url}/{path}", key, mode) as client:
                result = await client.call_tool("search_memory", {})
                assert result.structured_content == {"core": None, "entries": []}
                told = await client.get_prompt("context", {"query": "Rome"})
                assert told.messages[0].content.text == "Nothing is remembered yet."
        async with connected(f"{url}/ana", "key-to-read", mode) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["search_memory", "memory_history"]
            result = await client.call_tool("delete_memory", {"id": 1})
            assert result.is_error

    asyncio.run(talk())
    assert [str(address) for address in memory.store.addresses()] == ["acme/ana"]


def test_who_sends_no_key_is_refused_before_a_message_is_read(url: str) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Accept": "application/json, text/event-stream"}
    for sent in ({}, {"Authorization": "Bearer wrong"}):
        reply = httpx.post(f"{url}/ana", json=message, headers={**headers, **sent})
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert reply.json()["error"]["message"].startswith("got no key that is known")


def test_a_name_that_is_none_is_the_callers_fault(url: str) -> None:
    reply = httpx.post(f"{url}/%00", json={}, headers={"Authorization": "Bearer key-of-acme"})
    assert reply.status_code == 503
    assert "as user, expected" in reply.json()["error"]["message"]


def test_an_outage_is_told_as_one(url: str) -> None:
    reply = httpx.post(f"{url}/broken", json={})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")


def test_a_long_body_is_refused(url: str) -> None:
    headers = {"Authorization": "Bearer key-of-acme", "Accept": "application/json, text/event-stream"}
    reply = httpx.post(f"{url}/ana", content=b'{"a": "' + b"x" * 10_000_000 + b'"}', headers=headers)
    assert reply.status_code == 413


def test_many_connections_at_once_stay_apart(url: str, memory: Memory) -> None:
    async def one(number: int) -> None:
        async with connected(f"{url}/user-{number}", "key-of-acme") as client:
            for turn in range(3):
                result = await client.call_tool("add_memory", {"text": f"{number} says {turn}.", "origin": "user"})
                assert not result.is_error
            found = (await client.call_tool("search_memory", {})).structured_content["entries"]
            assert [entry["text"] for entry in found] == [f"{number} says {turn}." for turn in (2, 1, 0)]

    async def talk() -> None:
        await asyncio.gather(*(one(number) for number in range(8)))

    asyncio.run(talk())
    assert len(memory.store.addresses()) == 8
