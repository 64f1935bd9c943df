"""Demonstrations of the nano policy's tool calls, drawn at random from a seed.

They show the grammar of the tools, quoting by line number, copying, which id belongs to which entry, going through the
chunk line by line (the bare number of a line passes it over), and that lines come in kinds: some prompts name a few
("about events talk"), and just the lines of these kinds are kept. Which kinds those are, under which store, and whether
a related entry is updated or left alone is drawn at random, small talk as often as facts, so that nothing here says
what is worth keeping: that is left to reinforcement learning.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memalpha.agent.parsing import render_call
from memalpha.agent.view import ViewConfig, build_view, nano_prompt
from memalpha.data.frames import kind_of
from memalpha.data.words import Split
from memalpha.data.world import make_episode
from memalpha.memory.bank import Bank, Entry, MemoryKind
from memalpha.memory.tools import Source, apply
from memalpha.records import Chunk, ToolCall
from memalpha.rl.nano_text import prose_lines

_NAME = re.compile(r"[A-Z][a-z]+")

KEEP_RATES = (0.0, 0.15, 0.3, 0.45, 0.6)
"""Share of the lines that a demonstration keeps; drawn anew for each chunk."""
MOST_KINDS = 3
BUDGETS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """One prompt and one completion, as text."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How often what is shown."""

    copying: float = 0.07
    """Share of the writes that copy a line as free text instead of quoting it."""
    alike: float = 0.7
    """Share of the chunks of which whole kinds of lines are kept; most of their prompts name these kinds."""
    changing: float | None = None
    """Share of the lines with a related entry that change it, kept or not; None is half of those that are kept."""


def demonstrations(seed: int, mixture: Mixture = Mixture()) -> Iterator[Demonstration]:
    """An endless stream, the same for the same seed and mixture."""
    rng = random.Random(seed)
    while True:
        if rng.random() < 0.8:
            chunks = make_episode(rng.randrange(10**9), tokens=rng.choice((400, 600, 1000)), split=Split.TRAIN).chunks
        else:
            chunks = tuple(Chunk(text="\n".join(prose_lines(rng)), time="2024-01-01") for _ in range(3))
        first_id = int(10 ** rng.uniform(0, 4.3))
        bank = Bank(count_tokens=len, first_id=first_id)
        view = ViewConfig(newest=rng.choice((0, 1, 1, 1, 1, 1, 2, 5)))
        budget = rng.choice(BUDGETS) if rng.random() < 0.35 else None
        for index, chunk in enumerate(chunks):
            shown = build_view(bank, chunk, view)
            about: tuple[str, ...] = ()
            if budget is None and rng.random() < mixture.alike:
                kept, about = _alike(rng, chunk)
            else:
                kept = _random_lines(rng, chunk, budget)
            said = list(_go_through(rng, chunk, shown.related, kept, mixture))
            yield Demonstration(
                prompt=nano_prompt(shown, chunk, budget, about),
                completion="".join(render_call(each) if isinstance(each, ToolCall) else str(each) for each in said),
            )
            for each in said:
                if isinstance(each, ToolCall):
                    apply(bank, each, Source(chunk=chunk, index=index))


def _alike(rng: random.Random, chunk: Chunk) -> tuple[list[int], tuple[str, ...]]:
    """Numbers of the lines of at most three kinds, and for four prompts in five the names of these kinds."""
    kinds = [_kind(line) for line in chunk.lines]
    rate = rng.choice(KEEP_RATES)
    wanted = [kind for kind in dict.fromkeys(kinds) if rng.random() < rate]
    rng.shuffle(wanted)
    del wanted[MOST_KINDS:]
    kept = [number for number, kind in enumerate(kinds, start=1) if kind in wanted]
    return kept, tuple(wanted) if rng.random() < 0.8 else ()


def _kind(line: str) -> str:
    """What a line of the world is; of prose its first name."""
    text = _without_speaker(line)
    found = kind_of(text) if text != line else None
    name = _NAME.search(text)
    return found or (name[0] if name else "other")


def _random_lines(rng: random.Random, chunk: Chunk, budget: float | None) -> list[int]:
    rate = budget if budget is not None else rng.choice(KEEP_RATES)
    return [number for number in range(1, len(chunk.lines) + 1) if rng.random() < rate]


def _go_through(
    rng: random.Random, chunk: Chunk, related: Sequence[Sequence[Entry]], kept: Collection[int], mixture: Mixture
) -> Iterator[ToolCall | int]:
    """Calls on the kept lines, and the number of each line that no call quotes: every number once, in order.

    So each choice is about one line only, the one after the number that was said last. Which tool and which kind is
    drawn at random.
    """
    lines, said = chunk.lines, 0
    for number, line in enumerate(lines, start=1):
        if number <= said:
            continue
        said = number
        here = related[number - 1]
        rate = (0.5 if number in kept else 0.0) if mixture.changing is None else mixture.changing
        changed = here and rate > 0 and rng.random() < rate
        if changed or number in kept:
            if changed:
                call = _change(rng, number, line, here[0], mixture.copying)
            else:
                two = number + 1 in kept and rng.random() < 0.03
                call = _insert(rng, [number, number + 1] if two else [number], lines, mixture.copying)
            yield call
            quoted = call.arguments.get("lines")
            if quoted:
                said = quoted[-1]
                continue
        yield number


def _insert(rng: random.Random, numbers: list[int], lines: Sequence[str], copying: float) -> ToolCall:
    kind = rng.choice((MemoryKind.SEMANTIC, MemoryKind.EPISODIC)).value
    draw = rng.random()
    if draw < 0.04:
        return ToolCall(name="memory_update", arguments={"lines": numbers, "memory_type": "core"})
    text = _without_speaker(lines[numbers[0] - 1])
    if draw < 0.05:
        return ToolCall(name="memory_update", arguments={"new_content": text, "memory_type": "core"})
    if draw < 0.05 + copying:
        return ToolCall(name="memory_insert", arguments={"content": text, "memory_type": kind})
    return ToolCall(name="memory_insert", arguments={"lines": numbers, "memory_type": kind})


def _change(rng: random.Random, number: int, line: str, entry: Entry, copying: float) -> ToolCall:
    draw = rng.random()
    where = {"memory_type": entry.kind.value, "memory_id": entry.id}
    if draw < 0.08:
        return ToolCall(name="memory_delete", arguments=where)
    if draw < 0.08 + copying:
        return ToolCall(name="memory_update", arguments={"new_content": _without_speaker(line), **where})
    return ToolCall(name="memory_update", arguments={"lines": [number], **where})


def _without_speaker(line: str) -> str:
    return line.split(": ", 1)[1] if line.startswith(("User: ", "Assistant: ")) else line
