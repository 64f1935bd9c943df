"""One search over all lists of a memory: BM25, vectors where there are some, and recency, fused and explained.

An entry is found on evidence: it has a word of the query that says something, in any form of it, or its vector is
nearer to that of the query than unrelated texts are to each other. Words that say nothing, which are function words and
those of many entries, are no evidence; among entries that have some they count as in any BM25. Where no entry has
evidence, those that share any word with the query are found, with the low scores that such words earn: "Where do I
live?" finds what begins "I moved to Lisbon", by one word of four. Ranks alone are not fused (reciprocal rank fusion): a
list of poor hits would weigh as much as one of good hits. Each signal is a number from 0 to 1 instead, what an entry
has outside the best of a list counts nothing, and the score is a weighted sum. The weights were chosen on public data
(`benchmarks/search.py`).

Left out: single texts, such as the core, which are always in view.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

from memalpha.errors import ConfigError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.inflections import forms
from memalpha.memory.search import MOST_OF_A_WORD, tokenize

Ranked = Sequence[tuple[int, float]]
"""Ids of entries and a number from 0 to 1 for each, the best first."""

VECTOR_SHARE = 0.25
"""How much of the evidence is the vectors' where there are some; the rest is BM25's."""
OTHER_FORM = 0.7
"""What "lives" counts where "live" is asked for."""
RECENCY = 0.01
"""Most that newness adds to a score: it decides between near equals and outweighs no evidence."""
DEPTH = 50
"""So many entries of each list are fused, or `k` when that is more."""
FUNCTION_WORDS = frozenset(
    "a an the and or but if of to in on at for from by with about as is are was were be been being has have had do "
    "does did not no any more now it its this that these those there here i me my we our you your he him his she her "
    "they them their who whom whose what which when where why how so than then too very can could will would shall "
    "should may might must s t".split()
)
"""English words that say how others go together; words of other languages are told by how many entries have them."""

_COMMON_SHARE = 0.1
_COMMON_ENTRIES = 10
"""A word in more than this share of the entries, and in more than this many, is no evidence."""
_DIGITS = 9
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SMALL_WORDS = frozenset(
    "am also just all some such only own same up out into over again once each few most other off down before after "
    "during between because while until ever please tell much many d ll m re ve us".split()
)
"""More words that say nothing by themselves."""


class SignalName(StrEnum):
    """What speaks for an entry."""

    BM25 = "bm25"
    """Share of the weight of the query's words that the entry has, as BM25 weighs them."""
    VECTOR = "vector"
    """Cosine with the query, from what unrelated texts have (0) to that of equal texts (1)."""
    RECENCY = "recency"
    """Place among what was found: 1 for the newest, near 0 for the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a search is narrowed to; raises `ConfigError` for kinds and times that it cannot be."""

    kinds: tuple[MemoryKind, ...] = ()
    """Lists; empty is all of them."""
    since: datetime | None = None
    """Entries valid from then on, or later; one without a time is not found."""
    until: datetime | None = None
    """Entries valid from then on, or earlier; one without a time is not found."""

    def __post_init__(self) -> None:
        """Refuse single texts and times without a zone."""
        for kind in self.kinds:
            if kind.single:
                raise ConfigError(f"got {kind} to search, which is always in view; name lists, such as semantic")
        for time in (self.since, self.until):
            if time is not None and time.tzinfo is None:
                raise ConfigError(f"got {time.isoformat()}, which has no time zone; write the zone, such as +00:00")

    def admits(self, valid: datetime | None) -> bool:
        """Whether an entry of this time is looked for."""
        if self.since is None and self.until is None:
            return True
        return valid is not None and (self.since or valid) <= valid <= (self.until or valid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One part of a score."""

    name: SignalName
    score: float
    """From 0 to 1."""
    rank: int | None
    """Place in the list of this signal, the first is 1; None outside the best of it."""
    share: float
    """What it adds to the score of the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An entry that a search found."""

    entry: Entry
    score: float
    """Sum of the shares of its signals, from 0 to 1 and `RECENCY`."""
    signals: tuple[Signal, ...] = ()
    """Empty unless they were asked for."""


def find(
    bank: Bank,
    query: str,
    k: int,
    where: Where | None = None,
    *,
    near: Iterable[tuple[int, float]] | None = None,
    valid: Callable[[Entry], datetime | None] | None = None,
    explain: bool = False,
) -> list[Found]:
    """The k entries of all lists that answer a query best, the best first; fewer where fewer share anything with it.

    Args:
        bank: Where to look; lists of single kinds are left out.
        query: In plain words.
        k: How many at most.
        where: Which kinds and times; None is all.
        near: Ids of entries whose vectors are near to that of the query, from 0 to 1, the best first; None without
            vectors.
        valid: From when on an entry is true; its own time when None.
        explain: Whether to tell the signals.
    """
    if k < 1:
        return []
    where = where or Where()
    kinds = [kind for kind in bank.layout.stores if not where.kinds or kind in where.kinds]
    entries: dict[int, Entry] = {}
    times: dict[int, datetime] = {}

    def passes(hit: tuple[int, float]) -> bool:
        entry = next((found for kind in kinds if (found := bank.find(kind, hit[0])) is not None), None)
        time = None if entry is None else (valid or time_of)(entry)
        if entry is None or not where.admits(time):
            return False
        entries[entry.id], times[entry.id] = entry, time or _LONG_AGO
        return True

    depth = max(k, DEPTH)
    lists = {SignalName.BM25: list(islice(filter(passes, _sharing_words(bank, kinds, query)), depth))}
    if near is not None:
        lists[SignalName.VECTOR] = list(islice(filter(passes, near), depth))
    if not entries:
        lists[SignalName.BM25] = list(islice(filter(passes, _sharing_words(bank, kinds, query, any_word=True)), depth))
    newest = sorted(entries, key=lambda each: (times[each], each), reverse=True)
    lists[SignalName.RECENCY] = [(each, 1 - place / len(newest)) for place, each in enumerate(newest)]
    lexical = 1.0 if near is None else 1 - VECTOR_SHARE
    weights = {SignalName.BM25: lexical, SignalName.VECTOR: 1 - lexical, SignalName.RECENCY: RECENCY}
    return [
        Found(entry=entries[each], score=score, signals=signals if explain else ())
        for each, score, signals in fuse(lists, weights, k)
    ]


def fuse(
    lists: Mapping[SignalName, Ranked], weights: Mapping[SignalName, float], k: int
) -> list[tuple[int, float, tuple[Signal, ...]]]:
    """The k ids with the highest weighted sum, with it and its parts, the best first; ties go to the newer id.

    What is not in a list has 0 of it.
    """
    places = {
        name: {each: (rank, score) for rank, (each, score) in enumerate(hits, start=1)} for name, hits in lists.items()
    }
    sums: dict[int, float] = {}
    for name, hits in lists.items():
        for each, score in hits:
            sums[each] = sums.get(each, 0.0) + weights[name] * score
    best = heapq.nsmallest(k, sums, key=lambda each: (-round(sums[each], _DIGITS), -each))
    return [
        (each, sums[each], tuple(_signal(name, places[name].get(each), weights[name]) for name in lists))
        for each in best
    ]


def time_of(entry: Entry) -> datetime | None:
    """The time of the chunk that an entry is from; None where it has none that is ISO 8601."""
    return read_time(entry.time)


def read_time(text: str | None) -> datetime | None:
    """A time in ISO 8601, in UTC where it names no zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _signal(name: SignalName, place: tuple[int, float] | None, weight: float) -> Signal:
    rank, score = place or (None, 0.0)
    return Signal(name=name, score=score, rank=rank, share=weight * score)


def _sharing_words(
    bank: Bank, kinds: Iterable[MemoryKind], query: str, *, any_word: bool = False
) -> Iterator[tuple[int, float]]:
    """Id and share of the query's weight of each entry that has a telling word of it, the best first, then the newest.

    A word weighs log(1 + (N - n + 0.5) / (n + 0.5)) when n of N entries have a form of it, which is never negative, and
    nothing when none has: it tells no entry from another. Forms other than the one that was asked for count
    `OTHER_FORM` of that. With `any_word` every word is a telling one, and those that no
    entry has weigh too: the share is then of all that was asked.
    """
    texts, others = len(bank), bank.others
    # However often tools and documents say a word, they make it common for nobody: else many lies would hide a truth.
    common = max(_COMMON_ENTRIES, _COMMON_SHARE * (texts - others))
    weights: dict[str, float] = {}
    telling: set[str] = set()
    whole = 0.0
    for word, times in Counter(tokenize(query)).items():
        says_nothing = word in FUNCTION_WORDS or word in _SMALL_WORDS
        found = {form: rows for form in ((word,) if says_nothing else forms(word)) if (rows := bank.frequency(form))}
        if not found and not any_word:
            continue
        rows = min(texts, sum(found.values()))  # as if no entry had two forms of it
        weight = times * math.log(1 + (texts - rows + 0.5) / (rows + 0.5))
        whole += weight
        for form in found:
            weights[form] = max(weights.get(form, 0.0), weight if form == word else OTHER_FORM * weight)
        if any_word or (rows - others <= common and not says_nothing):
            telling |= found.keys()
    most = MOST_OF_A_WORD * whole
    hits = heapq.merge(
        *(bank.matches(kind, weights, telling) for kind in kinds), key=lambda hit: (-round(hit[1], _DIGITS), -hit[0])
    )
    return ((each, score / most) for each, score in hits)
