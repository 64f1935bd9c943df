"""What a writer sees of a memory with other stores than those of Mem-α: the newest entries and those found by search.

Simpler than `memalpha.agent.view`, as systems without training do it: the words that a line and an entry share count by
their rarity in the memory, and the best are shown however little that is.
"""

from __future__ import annotations

import math

from memalpha.agent.view import View, ViewConfig, hits_shown, newest_shown, rarity_of
from memalpha.memory.bank import Bank, Entry
from memalpha.memory.search import tokenize
from memalpha.records import Chunk


def overview(bank: Bank, chunk: Chunk, config: ViewConfig, *, said: bool = True) -> View:
    """The view of `bank` for one chunk: the newest of each store, and the best of all stores for each line.

    Beside what is `said` in the conversation only its own entries are shown, as in `memalpha.agent.view`.
    """
    stores = bank.layout.stores
    newest = [entry for kind in stores for entry in newest_shown(bank, kind, config.newest, said=said)]
    newest.sort(key=lambda entry: entry.id)
    related = tuple(_best(bank, line, config.related, said=said) for line in chunk.lines)
    return View(core=bank.core_text, newest=tuple(newest), related=related)


def _best(bank: Bank, line: str, k: int, *, said: bool) -> tuple[Entry, ...]:
    """The k entries that share most with a line; none that shares no word with it."""
    words = frozenset(tokenize(line))
    found = [hit.entry for kind in bank.layout.stores for hit in hits_shown(bank, kind, line, k, said=said)]
    weighed = [(_shared(bank, words, entry), entry) for entry in found]
    weighed.sort(key=lambda pair: (-pair[0], pair[1].id))
    return tuple(entry for weight, entry in weighed[:k] if weight > 0)


def _shared(bank: Bank, words: frozenset[str], entry: Entry) -> float:
    """The weight of the words in common. BM25 scores of two stores do not compare, and are negative in small ones."""
    shared = words & frozenset(tokenize(entry.text))
    return math.fsum(rarity_of(bank, word) for word in shared)
