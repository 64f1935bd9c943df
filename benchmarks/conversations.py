"""The default writer on real conversations: what it keeps of BEAM chats, and whether that is what is asked for.

    python benchmarks/conversations.py --data ../shared/data --writers nano nano-chat

Each message of a chat is one call of `Memory.add`, as an application makes it. Of the gold-bearing statements
(statements.py) it counts those that are stored, those among the first 10 and 20 entries that `Memory.search` finds for
the question, and those in a `Memory.context` of 800 tokens. Beside each writer: random lines of the same size, the most
recent lines of the same size, and random lines of the user; and what needs no writer: everything, and all that the user
says. `--part train --chats 13 16` reads the chats that writers are chosen by. Times are of one core, whatever else runs
on it. What is done is kept in runs/bench/conversations and not done again.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from conversation_tables import conversations
from record import RUNS, save
from statements import Chat, Said, read_chats

from memalpha.agent.tokens import nano_counter
from memalpha.service import Memory

LIMITS = (10, 20)
CONTEXT_TOKENS = 800
SEEDS = (0, 1, 2)
Fill = Callable[[Memory, Chat], list[float]]
"""Puts a chat into a memory; returns the processor seconds of each message, none where it was not put in by message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One statement, in one memory."""

    kind: str
    role: str
    stored: bool
    first: tuple[bool, ...]
    """Among the first entries, for each of `LIMITS`."""
    context: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One chat in one memory."""

    system: str
    chat: str
    seed: int
    read_tokens: int
    kept_tokens: int
    entries: int
    p50_ms: float | None
    p95_ms: float | None
    found: tuple[Found, ...]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--writers", nargs="+", default=["nano"], help="names or folders")
    parser.add_argument("--part", choices=("test", "train"), default="test")
    parser.add_argument("--chats", nargs="+", help="only these, by their ids")
    parser.add_argument("--name", help="of the result; none is saved without")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chats = read_chats(options.data / "beam_100k" / f"{options.part}.jsonl.gz")
    outcomes = [
        each
        for writer in (None, *options.writers)
        for chat in chats
        if options.chats is None or chat.name in options.chats
        for each in kept(options.part, chat, writer)
    ]
    rows = [asdict(each) for each in outcomes]
    print(conversations(rows))
    if options.name:
        save(options.name, rows, seeds=list(SEEDS))


def kept(part: str, chat: Chat, writer: str | None) -> list[Outcome]:
    """The outcomes with a writer, or without one, from the file of an earlier run if there is one."""
    file = RUNS / "conversations" / f"{part}-{chat.name}-{(writer or 'none').replace('/', '_')}.json"
    if not file.exists():
        done = measure(chat, writer) if writer else simple(chat)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([asdict(each) for each in done]))
    rows = json.loads(file.read_text())
    return [Outcome(**(row | {"found": tuple(Found(**each) for each in row["found"])})) for row in rows]


def simple(chat: Chat) -> list[Outcome]:
    """What needs no writer."""
    lines = lines_of(chat)
    own = [each for each in lines if each[0].role == "user"]
    return [
        outcome("everything, message by message", chat, whole_messages),
        outcome("everything, line by line", chat, partial(keep_lines, lines)),
        outcome("all that the user says", chat, partial(keep_lines, own)),
    ]


def measure(chat: Chat, writer: str) -> list[Outcome]:
    """What a writer keeps, and selections of the same size."""
    lines = lines_of(chat)
    own = [each for each in lines if each[0].role == "user"]
    written = outcome(writer, chat, by_message, writer=writer)
    size = written.kept_tokens
    newest = of_size(lines[::-1], size)[::-1]
    outcomes = [written, outcome(f"{writer}: most recent lines", chat, partial(keep_lines, newest))]
    for title, among in (("random lines", lines), ("random lines of the user", own)):
        for seed in SEEDS:
            chosen = of_size(random.Random(seed).sample(among, len(among)), size)
            outcomes.append(outcome(f"{writer}: {title}", chat, partial(keep_lines, chosen), seed=seed))
    return outcomes


def lines_of(chat: Chat) -> list[tuple[Said, str]]:
    return [(said, line) for said in chat.messages for line in said.lines]


def outcome(system: str, chat: Chat, fill: Fill, *, writer: str = "nano", seed: int = 0) -> Outcome:
    """What becomes of a chat in a memory of its own."""
    count = nano_counter()
    with TemporaryDirectory() as folder, Memory(Path(folder) / "memory.db", user="ana", writer=writer) as memory:
        seconds = fill(memory, chat)
        entries = memory.get_all()
        found = tuple(find(memory, chat, [flat(entry.text) for entry in entries]))
    times = np.array(seconds) * 1000
    done = Outcome(
        system=system,
        chat=chat.name,
        seed=seed,
        read_tokens=sum(count(said.text) for said in chat.messages),
        kept_tokens=sum(count(entry.text) for entry in entries),
        entries=len(entries),
        p50_ms=float(np.quantile(times, 0.5)) if seconds else None,
        p95_ms=float(np.quantile(times, 0.95)) if seconds else None,
        found=found,
    )
    print(chat.name, system, seed, len(entries), f"{shares(done)}", flush=True)
    return done


def find(memory: Memory, chat: Chat, entries: Sequence[str]) -> list[Found]:
    """Where each statement is found."""
    hits: dict[str, list[str]] = {}
    contexts: dict[str, str] = {}
    found = []
    for statement in chat.statements:
        question, line = statement.question, flat(statement.line)
        if question not in hits:
            hits[question] = [flat(hit.entry.text) for hit in memory.search(question, limit=max(LIMITS))]
            contexts[question] = flat(memory.context(question, max_tokens=CONTEXT_TOKENS))
        found.append(
            Found(
                kind=statement.kind,
                role=chat.messages[statement.message].role,
                stored=any(line in text for text in entries),
                first=tuple(any(line in text for text in hits[question][:limit]) for limit in LIMITS),
                context=line in contexts[question],
            )
        )
    return found


def by_message(memory: Memory, chat: Chat) -> list[float]:
    """Each message to the writer."""
    return [timed(memory, said, infer=True) for said in chat.messages if said.lines]


def whole_messages(memory: Memory, chat: Chat) -> list[float]:
    """Each message as an entry."""
    return [timed(memory, said, infer=False) for said in chat.messages if said.lines]


def timed(memory: Memory, said: Said, *, infer: bool) -> float:
    started = time.process_time()
    memory.add({"role": said.role, "content": said.text}, at=said.time, infer=infer)
    return time.process_time() - started


def keep_lines(lines: Sequence[tuple[Said, str]], memory: Memory, _: Chat) -> list[float]:
    """Each line as an entry, all at once; a line that stands there already is not kept twice."""
    if lines:
        memory.add([{"role": said.role, "content": spoken(said, line)} for said, line in lines], infer=False)
    return []


def of_size(lines: Sequence[tuple[Said, str]], tokens: int) -> list[tuple[Said, str]]:
    """The first lines that have so many tokens together."""
    count, total, kept = nano_counter(), 0, []
    for each in lines:
        total += count(spoken(*each))
        if total > tokens:
            break
        kept.append(each)
    return kept


def spoken(said: Said, line: str) -> str:
    return f"{said.role.capitalize()}: {line}"


def flat(text: str) -> str:
    return " ".join(text.split())


def shares(done: Outcome) -> str:
    """What of the statements was found, for the log."""
    found = done.found
    return (
        f"kept {done.kept_tokens / done.read_tokens:.3f} stored {np.mean([each.stored for each in found]):.3f} "
        f"@10 {np.mean([each.first[0] for each in found]):.3f} @20 {np.mean([each.first[1] for each in found]):.3f} "
        f"context {np.mean([each.context for each in found]):.3f}"
        + (f" p50 {done.p50_ms:.0f} p95 {done.p95_ms:.0f} ms" if done.p50_ms is not None else "")
    )


if __name__ == "__main__":
    main()
