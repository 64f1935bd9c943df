"""What a memory was, from as little of its log as shows it: a page of entries, or what differs between two points.

`Scope.as_of` gives the whole memory, with its index, which takes as long as writing it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from memalpha.memory.entry import CORE_ID, Entry, MemoryKind, Operation
from memalpha.memory.history import Place, entries_after, place_of
from memalpha.memory.store.changes import Change, Difference
from memalpha.memory.store.rows import Rows

_LOT = 200
"""Ids that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The log of a memory in its database, for a bank that leans on it (`memory.log.Past`)."""

    ask: Callable[[Callable[[Rows], list[Change]]], list[Change]]
    """Runs a job on the rows of the memory: in the transaction at hand, or in one of its own."""

    def operations(self) -> list[Operation]:
        """All of them, the oldest first."""
        return [change.operation for change in self.ask(lambda rows: rows.changes())]

    def operations_on(self, place: Place) -> list[Operation]:
        """Those on one entry, the oldest first."""
        return [change.operation for change in self.ask(lambda rows: rows.changes_of(place))]

    def place(self, number: int) -> Place | None:
        """Where the operation of a number changed something."""
        found = self.ask(lambda rows: rows.changes(first=number, last=number))
        return place_of(found[0].operation) if found else None


def known(rows: Rows, kinds: Sequence[MemoryKind], number: int, *, after: int, limit: int) -> tuple[Entry, ...]:
    """The entries of some kinds as they were after an operation: the next `limit` behind an id, in the order of ids."""
    found = [entry for kind in kinds for entry in islice(_behind(rows, kind, number, after), limit)]
    return tuple(sorted(found, key=lambda entry: entry.id)[:limit])


def differences(rows: Rows, first: int, last: int) -> tuple[Difference, ...]:
    """What differs between the memory after one operation and after another, in the order of the ids."""
    low, high = sorted((first, last))
    places = {place_of(change.operation) for change in rows.changes(first=low + 1, last=high)}
    found = []
    for place in sorted(places, key=lambda place: place[::-1]):
        old, new = (_entry(rows, place, number) for number in (first, last))
        texts = old.text if old else None, new.text if new else None
        if texts[0] != texts[1]:
            kind, entry_id = place
            found.append(Difference(kind=kind, entry_id=entry_id or None, before=texts[0], after=texts[1]))
    return tuple(found)


def _behind(rows: Rows, kind: MemoryKind, number: int, after: int) -> Iterator[Entry]:
    after = CORE_ID - 1 if kind.single else after
    while ids := rows.ids(kind, after=after, last=number, limit=_LOT):
        entries = (_entry(rows, (kind, entry_id), number) for entry_id in ids)
        yield from (entry for entry in entries if entry is not None)
        after = ids[-1]


def _entry(rows: Rows, place: Place, number: int) -> Entry | None:
    """The entry at a place after an operation, None where there was none."""
    operations = [change.operation for change in rows.changes_of(place) if change.operation.number <= number]
    return entries_after(operations).get(place)
