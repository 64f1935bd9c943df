"""What a writer sees of a memory with other stores than those of Mem-α: the newest entries and those found by search.

Nothing is weighed as in `memalpha.agent.view`: entries are proposed by BM25 alone, as systems without training do it.
"""

from __future__ import annotations

from memalpha.agent.view import View, ViewConfig
from memalpha.memory.bank import Bank, Entry
from memalpha.records import Chunk


def overview(bank: Bank, chunk: Chunk, config: ViewConfig) -> View:
    """The view of `bank` for one chunk: the newest of each store, and the best of all stores for each line."""
    newest = [entry for kind in bank.layout.stores for entry in bank.newest(config.newest, kind)]
    newest.sort(key=lambda entry: entry.id)
    related = tuple(_best(bank, line, config.related) for line in chunk.lines)
    return View(core=bank.core_text, newest=tuple(newest), related=related)


def _best(bank: Bank, line: str, k: int) -> tuple[Entry, ...]:
    """The k entries that match a line best; none that shares no word with it."""
    hits = [hit for kind in bank.layout.stores for hit in bank.search(kind, line, k) if hit.score > 0]
    hits.sort(key=lambda hit: (-hit.score, hit.entry.id))
    return tuple(hit.entry for hit in hits[:k])
