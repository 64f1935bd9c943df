"""A memory over the Model Context Protocol, asked by the client of its own SDK: what is said, and standard input."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters

from memalpha.memory.entry import Origin
from memalpha.service import Memory

SOURCE = Path(__file__).parents[2] / "src"
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])


def command(store: Path, *options: str) -> StdioServerParameters:
    arguments = ["-m", "memalpha", "mcp", "--store", str(store), "--user", "ana", *options]
    return StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ, "PYTHONPATH": str(SOURCE)})


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
    assert told.messages[0].content.text.startswith("- I live in Rome.")
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
        (change,) = memory.history()
    assert change.operation.after == "User: My favourite drink is tea."
    assert (change.operation.provenance.author, change.operation.provenance.origin) == ("writer", Origin.ASSISTANT)


def test_nothing_but_the_protocol_stands_on_standard_output(tmp_path: Path) -> None:
    parameters = command(tmp_path / "memory.db")
    done = subprocess.run(
        [parameters.command, *parameters.args], input="no message\n", env=parameters.env, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert all(line.startswith('{"jsonrpc":"2.0"') for line in lines)
