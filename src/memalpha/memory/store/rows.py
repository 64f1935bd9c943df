"""The statements about one memory, once for every database.

`Rows` puts its number into each statement, so that no statement can reach another one (`catalogue` has those about the
store as a whole). They begin and end no transaction. Parameters are written `?`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from memalpha.memory.entry import Action, Entry, MemoryKind
from memalpha.memory.history import Place
from memalpha.memory.store.changes import (
    Address,
    Change,
    Head,
    KeySpan,
    Receipt,
    from_microseconds,
    to_microseconds,
)
from memalpha.memory.store.columns import COLUMNS, from_row, to_row
from memalpha.records import Chunk

Execute = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Runs one statement inside a transaction that somebody else began; returns its rows."""

LETTER_PREFIX = "inbox "


def letter_key(ticket: int) -> str:
    """The key that a letter of the inbox is written under."""
    return f"{LETTER_PREFIX}{ticket}"


class Rows:
    """One memory in a database, inside one transaction."""

    def __init__(self, execute: Execute, address: Address) -> None:
        """Find the memory; it has no rows before its first write."""
        self._execute = execute
        self._address = address
        found = execute(
            "SELECT scope, next_id, next_number, epoch, learned, next_source FROM scopes "
            'WHERE tenant = ? AND "user" = ?',
            (address.tenant, address.user),
        )
        self._scope: int | None = found[0][0] if found else None
        self.head = Head()
        if found:
            _, next_id, next_number, epoch, learned, next_source = found[0]
            self.head = Head(
                next_id=next_id,
                next_number=next_number,
                epoch=epoch,
                learned=from_microseconds(learned),
                next_source=next_source,
            )

    def changes(self, *, first: int = 1, last: int | None = None) -> list[Change]:
        """The log, from one number to another, both included."""
        found = self._execute(
            f"SELECT {COLUMNS} FROM operations WHERE scope = ? AND number >= ? AND number <= ? ORDER BY number",
            (self._scope, first, self.head.next_number if last is None else last),
        )
        return [from_row(row) for row in found]

    def changes_of(self, place: Place) -> list[Change]:
        """What the log says of one entry."""
        found = self._execute(
            # Asked for at once, SQLite would look through the whole log, which is in the order of the numbers already.
            f"SELECT {COLUMNS} FROM operations WHERE scope = ? AND number IN "
            "(SELECT number FROM operations WHERE scope = ? AND kind = ? AND entry_id = ?) ORDER BY number",
            (self._scope, self._scope, place[0].value, place[1]),
        )
        return [from_row(row) for row in found]

    def ids(self, kind: MemoryKind, *, after: int, last: int, limit: int) -> list[int]:
        """The next ids of a kind behind one, in order, that operations up to a number name."""
        asked = "SELECT DISTINCT entry_id FROM operations WHERE scope = ? AND kind = ? AND entry_id > ? AND number <= ?"
        found = self._execute(f"{asked} ORDER BY entry_id LIMIT ?", (self._scope, kind.value, after, last, limit))
        return [entry_id for (entry_id,) in found]

    def key(self, key: str) -> KeySpan | None:
        """What was written under a key; None while it is not in use."""
        found = self._execute("SELECT first, last FROM keys WHERE scope = ? AND name = ?", (self._scope, key))
        return KeySpan(name=key, first=found[0][0], last=found[0][1]) if found else None

    def also(self, key: str, other: str) -> None:
        """Let another key, if it is free, stand for what was written under a key."""
        span = self.key(key)
        if span is not None and self.key(other) is None:
            self._execute(
                "INSERT INTO keys (scope, name, first, last) VALUES (?, ?, ?, ?)",
                (self._scope, other, span.first, span.last),
            )

    def key_spans(self) -> list[KeySpan]:
        """Every key, in the order of what was written under it."""
        found = self._execute("SELECT name, first, last FROM keys WHERE scope = ?", (self._scope,))
        spans = [KeySpan(name=name, first=first, last=last) for name, first, last in found]
        return sorted(spans, key=lambda span: (span.first, span.last, span.name))

    def append(self, changes: Iterable[Change], head: Head, keys: Iterable[str] = ()) -> None:
        """Add to the log, and move the head."""
        first = self.head.next_number
        self._move(head)
        for change in changes:
            self._execute(
                f"INSERT INTO operations (scope, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._scope, *to_row(change)),
            )
        for key in keys:
            self.add_key(KeySpan(name=key, first=first, last=head.next_number - 1))

    def add_key(self, span: KeySpan) -> None:
        """Say what was written under a key."""
        self._execute(
            "INSERT INTO keys (scope, name, first, last) VALUES (?, ?, ?, ?)",
            (self._scope, span.name, span.first, span.last),
        )

    def project(self, place: Place, entry: Entry | None, vector: bytes | None) -> None:
        """Make the row of an entry what the entry is now."""
        where = (self._scope, place[0].value, place[1])
        self._execute("DELETE FROM entries WHERE scope = ? AND kind = ? AND entry_id = ?", where)
        if entry is not None:
            self._execute(
                "INSERT INTO entries (scope, kind, entry_id, text, vector) VALUES (?, ?, ?, ?, ?)",
                (*where, entry.text, vector),
            )

    def add_sources(self, chunks: Mapping[int, Chunk]) -> None:
        """Keep chunks under their numbers."""
        for number, chunk in chunks.items():
            self._execute(
                "INSERT INTO sources (scope, number, text, time) VALUES (?, ?, ?, ?)",
                (self._scope, number, chunk.text, chunk.time),
            )

    def source(self, number: int) -> Chunk | None:
        """The chunk of a number, None when nothing was made from it or it was erased."""
        found = self._execute("SELECT text, time FROM sources WHERE scope = ? AND number = ?", (self._scope, number))
        return Chunk(text=found[0][0], time=found[0][1]) if found else None

    def sources(self, *, first: int, last: int) -> dict[int, Chunk]:
        """The chunks from one number to another, both included, that something was made from."""
        found = self._execute(
            "SELECT number, text, time FROM sources WHERE scope = ? AND number >= ? AND number <= ? ORDER BY number",
            (self._scope, first, last),
        )
        return {number: Chunk(text=text, time=time) for number, text, time in found}

    def source_numbers(self) -> list[int]:
        """The numbers of all of them."""
        return [number for (number,) in self._execute("SELECT number FROM sources WHERE scope = ?", (self._scope,))]

    def operation_count(self) -> int:
        """Length of the log."""
        return int(self._execute("SELECT COUNT(*) FROM operations WHERE scope = ?", (self._scope,))[0][0])

    def projection(self) -> dict[Place, tuple[str, bytes | None]]:
        """Text and vector of each live entry, the oldest id first."""
        found = self._execute(
            "SELECT kind, entry_id, text, vector FROM entries WHERE scope = ? ORDER BY entry_id, kind", (self._scope,)
        )
        return {
            (MemoryKind(kind), entry_id): (text, None if vector is None else bytes(vector))
            for kind, entry_id, text, vector in found
        }

    def times(self, *, first: int) -> list[tuple[Place, Action, int | None, int]]:
        """Place, action, what it undoes, and microseconds of the valid time of each operation from a number on."""
        found = self._execute(
            "SELECT kind, entry_id, action, undoes, valid FROM operations WHERE scope = ? AND number >= ? "
            "ORDER BY number",
            (self._scope, first),
        )
        return [
            ((MemoryKind(kind), each), Action(action), undoes, valid) for kind, each, action, undoes, valid in found
        ]

    def vectors(self, places: Iterable[Place] | None = None) -> list[tuple[int, bytes | None]]:
        """Id and vector of some places, None where there is no entry; of all entries when none are named."""
        if places is None:
            return self._execute("SELECT entry_id, vector FROM entries WHERE scope = ?", (self._scope,))
        statement = "SELECT vector FROM entries WHERE scope = ? AND kind = ? AND entry_id = ?"
        found = [(place[1], self._execute(statement, (self._scope, place[0].value, place[1]))) for place in places]
        return [(entry_id, rows[0][0] if rows else None) for entry_id, rows in found]

    def erase(self, place: Place | None, erased: datetime) -> Receipt:
        """Take an entry, or everything, out of every table; the ids and numbers that it had are not used again."""
        where = "scope = ?"
        values: list[object] = [self._scope]
        if place is not None:
            where, values = where + " AND kind = ? AND entry_id = ?", [*values, place[0].value, place[1]]
        self._erase_sources(place)
        count = self._execute(f"SELECT COUNT(*) FROM operations WHERE {where}", values)[0][0]
        self._execute(f"DELETE FROM operations WHERE {where}", values)
        self._execute(f"DELETE FROM entries WHERE {where}", values)
        if place is None:
            self._execute("DELETE FROM keys WHERE scope = ?", values)
            letters = self._execute(
                'DELETE FROM inbox WHERE tenant = ? AND "user" = ? RETURNING ticket',
                (self._address.tenant, self._address.user),
            )
            if letters and self._scope is None:
                self._move(self.head)
            first = self.head.next_number
            for (ticket,) in letters:  # whoever reads one of them meanwhile finds it written, and writes nothing
                self._execute(
                    "INSERT INTO keys (scope, name, first, last) VALUES (?, ?, ?, ?)",
                    (self._scope, letter_key(ticket), first, first - 1),
                )
        self._execute("UPDATE scopes SET epoch = epoch + 1 WHERE scope = ?", (self._scope,))
        kind, entry_id = place if place is not None else (None, None)
        number = self._execute(
            'INSERT INTO receipts (tenant, "user", kind, entry_id, operations, erased) VALUES (?, ?, ?, ?, ?, ?) '
            "RETURNING receipt",
            (self._address.tenant, self._address.user, kind and kind.value, entry_id, count, to_microseconds(erased)),
        )[0][0]
        return Receipt(
            number=number,
            address=self._address,
            kind=kind,
            entry_id=entry_id or None,
            operations=count,
            erased=erased,
            scrubbed=None,
        )

    def receipts(self) -> list[Receipt]:
        """What was erased from this memory, the oldest first."""
        found = self._execute(
            "SELECT receipt, kind, entry_id, operations, erased, scrubbed FROM receipts "
            'WHERE tenant = ? AND "user" = ? ORDER BY receipt',
            (self._address.tenant, self._address.user),
        )
        return [
            Receipt(
                number=number,
                address=self._address,
                kind=None if kind is None else MemoryKind(kind),
                entry_id=entry_id or None,
                operations=operations,
                erased=from_microseconds(erased),
                scrubbed=None if scrubbed is None else from_microseconds(scrubbed),
            )
            for number, kind, entry_id, operations, erased, scrubbed in found
        ]

    def _erase_sources(self, place: Place | None) -> None:
        """Take away every chunk, or those that an entry was made from or that hold one of its texts."""
        if place is None:
            self._execute("DELETE FROM sources WHERE scope = ?", (self._scope,))
            return
        operations = [change.operation for change in self.changes_of(place)]
        made_from = {operation.provenance.chunk for operation in operations}
        texts = {operation.after for operation in operations if operation.after}
        for number, text in self._execute("SELECT number, text FROM sources WHERE scope = ?", (self._scope,)):
            if number in made_from or any(each in text for each in texts):
                self._execute("DELETE FROM sources WHERE scope = ? AND number = ?", (self._scope, number))

    def _move(self, head: Head) -> None:
        values = (head.next_id, head.next_number, head.epoch, to_microseconds(head.learned), head.next_source)
        if self._scope is None:
            self._scope = self._execute(
                'INSERT INTO scopes (tenant, "user", next_id, next_number, epoch, learned, next_source) '
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING scope",
                (self._address.tenant, self._address.user, *values),
            )[0][0]
        else:
            self._execute(
                "UPDATE scopes SET next_id = ?, next_number = ?, epoch = ?, learned = ?, next_source = ? "
                "WHERE scope = ?",
                (*values, self._scope),
            )
        self.head = head
