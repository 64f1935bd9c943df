"""The asynchronous twin: the same names, the same answers, and an event loop that goes on meanwhile."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from memalpha.agent.model import Completion, Prompt, Sampling, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.errors import UnknownEntryError
from memalpha.records import ToolCall
from memalpha.service import AsyncMemory, Memory


def insert(line: int) -> str:
    """A call that quotes a line."""
    arguments = {"memory_type": "semantic", "lines": [line]}
    return render_call(ToolCall(name="memory_insert", arguments=arguments))


def public(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if inspect.isfunction(value) and not name.startswith("_")}


def test_the_twin_has_every_call() -> None:
    assert public(Memory) == public(AsyncMemory) - {"run"}
    assert inspect.signature(AsyncMemory.add) == inspect.signature(Memory.add)
    assert AsyncMemory.search.__doc__ == Memory.search.__doc__


def test_the_twin_answers_the_same(tmp_path: Path) -> None:
    async def used() -> None:
        path = tmp_path / "memory.db"
        async with AsyncMemory(path, user="ana", writer=ScriptedModel([insert(1)])) as memory:
            added = await memory.add("I live in Lisbon.", at="2026-05-01")
            assert (await memory.history(1)) == added.changes
            assert [found.entry.id for found in await memory.search("Lisbon")] == [1]
            assert await memory.context("Lisbon") == "- User: I live in Lisbon."
            with pytest.raises(UnknownEntryError):
                await memory.delete(7)
            assert await memory.for_user("bo").get_all() == []
            assert memory.memory.get_all() == await memory.get_all()

    asyncio.run(used())


class Waiting:
    """A model that answers once it is let."""

    name = "waiting"

    def __init__(self) -> None:
        self.go = threading.Event()

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        assert self.go.wait(10)
        return [Completion(text=insert(1))]


def test_the_loop_goes_on_while_a_writer_thinks(tmp_path: Path) -> None:
    async def used() -> None:
        model = Waiting()
        async with AsyncMemory(tmp_path / "memory.db", user="ana", writer=model) as memory:
            adding = asyncio.create_task(memory.add("I sing."))
            assert await memory.get_all() == []
            model.go.set()
            assert len((await adding).changes) == 1

    asyncio.run(used())
