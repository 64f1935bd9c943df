"""Demonstrations of what is worth keeping: streams whose lines are labelled, gone through line by line.

`memalpha.rl.demonstrations` shows how the tools are used and leaves the choice to reinforcement learning. A lesson
shows the choice as well: a line that is worth it is quoted, a correction that finds the entry that it corrects updates
it, and the number of every other line is said as it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from memalpha.agent.parsing import render_call
from memalpha.agent.view import DEFAULT_VIEW, build_view, nano_prompt
from memalpha.data.everyday import Line
from memalpha.data.frames import kind_of
from memalpha.memory.bank import Bank, Entry, MemoryKind
from memalpha.memory.tools import Source, apply
from memalpha.records import Chunk, Episode, ToolCall
from memalpha.rl.demonstrations import Demonstration

_PASSED = ("mentions", "talk")
"""Kinds of lines of the world that say nothing."""
_EVENTS = ("events", "steps")


def lessons(chunks: Sequence[tuple[Line, ...]], times: Sequence[str | None], first_id: int) -> Iterator[Demonstration]:
    """A demonstration for each chunk of a stream, with the memory that the earlier ones led to.

    `first_id` is the id of the first entry: ids of any length are to be copied right.
    """
    bank = Bank(count_tokens=len, first_id=first_id)
    thread_of: dict[str, object] = {}
    for index, (lines, time) in enumerate(zip(chunks, times, strict=True)):
        chunk = Chunk(text="\n".join(line.text for line in lines), time=time)
        shown = build_view(bank, chunk, DEFAULT_VIEW)
        said = [
            _choose(number, line, related, thread_of)
            for number, (line, related) in enumerate(zip(lines, shown.related, strict=True), start=1)
        ]
        yield Demonstration(
            prompt=nano_prompt(shown, chunk),
            completion="".join(render_call(each) if isinstance(each, ToolCall) else str(each) for each in said),
        )
        for each, line in zip(said, lines, strict=True):
            if isinstance(each, ToolCall):
                apply(bank, each, Source(chunk=chunk, index=index))
                thread_of[line.text] = line.thread


def of_world(episode: Episode) -> list[tuple[Line, ...]]:
    """The lines of an episode of the synthetic world with what they are worth."""
    return [tuple(_worth(text) for text in chunk.lines) for chunk in episode.chunks]


def first_ids(rng: random.Random) -> int:
    """The id to begin with: small ones as often as large ones."""
    return int(10 ** rng.uniform(0, 4.3))


def _worth(text: str) -> Line:
    kind = kind_of(text.split(": ", 1)[1])
    if kind is None or kind in _PASSED:
        return Line(text=text)
    where = MemoryKind.EPISODIC if kind in _EVENTS else MemoryKind.SEMANTIC
    return Line(text=text, kind=where, corrects=kind == "corrections")


def _choose(number: int, line: Line, related: Sequence[Entry], thread_of: dict[str, object]) -> ToolCall | int:
    """The call for a line, or its number; a line of no thread corrects whatever entry it brings up."""
    if line.kind is None:
        return number
    if line.corrects and related and thread_of.get(related[0].text) == line.thread:
        where = {"memory_type": related[0].kind.value, "memory_id": related[0].id}
        return ToolCall(name="memory_update", arguments={"lines": [number], **where})
    return ToolCall(name="memory_insert", arguments={"lines": [number], "memory_type": line.kind.value})
