"""What a writer sees of its memory beside the chunk: the core, the newest entries, the entries related to each line.

The paper's writer sees the five newest entries of each store only (arXiv:2509.25911, code), so nothing older can ever
be updated; that view is the preset `PAPER_VIEW`. Here each line of the chunk brings up the entry most like it, however
old, and the size of the view does not grow with the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from memalpha.memory.bank import Bank, Entry, Hit, MemoryKind
from memalpha.memory.find import FUNCTION_WORDS
from memalpha.memory.search import tokenize
from memalpha.records import Chunk

STORES = (MemoryKind.SEMANTIC, MemoryKind.EPISODIC)
_PROPOSED = 5
"""Hits of each store that are looked at for one related entry."""

_WORD = re.compile(r"\w+")
_FUNCTION_WORDS = FUNCTION_WORDS | frozenset("user assistant instead note wrong say says said".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """How much of the memory a writer is shown."""

    newest: int = 1
    """Newest entries shown, of each store."""
    related: int = 1
    """Entries shown for each line of the chunk; 0 turns retrieval at write time off."""
    overlap: float = 0.6
    """Least weight of the words that a line and an entry have in common, as a share of the lighter one's."""


DEFAULT_VIEW = ViewConfig()
PAPER_VIEW = ViewConfig(newest=5, related=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of a bank that one prompt shows."""

    core: str
    newest: tuple[Entry, ...]
    """Oldest first."""
    related: tuple[tuple[Entry, ...], ...]
    """One tuple for each line of the chunk, most relevant first."""

    @property
    def related_entries(self) -> tuple[Entry, ...]:
        """The related entries once each, in the order of the lines, without those among the newest."""
        seen = {entry.id for entry in self.newest}
        found: list[Entry] = []
        for entries in self.related:
            for entry in entries:
                if entry.id not in seen:
                    seen.add(entry.id)
                    found.append(entry)
        return tuple(found)


def build_view(bank: Bank, chunk: Chunk, config: ViewConfig = DEFAULT_VIEW, *, said: bool = True) -> View:
    """The view of `bank` for one chunk, which is `said` in the conversation or is the text of a tool or a document.

    Beside the conversation only entries of the conversation are shown: what a document left behind tells no writer
    what to do with the words of the user.
    """
    newest = [entry for kind in STORES for entry in newest_shown(bank, kind, config.newest, said=said)]
    newest.sort(key=lambda entry: entry.id)
    related = tuple(find_related(bank, line, config, said=said) for line in chunk.lines)
    return View(core=bank.core_text, newest=tuple(newest), related=related)


def newest_shown(bank: Bank, kind: MemoryKind, n: int, *, said: bool) -> list[Entry]:
    """The n newest entries of a kind that may be shown, the newest first."""
    hits = first_shown(lambda k: [Hit(entry=entry, score=0.0) for entry in bank.newest(k, kind)], n, said=said)
    return [hit.entry for hit in hits]


def first_shown(take: Callable[[int], Sequence[Hit]], n: int, *, said: bool) -> list[Hit]:
    """The first n hits of those that `take` gives; of the conversation alone where the chunk is `said` in it.

    Others that come first are passed over, however many they are.
    """
    asked = n
    while True:
        found = take(asked)
        shown = [hit for hit in found if hit.entry.provenance.origin.trusted or not said][:n]
        if len(shown) == n or len(found) < asked:
            return shown
        asked *= 8


def find_related(bank: Bank, line: str, config: ViewConfig, *, said: bool = True) -> tuple[Entry, ...]:
    """The entries of both stores that share most with `line`, if they share enough of its content words.

    BM25 proposes; the shared content words decide, each by its rarity in the memory, names and numbers twice. In a
    memory of a few entries nothing is rare and two corrections would be alike for their "not any more"; in one of
    thousands everybody has a favourite drink, and only the name and the drink tell whose it is.
    """
    if config.related == 0 or len(bank) == 0:
        return ()
    words, marked = content_words(line), marked_words(line)
    query = " ".join(sorted(words))
    rarity = {word: rarity_of(bank, word) for word in words}
    found: list[tuple[float, float, Entry]] = []
    for hit in (hit for kind in STORES for hit in hits_shown(bank, kind, query, _PROPOSED * config.related, said=said)):
        theirs = content_words(hit.entry.text)
        rarity.update((word, rarity_of(bank, word)) for word in theirs if word not in rarity)
        twice = marked | marked_words(hit.entry.text)
        shared = _weight(words & theirs, rarity, twice)
        least = min(_weight(words, rarity, twice), _weight(theirs, rarity, twice))
        if shared > 0 and shared >= config.overlap * least:
            found.append((shared, hit.score, hit.entry))
    found.sort(key=lambda each: (-each[0], -each[1], each[2].id))
    return tuple(entry for _, _, entry in found[: config.related])


def hits_shown(bank: Bank, kind: MemoryKind, query: str, n: int, *, said: bool) -> list[Hit]:
    """The n entries of a kind that match best and may be shown."""
    return first_shown(lambda k: bank.search(kind, query, k), n, said=said)


def rarity_of(bank: Bank, word: str) -> float:
    """How much a word tells in this memory: log(1 + (N + 0.5) / (n + 0.5)) with n of N entries that have it."""
    return math.log1p((len(bank) + 0.5) / (bank.frequency(word) + 0.5))


def _weight(words: frozenset[str], rarity: Mapping[str, float], twice: frozenset[str]) -> float:
    """The rarities of words in all; exact, so that it does not depend on their order."""
    return math.fsum(rarity[word] * (2 if word in twice else 1) for word in words)


@lru_cache(maxsize=50_000)
def content_words(text: str) -> frozenset[str]:
    """The words of a text that are not function words, in lower case."""
    return frozenset(tokenize(text)) - _FUNCTION_WORDS


@lru_cache(maxsize=50_000)
def marked_words(line: str) -> frozenset[str]:
    """Capitalised words and words with a digit, function words aside."""
    found = _WORD.findall(line)
    return frozenset(word.lower() for word in found if word[0].isupper() or not word.isalpha()) - _FUNCTION_WORDS


def nano_prompt(view: View, chunk: Chunk, budget: float | None = None, focus: Sequence[str] = ()) -> str:
    """The prompt of the nano policy: one fact a line, ids before entries, line numbers after lines.

    A causal model has read a line when it meets its number, so that the number's own state can carry whether the line
    is worth keeping; a related entry stands under the line that brought it up.
    """
    parts = [f"core: {_flat(view.core)}\n"] if view.core else []
    parts += [f"{entry.kind.value} {entry.id}: {_flat(entry.text)}\n" for entry in view.newest]
    parts.append(f"<|chunk|>{chunk.time or ''}")
    parts.append(f" keep {round(100 * budget)}%" if budget is not None else "")
    parts.append(f" about {' '.join(focus)}\n" if focus else "\n")
    for number, (line, related) in enumerate(zip(chunk.lines, view.related, strict=True), start=1):
        parts.append(f"{line} #{number}\n")
        parts += [f"~{entry.kind.value} {entry.id}: {_flat(entry.text)}\n" for entry in related]
    return "".join(parts)


def _flat(text: str) -> str:
    return text.replace("\n", " / ")
