"""Memories to test: a SQLite file in an empty folder and a writer that says what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.records import ToolCall
from memalpha.service import Memory

OpenMemory = Callable[..., Memory]


def keep_all(prompt: Prompt) -> str:
    """Quotes each line of the chunk that has the word "keep"."""
    shown = prompt.messages[-1].content.splitlines()
    numbers = [line.partition(":")[0] for line in shown if "keep" in line]
    quotes = [{"memory_type": "semantic", "lines": [int(number)]} for number in numbers if number.isdigit()]
    return "".join(render_call(ToolCall(name="memory_insert", arguments=each)) for each in quotes)


@pytest.fixture
def open_memory(tmp_path: Path) -> Iterator[OpenMemory]:
    """Opens the memory of Ana in one file, with a writer that replies what is given."""
    made: list[Memory] = []

    def opened(*replies: str, user: str = "ana", **options: object) -> Memory:
        writer = options.pop("writer", ScriptedModel(list(replies) if replies else keep_all))
        made.append(Memory(tmp_path / "memory.db", user=user, writer=writer, **options))  # type: ignore[arg-type]
        return made[-1]

    yield opened
    for memory in made:
        memory.close()
