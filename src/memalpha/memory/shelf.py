"""One kind of a bank: its live entries, their texts, their tokens and their index, kept in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from memalpha.memory.entry import Entry
from memalpha.memory.search import BM25Index


class Shelf:
    """The live entries of one kind, in the order of their ids, and what is derived from them."""

    __slots__ = ("_counted", "_uncounted", "entries", "ids", "index", "others", "sizes")

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.ids: dict[str, int] = {}
        self.sizes: dict[int, int] = {}
        """Tokens of each entry, once somebody has asked for `tokens`."""
        self.index = BM25Index()
        self.others = 0
        """How many of them are texts of tools and documents."""
        self._counted = 0
        self._uncounted: set[int] = set()

    def fork(self) -> Shelf:
        """A shelf with the same entries; neither sees later changes of the other."""
        twin = Shelf.__new__(Shelf)
        twin.entries = self.entries.copy()
        twin.ids = self.ids.copy()
        twin.sizes = self.sizes.copy()
        twin.index = self.index.fork()
        twin.others = self.others
        twin._counted = self._counted
        twin._uncounted = self._uncounted.copy()
        return twin

    def tokens(self, count_tokens: Callable[[str], int]) -> int:
        """Tokens of all entries; counts those that nobody has counted yet."""
        for entry_id in self._uncounted:
            self._note(entry_id, count_tokens(self.entries[entry_id].text))
        self._uncounted.clear()
        return self._counted

    def put(self, entry: Entry, size_tokens: int | None) -> None:
        """Add an entry or replace the one of the same id; either way it stands where its id does.

        A size of None is counted when it is first asked for.
        """
        old = self.entries.get(entry.id)
        returns = old is None and bool(self.entries) and entry.id < next(reversed(self.entries))
        if old is None:
            self.index.add(entry.id, entry.rendered)
        else:
            self.index.update(entry.id, entry.rendered)
            self._forget(old)
        self.entries[entry.id] = entry
        self.ids[entry.text] = entry.id
        self.others += _is_other(entry)
        if size_tokens is None:
            self._uncounted.add(entry.id)
        else:
            self._note(entry.id, size_tokens)
        if returns:
            self._sort()

    def put_all(self, entries: Sequence[Entry]) -> None:
        """Put entries in the order of their ids; the first of a shelf all at once, which is much quicker."""
        if self.entries:
            for entry in entries:
                self.put(entry, None)
            return
        self.entries = {entry.id: entry for entry in entries}
        self.ids = {entry.text: entry.id for entry in entries}
        self.others = sum(map(_is_other, entries))
        self._uncounted = set(self.entries)
        self.index.add_all({entry.id: entry.rendered for entry in entries})

    def drop(self, entry: Entry) -> None:
        """Take an entry away."""
        del self.entries[entry.id]
        self._forget(entry)
        self.index.remove(entry.id)

    def _forget(self, old: Entry) -> None:
        # In a replay another entry may have taken over the text already.
        if self.ids[old.text] == old.id:
            del self.ids[old.text]
        self.others -= _is_other(old)
        self._uncounted.discard(old.id)
        self._counted -= self.sizes.pop(old.id, 0)

    def _note(self, entry_id: int, size_tokens: int) -> None:
        self.sizes[entry_id] = size_tokens
        self._counted += size_tokens

    def _sort(self) -> None:
        """Put an entry that came back where it was, in the order of ties too; rare, so the index is made anew."""
        self.entries = dict(sorted(self.entries.items()))
        self.index = BM25Index()
        self.index.add_all({entry.id: entry.rendered for entry in self.entries.values()})


def _is_other(entry: Entry) -> bool:
    return not entry.provenance.origin.trusted
