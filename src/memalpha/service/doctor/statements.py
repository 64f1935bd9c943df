"""Entries that say the same, and entries that look as if they could not both be true. English only; no model is asked.

Two entries say the same when they have the same words, or nearly, and neither a content word that the other lacks.

Two semantic entries look like a contradiction when they differ in one place, and that is where a statement of somebody,
or about a name, has its one value ("lives in", "is"), or it is a "not"; or when a later one that corrects ("no longer")
has most of its content words in common with an earlier one. How often this is wrong is in docs/log.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from memalpha.agent.view import ViewConfig, content_words, find_related, marked_words
from memalpha.data.slots import Slot, slot_pairs
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.search import tokenize
from memalpha.text import normalise

Pair = tuple[Entry, Entry, str]
"""The older entry, the newer one, and what speaks for it."""

_ARTICLES = frozenset("a an the now currently".split())
_COPULAS = frozenset("is are was were".split())
_STATES = frozenset(
    "live lives lived living work works worked working moved move born located married stay stays staying study "
    "studies studying employed".split()
)
_PREPOSITIONS = frozenset("in at to for by on from".split())
_FIRST_PERSON = frozenset("i my we our".split())
_NEGATIONS = frozenset({("not",), ("never",), ("no", "longer"), ("t",)})
_CORRECTS = re.compile(r"\bno longer\b|\bany ?more(?= for\b|\W*$|[.,:;!])", re.IGNORECASE)
_RELATED = ViewConfig(related=2)
"""The entry itself, and another."""
_NEAR = 0.8
"""Share of the runs of three words of the shorter text that the longer one has."""
_ALIKE = 20
"""Entries with the same content words that each further one is compared with."""


def repeats(entries: Sequence[Entry]) -> Iterator[Pair]:
    """Entries of one kind that say what an earlier one says."""
    same: dict[str, Entry] = {}
    alike: defaultdict[frozenset[str], list[tuple[Entry, frozenset[tuple[str, ...]]]]] = defaultdict(list)
    for entry in entries:
        text = normalise(entry.text)
        earlier = same.setdefault(text, entry)
        if earlier is not entry:
            yield earlier, entry, "the same words"
            continue
        runs = _runs(text.split())
        others = alike[content_words(entry.text)]
        older = next(
            (other for other, theirs in others if len(runs & theirs) >= _NEAR * min(len(runs), len(theirs))), None
        )
        if older is not None and runs:
            yield older, entry, "nearly the same words"
        elif runs and len(others) < _ALIKE:
            others.append((entry, runs))


def contradictions(bank: Bank, step: Callable[[], object]) -> Iterator[Pair]:
    """Live semantic entries that look as if they could not both be true; `step` is called for each entry looked at."""
    entries = [entry for entry in bank.entries(MemoryKind.SEMANTIC) if not entry.text.rstrip().endswith("?")]
    told: set[tuple[int, int]] = set()
    for slot in slot_pairs([tokenize(entry.text) for entry in entries]):
        older, newer = entries[slot.first], entries[slot.second]
        if (evidence := _clash(older.text, slot)) is not None:
            told.add((older.id, newer.id))
            yield older, newer, evidence
    for entry in entries:
        step()
        if _CORRECTS.search(entry.text):
            for related in find_related(bank, entry.text, _RELATED):
                if related.kind is MemoryKind.SEMANTIC and related.id < entry.id and (related.id, entry.id) not in told:
                    yield related, entry, f"it corrects, and shares {_listed(related.text, entry.text)}"


def _runs(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Every three words in a row."""
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _clash(text: str, slot: Slot) -> str | None:
    """What speaks for a contradiction of two texts that differ in one place."""
    words = tokenize(text)
    stem = words[: slot.start]
    while stem and stem[-1] in _ARTICLES:
        stem = stem[:-1]
    named = marked_words(text) & set(stem)
    if not named and not _FIRST_PERSON & set(stem):
        return None
    said = [" ".join(value) or "nothing" for value in slot.values]
    if () in slot.values:
        return f"{said[0]!r} against {said[1]!r}" if _NEGATIONS & set(slot.values) else None
    subject = content_words(" ".join(stem[:-1]))
    if not subject or not _binds(stem) or any(_PREPOSITIONS & set(value) for value in slot.values):
        return None
    return f"{said[0]!r} against {said[1]!r}"


def _binds(stem: Sequence[str]) -> bool:
    """Whether one value is expected behind some words."""
    if stem[-1] in _COPULAS or tuple(stem[-2:]) == ("i", "am"):
        return True
    return len(stem) > 1 and stem[-1] in _PREPOSITIONS and stem[-2] in _STATES


def _listed(one: str, other: str) -> str:
    return ", ".join(sorted(content_words(one) & content_words(other)))
