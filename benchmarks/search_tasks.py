"""Memories with questions whose answering entries are known, made of public data sets as they are published.

Each entry is one sentence. BEAM gives a memory for each chat, both speakers, and asks for the messages that hold the
answer; SQuAD and HotpotQA give one memory of many paragraphs and ask for sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memalpha.data.raw import read_records
from memalpha.text import sentences

PARTS = {"validation": "train", "test": "test"}
BEAM_KINDS = (
    "information_extraction",
    "multi_session_reasoning",
    "temporal_reasoning",
    "knowledge_update",
    "contradiction_resolution",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and the entries that answer it: each group is found with any of its entries."""

    text: str
    groups: tuple[frozenset[int], ...]
    before: frozenset[int] = frozenset()
    """Entries with what was true before an update that the question asks about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One memory and its questions."""

    name: str
    entries: tuple[str, ...]
    times: tuple[str | None, ...]
    asked: tuple[Asked, ...]


def tasks(data: Path, part: str) -> Iterator[Task]:
    """All tasks of a part."""
    yield from beam(data, part)
    yield squad(data, part)
    yield hotpotqa(data, part)


def beam(data: Path, part: str) -> Iterator[Task]:
    for _, record in read_records(data / "beam_100k" / f"{PARTS[part]}.jsonl.gz"):
        yield _chat(record)


def _chat(record: Any) -> Task:
    entries: list[str] = []
    times: list[str | None] = []
    held: dict[int, set[int]] = {}
    for batch in record["chat"]:
        for message in (message for turn in batch["turns"] for message in turn):
            for sentence in sentences(message["content"].split("->->")[0]):
                held.setdefault(message["id"], set()).add(len(entries))
                entries.append(f"{message['role'].capitalize()}: {sentence}")
                times.append(f"2024-01-{batch['batch_number']:02d}")
    asked = []
    for kind in BEAM_KINDS:
        for question in record["probing_questions"][kind]:
            ids = question["source_chat_ids"]
            before: set[int] = set()
            if kind == "knowledge_update":
                before = {entry for id in ids["original_info"] for entry in held.get(id, ())}
                ids = ids["updated_info"]
            elif isinstance(ids, dict):
                ids = [id for group in ids.values() for id in group]
            groups = tuple(frozenset(held[id]) for id in dict.fromkeys(ids) if id in held)
            if groups:
                asked.append(Asked(text=question["question"], groups=groups, before=frozenset(before)))
    return Task(name="beam", entries=tuple(entries), times=tuple(times), asked=tuple(asked))


def squad(data: Path, part: str, most: int = 300) -> Task:
    entries: list[str] = []
    asked: list[Asked] = []
    for _, record in read_records(data / "squad" / f"{PARTS[part]}_squad_v1.1_dev.jsonl.gz"):
        paragraph: Any = record
        own = sentences(paragraph["context"])
        first = len(entries)
        entries += own
        for question in paragraph["qas"]:
            having = [first + at for at, each in enumerate(own) if question["answers"][0] in each]
            if len(having) == 1:  # else it is not known which of them answers
                asked.append(Asked(text=question["question"], groups=(frozenset(having),)))
    return Task(name="squad", entries=tuple(entries), times=(None,) * len(entries), asked=spread(asked, most))


def hotpotqa(data: Path, part: str, most: int = 100) -> Task:
    entries: list[str] = []
    asked: list[Asked] = []
    known: dict[str, list[int]] = {}
    for _, record in read_records(data / "hotpotqa" / f"{PARTS[part]}_hf.jsonl.gz"):
        each: Any = record
        if len(asked) == most:
            break
        context = each["context"]
        for title, lines in zip(context["title"], context["sentences"], strict=True):
            if title not in known:
                known[title] = [len(entries) + at for at in range(len(lines))]
                entries += [f"{title}: {line.strip()}" for line in lines]
        facts = zip(each["supporting_facts"]["title"], each["supporting_facts"]["sent_id"], strict=True)
        groups = [frozenset({known[title][at]}) for title, at in facts if at < len(known[title])]
        asked.append(Asked(text=each["question"], groups=tuple(groups)))
    return Task(name="hotpotqa", entries=tuple(entries), times=(None,) * len(entries), asked=tuple(asked))


def spread(asked: Sequence[Asked], most: int) -> tuple[Asked, ...]:
    """At most so many of the questions, evenly from first to last."""
    step = max(1, len(asked) // most)
    return tuple(asked[::step][:most])
