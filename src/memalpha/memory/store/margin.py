"""What a search needs beside the entries of a memory: from when on each is valid, and its vector."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from memalpha.memory.entry import CORE_ID, Action, Entry
from memalpha.memory.history import Place
from memalpha.memory.store.changes import Change, from_microseconds, to_microseconds
from memalpha.memory.store.rows import Rows
from memalpha.memory.vectors import VectorIndex


class Margin:
    """Times and vectors of the entries of all lists, read from the database as far as they are not yet here.

    Searches read them, writes do not tell them: what is here was committed.
    """

    def __init__(self, dimensions: int | None) -> None:
        """Nothing is read yet; without dimensions there are no vectors."""
        self._dimensions = dimensions
        self._epoch = 0
        self.forget()

    def forget(self) -> None:
        """Hold nothing; the next look reads everything."""
        self.vectors = None if self._dimensions is None else VectorIndex(self._dimensions)
        self._valid: dict[int, int] = {}
        self._next_number = 1

    def follow(self, rows: Rows) -> None:
        """Read what was written since the last look, or everything after an erasure."""
        head = rows.head
        if head.epoch != self._epoch or head.next_number < self._next_number:
            self.forget()
        changed: dict[Place, None] = {}
        for place, action, undoes, valid in rows.times(first=self._next_number):
            if place[1] == CORE_ID:
                continue
            changed[place] = None
            if action is Action.DELETE:
                self._valid.pop(place[1], None)
            else:
                self._valid[place[1]] = valid if undoes is None else _valid_after(rows.changes_of(place))
        if self.vectors is not None and changed:
            self._read(self.vectors, rows.vectors() if self._next_number == 1 else rows.vectors(changed))
        self._epoch, self._next_number = head.epoch, head.next_number

    def valid(self, entry: Entry) -> datetime:
        """From when on an entry is true."""
        return from_microseconds(self._valid[entry.id])

    def _read(self, vectors: VectorIndex, stored: Iterable[tuple[int, bytes | None]]) -> None:
        found = dict(stored)
        for entry_id in (each for each, vector in found.items() if vector is None):
            vectors.drop(entry_id)
        kept = {each: vector for each, vector in found.items() if vector is not None and each != CORE_ID}
        rows_ND = np.frombuffer(b"".join(kept.values()), dtype=np.float16).reshape(len(kept), -1) if kept else ()
        vectors.put(list(kept), np.asarray(rows_ND))


def _valid_after(changes: Iterable[Change]) -> int:
    """From when on the state is true that the last change of an entry left; an undo goes back to an earlier one."""
    now = 0
    before: dict[int, int] = {}
    for change in changes:
        operation = change.operation
        before[operation.number] = now
        now = to_microseconds(change.valid) if operation.undoes is None else before.get(operation.undoes, now)
    return now
