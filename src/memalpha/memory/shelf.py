"""One kind of a bank: its live entries, their texts, their tokens and their index, kept in step."""

from __future__ import annotations

from memalpha.memory.entry import Entry
from memalpha.memory.search import BM25Index


class Shelf:
    """The live entries of one kind, in the order of their ids, and what is derived from them."""

    __slots__ = ("entries", "ids", "index", "sizes", "tokens")

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.ids: dict[str, int] = {}
        self.sizes: dict[int, int] = {}
        self.tokens = 0
        self.index = BM25Index()

    def fork(self) -> Shelf:
        """A shelf with the same entries; neither sees later changes of the other."""
        twin = Shelf.__new__(Shelf)
        twin.entries = self.entries.copy()
        twin.ids = self.ids.copy()
        twin.sizes = self.sizes.copy()
        twin.tokens = self.tokens
        twin.index = self.index.fork()
        return twin

    def put(self, entry: Entry, size_tokens: int) -> None:
        """Add an entry or replace the one of the same id; either way it stands where its id does."""
        old = self.entries.get(entry.id)
        returns = old is None and bool(self.entries) and entry.id < next(reversed(self.entries))
        if old is None:
            self.index.add(entry.id, entry.rendered)
        else:
            self.index.update(entry.id, entry.rendered)
            self._forget(old)
        self.entries[entry.id] = entry
        self.ids[entry.text] = entry.id
        self.sizes[entry.id] = size_tokens
        self.tokens += size_tokens
        if returns:
            self._sort()

    def drop(self, entry: Entry) -> None:
        """Take an entry away."""
        del self.entries[entry.id]
        self._forget(entry)
        self.index.remove(entry.id)

    def _forget(self, old: Entry) -> None:
        # In a replay another entry may have taken over the text already.
        if self.ids[old.text] == old.id:
            del self.ids[old.text]
        self.tokens -= self.sizes.pop(old.id)

    def _sort(self) -> None:
        """Put an entry that came back where it was, in the order of ties too; rare, so the index is made anew."""
        self.entries = dict(sorted(self.entries.items()))
        self.index = BM25Index()
        for entry in self.entries.values():
            self.index.add(entry.id, entry.rendered)
