"""Search over all kinds of a memory at once, with filters on kind and time, explained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.search import tokenize


class SignalName(StrEnum):
    """What speaks for an entry."""

    BM25 = "bm25"
    VECTOR = "vector"
    RECENCY = "recency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one signal says of an entry."""

    name: SignalName
    score: float
    rank: int | None
    """Place in the list of this signal, the first is 1; None when it is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry that a search found."""

    entry: Entry
    score: float
    signals: tuple[Signal, ...] = ()
    """Filled when an explanation was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which entries may be found."""

    kinds: tuple[MemoryKind, ...] = ()
    """Empty is every kind of list."""
    since: datetime | None = None
    """Valid from then on or later."""
    until: datetime | None = None
    """Valid from then on or earlier."""

    def admits(self, entry: Entry) -> bool:
        """Whether an entry may be found by its time; one without a time is found by no limit in time."""
        if self.since is None and self.until is None:
            return True
        time = time_of(entry)
        return (
            time is not None
            and (self.since is None or time >= self.since)
            and (self.until is None or time <= self.until)
        )


def find(bank: Bank, query: str, k: int, where: Where | None = None, *, explain: bool = False) -> list[Found]:
    """The k entries that speak most to a query, the best first; none without a word in common."""
    where = where or Where()
    kinds = [kind for kind in bank.layout.stores if not where.kinds or kind in where.kinds]
    wide = k if where.since is None and where.until is None else len(bank)
    words = set(tokenize(query))
    proposed = [hit.entry for kind in kinds for hit in bank.search(kind, query, wide) if where.admits(hit.entry)]
    hits = [(_weight(bank, words & set(tokenize(entry.rendered))), entry) for entry in proposed]
    hits = sorted((hit for hit in hits if hit[0] > 0), key=lambda hit: (-hit[0], -hit[1].id))
    return [
        Found(
            entry=entry,
            score=score,
            signals=(Signal(name=SignalName.BM25, score=score, rank=rank),) if explain else (),
        )
        for rank, (score, entry) in enumerate(hits[: max(k, 0)], start=1)
    ]


def _weight(bank: Bank, words: set[str]) -> float:
    """The rarities of words in the whole memory; BM25 of two kinds are not comparable, and of few entries negative."""
    return math.fsum(math.log1p((len(bank) + 0.5) / (bank.frequency(word) + 0.5)) for word in words)


def time_of(entry: Entry) -> datetime | None:
    """The time of its chunk; None where that is not ISO 8601."""
    try:
        time = datetime.fromisoformat(entry.time or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
