"""A memory over the Model Context Protocol, asked by the client of its own SDK."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from memalpha.memory.entry import Origin
from memalpha.serve.launch import serving
from memalpha.serve.mcp_server import mcp_app
from memalpha.serve.openai_errors import RefusedError
from memalpha.service import Access, Memory

SOURCE = Path(__file__).parents[2] / "src"
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])
KEYS = {"key-of-acme": ("acme", True), "key-to-read": ("acme", False), "key-of-ajax": ("ajax", True)}


def command(store: Path, *options: str) -> StdioServerParameters:
    arguments = ["-m", "memalpha", "mcp", "--store", str(store), "--user", "ana", *options]
    return StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ, "PYTHONPATH": str(SOURCE)})


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "memory.db", user="nobody") as opened:
        yield opened


@pytest.fixture
def url(memory: Memory) -> Iterator[str]:
    """A server with the protocol at /mcp, as an application mounts it."""

    def identify(headers: Mapping[str, str], user: str) -> Access:
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


async def remember_and_find(client: Client) -> None:
    """What every connection of its own user does."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == [
        "add_memory",
        "search_memory",
        "memory_history",
        "update_memory",
        "delete_memory",
        "undo",
    ]
    hints = {name: tool.annotations for name, tool in tools.items()}
    assert {name for name, hint in hints.items() if hint and hint.read_only_hint} == {"search_memory", "memory_history"}
    assert {name for name, hint in hints.items() if hint and hint.destructive_hint} == {
        "update_memory",
        "delete_memory",
        "undo",
    }
    assert all(tool.output_schema and tool.input_schema for tool in tools.values())
    for text in ("I live in Rome.", "Tea is hot.", "It rains."):
        result = await client.call_tool("add_memory", {"text": text, "origin": "user"})
        assert not result.is_error
    result = await client.call_tool("search_memory", {"query": "Rome"})
    assert result.structured_content["entries"][0]["text"] == "I live in Rome."
    assert "I live in Rome." in result.content[0].text
    wrong = await client.call_tool("delete_memory", {"id": 77})
    assert wrong.is_error and wrong.content[0].text.startswith("got #77, which is not in memory")
    (prompt,) = (await client.list_prompts()).prompts
    told = await client.get_prompt(prompt.name, {"query": "Rome"})
    assert told.messages[0].content.text == "- I live in Rome."
    with pytest.raises(MCPError, match="expected context"):
        await client.get_prompt("another")


@MODES
def test_a_process_serves_one_memory_on_its_input_and_output(tmp_path: Path, mode: str) -> None:
    async def talk() -> None:
        async with Client(command(tmp_path / "memory.db", "--raw"), mode=mode) as client:
            await remember_and_find(client)

    asyncio.run(talk())
    with Memory(tmp_path / "memory.db", user="ana") as memory:
        assert {entry.provenance.origin for entry in memory.get_all()} == {Origin.ASSISTANT}


@pytest.mark.slow
def test_the_shipped_writer_reads_what_an_agent_adds(tmp_path: Path) -> None:
    async def talk() -> None:
        async with Client(command(tmp_path / "memory.db"), mode="auto") as client:
            said = {"text": "My favourite drink is tea.", "origin": "user", "at": "2026-05-01"}
            result = await client.call_tool("add_memory", said)
            assert not result.is_error, result.content[0].text

    asyncio.run(talk())
    with Memory(tmp_path / "memory.db", user="ana") as memory:
        assert [change.operation.provenance.author for change in memory.history()] in ([], ["writer"])


def test_nothing_but_the_protocol_stands_on_standard_output(tmp_path: Path) -> None:
    parameters = command(tmp_path / "memory.db")
    done = subprocess.run(
        [parameters.command, *parameters.args], input="no message\n", env=parameters.env, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert all(line.startswith('{"jsonrpc":"2.0"') for line in lines)


@MODES
def test_a_server_finds_the_memory_by_key_and_path(url: str, memory: Memory, mode: str) -> None:
    async def talk() -> None:
        async with connected(f"{url}/ana", "key-of-acme", mode) as client:
            await remember_and_find(client)
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
    assert reply.status_code == 400
    assert "as user, expected" in reply.json()["error"]["message"]


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
