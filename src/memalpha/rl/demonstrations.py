"""Demonstrations of the nano policy's tool calls, drawn at random from a seed.

They show the grammar of the tools, quoting by line number, copying, and which id belongs to which entry. Which lines they
keep, under which kind, and whether a related entry is updated or left alone is drawn at random, so that nothing here says
what is worth keeping: that is left to reinforcement learning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memalpha.agent.parsing import render_call
from memalpha.agent.view import ViewConfig, build_view, nano_prompt
from memalpha.data.words import Split
from memalpha.data.world import make_episode
from memalpha.memory.bank import Bank, Entry, MemoryKind
from memalpha.memory.tools import Source, apply
from memalpha.records import Chunk, ToolCall
from memalpha.rl.nano_text import prose_lines

KEEP_RATES = (0.0, 0.1, 0.2, 0.3, 0.5)
"""Share of the lines that a demonstration keeps; drawn anew for each chunk."""
BUDGETS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """One prompt and one completion, as text."""

    prompt: str
    completion: str


def demonstrations(seed: int) -> Iterator[Demonstration]:
    """An endless stream, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        if rng.random() < 0.8:
            chunks = make_episode(rng.randrange(10**9), tokens=rng.choice((400, 600, 1000)), split=Split.TRAIN).chunks
        else:
            chunks = tuple(Chunk(text="\n".join(prose_lines(rng)), time="2024-01-01") for _ in range(3))
        first_id = int(10 ** rng.uniform(0, 4.3))
        bank = Bank(count_tokens=len, first_id=first_id)
        view = ViewConfig(newest=rng.choice((0, 1, 1, 1, 2, 5)))
        budget = rng.choice(BUDGETS) if rng.random() < 0.35 else None
        for index, chunk in enumerate(chunks):
            shown = build_view(bank, chunk, view)
            calls = _random_calls(rng, chunk, shown.related, budget)
            yield Demonstration(
                prompt=nano_prompt(shown, chunk, budget), completion="".join(render_call(call) for call in calls)
            )
            for call in calls:
                apply(bank, call, Source(chunk=chunk, index=index))


def _random_calls(
    rng: random.Random, chunk: Chunk, related: Sequence[Sequence[Entry]], budget: float | None
) -> list[ToolCall]:
    """Calls on lines drawn at random, in the order of the lines."""
    lines = chunk.lines
    rate = budget if budget is not None else rng.choice(KEEP_RATES)
    kept = [n for n in range(1, len(lines) + 1) if rng.random() < rate]
    calls = []
    while kept:
        number = kept.pop(0)
        here = related[number - 1]
        if here and rng.random() < 0.5:
            calls.append(_change(rng, number, lines[number - 1], here[0]))
            continue
        numbers = [number]
        if kept and rng.random() < 0.1:
            numbers.append(kept.pop(0))
        calls.append(_insert(rng, numbers, lines))
    return calls


def _insert(rng: random.Random, numbers: list[int], lines: Sequence[str]) -> ToolCall:
    kind = rng.choice((MemoryKind.SEMANTIC, MemoryKind.EPISODIC)).value
    draw = rng.random()
    if draw < 0.04:
        return ToolCall(name="memory_update", arguments={"lines": numbers, "memory_type": "core"})
    text = _without_speaker(lines[numbers[0] - 1])
    if draw < 0.05:
        return ToolCall(name="memory_update", arguments={"new_content": text, "memory_type": "core"})
    if draw < 0.12:
        return ToolCall(name="memory_insert", arguments={"content": text, "memory_type": kind})
    return ToolCall(name="memory_insert", arguments={"lines": numbers, "memory_type": kind})


def _change(rng: random.Random, number: int, line: str, entry: Entry) -> ToolCall:
    draw = rng.random()
    where = {"memory_type": entry.kind.value, "memory_id": entry.id}
    if draw < 0.08:
        return ToolCall(name="memory_delete", arguments=where)
    if draw < 0.14:
        return ToolCall(name="memory_update", arguments={"new_content": _without_speaker(line), **where})
    return ToolCall(name="memory_update", arguments={"lines": [number], **where})


def _without_speaker(line: str) -> str:
    return line.split(": ", 1)[1] if line.startswith(("User: ", "Assistant: ")) else line
