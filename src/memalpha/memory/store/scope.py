"""The memory of one user of one tenant in a store: the only way to what is in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from memalpha.errors import ConfigError, ConflictError, StoreError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import CORE_ID, Action, Entry, Hit, MemoryKind, Operation, Provenance
from memalpha.memory.find import Found, Where, find
from memalpha.memory.history import Place, entries_after
from memalpha.memory.store.archive import Piece, archive
from memalpha.memory.store.changes import Address, Change, Difference, Erasure, Head, Key, Receipt, zoned
from memalpha.memory.store.margin import Margin
from memalpha.memory.store.memories import Memories, Result, Terms
from memalpha.memory.store.past import differences, known
from memalpha.records import Chunk

_Asked = int | tuple[Action, MemoryKind, str | None]
"""What a key must have written before: the undo of a number, or an action on a kind that left a text."""


@dataclass(slots=True, kw_only=True)
class Draft:
    """A memory that is being edited."""

    bank: Bank
    """Edit this one."""
    first_source: int
    """Number of the first chunk that is read."""
    changes: tuple[Change, ...] = ()
    """What was written, once it is."""


class Scope:
    """What a store holds for one user, and what may be done to it.

    Single texts, such as the core, are named by their kind and the id None, as in a `Bank`. Edits raise what a bank
    raises (`BankError`), `ConflictError`, `StoreError` and `OutputError`; whatever they raise, nothing was written.
    `key` makes an edit safe to send twice: what was written under a key is returned and not written again. `valid` says
    from when on it is true (`Change.valid`).
    """

    def __init__(self, memories: Memories, address: Address) -> None:
        """Made by `Store.scope`."""
        self._memories = memories
        self.address = address

    def bank(self) -> Bank:
        """The memory as it is now, as a bank of the caller's own: what is done to it is not written."""
        return self._memories.draft(self.address)[0]

    def look(self, see: Callable[[Bank], Result]) -> Result:
        """What a function sees in the memory as it is now; the bank is not to be changed or kept."""
        return self._memories.look(self.address, see)

    def get(self, kind: MemoryKind, entry_id: int | None) -> Entry | None:
        """An entry as it is now, None when there is none."""
        return self._memories.look(self.address, lambda bank: _find(bank, kind, entry_id))

    def entries(self, kind: MemoryKind) -> Sequence[Entry]:
        """The live entries of a kind, the oldest id first."""
        return self._memories.look(self.address, lambda bank: bank.entries(kind))

    def search(self, kind: MemoryKind, query: str, k: int) -> list[Hit]:
        """What `Bank.search` finds."""
        return self._memories.look(self.address, lambda bank: bank.search(kind, query, k))

    def find(self, query: str, k: int, where: Where | None = None, *, explain: bool = False) -> list[Found]:
        """The k entries of all lists that answer a query best (`memalpha.memory.find.find`).

        Vectors have their share in a store with an embedder; `where` asks for `Change.valid`.
        """
        wanted, noise = self._memories.query(query), self._memories.noise

        def see(bank: Bank, margin: Margin) -> list[Found]:
            near = None
            if wanted is not None and margin.vectors is not None:
                cosines = margin.vectors.near(wanted[0], noise)
                near = ((each, (cosine - noise) / (1 - noise)) for each, cosine in cosines)
            return find(bank, query, k, where, near=near, valid=margin.valid, explain=explain)

        return self._memories.search(self.address, see)

    def nearest(self, kind: MemoryKind, query: str, k: int) -> list[Entry]:
        """The k entries of a list whose vectors are nearest to that of a query; raises `StoreError` without vectors."""
        wanted = self._memories.query(query)

        def see(bank: Bank, margin: Margin) -> list[Entry]:
            if wanted is None or margin.vectors is None:
                raise StoreError("got a search by vectors in a store without an embedder; open it with one and reindex")
            hits = (bank.find(kind, entry_id) for entry_id, _ in margin.vectors.near(wanted[0], -math.inf))
            return list(islice((entry for entry in hits if entry is not None), max(k, 0)))

        return self._memories.search(self.address, see)

    @contextmanager
    def edit(self, *, key: Key | None = None, valid: datetime | None = None) -> Iterator[Bank]:
        """A bank to edit for as long as it takes; what was done to it is written at the end, all or nothing.

        Nothing is written when the block raises. Raises `ConflictError` when this memory has changed since, or when the
        key is in use: `written` tells beforehand.
        """
        with self.read((), key=key, valid=valid) as draft:
            yield draft.bank

    @contextmanager
    def read(
        self, chunks: Sequence[Chunk], *, key: Key | None = None, valid: datetime | None = None
    ) -> Iterator[Draft]:
        """As `edit`, while chunks are read; the provenance names them from `Draft.first_source` on.

        A chunk that an operation was made from is kept with it (`source`), the others are not. Of one process one
        edits a memory at a time, the others wait.
        """
        with self._memories.turn(self.address):
            yield from self._read(chunks, key, valid)

    def _read(self, chunks: Sequence[Chunk], key: Key | None, valid: datetime | None) -> Iterator[Draft]:
        bank, base, first = self._memories.draft(self.address)
        draft = Draft(bank=bank, first_source=first)
        first_number = bank.next_number
        yield draft
        made = bank.operations_since(first_number)
        sources = dict(enumerate(chunks, start=first))

        def repeat(live: Bank) -> None:
            live.replay(made, next_id=bank.next_id, next_number=bank.next_number)

        terms = Terms(key=key, valid=valid, base=base, sources=sources)
        draft.changes = self._memories.write(self.address, repeat, terms)
        if tuple(change.operation for change in draft.changes) != made:
            raise ConflictError(f"got an edit under the key {key!r}, which is in use; `written` says what it wrote")

    def change(
        self, edit: Callable[[Bank], object], *, key: Key | None = None, valid: datetime | None = None
    ) -> tuple[Change, ...]:
        """What a quick edit did to the newest state, written all or nothing; nobody comes between.

        The edit runs inside the transaction: what takes long belongs into `edit` or `read`.
        """
        return self._memories.write(self.address, edit, Terms(key=key, valid=valid))

    def source(self, number: int) -> Chunk | None:
        """The chunk that operations name in their provenance; None when nothing was made from it or it was erased."""
        return self._memories.rows(self.address, lambda rows: rows.source(number))

    def written(self, key: Key) -> tuple[Change, ...] | None:
        """What was written under a key, None while it is not in use."""
        return self._memories.written(self.address, key)

    def insert(
        self,
        kind: MemoryKind,
        text: str,
        provenance: Provenance,
        *,
        key: str | None = None,
        valid: datetime | None = None,
    ) -> Change:
        """Add an entry, as `Bank.insert` does."""
        asked = (Action.INSERT, kind, text.strip())
        return self._write(lambda bank: bank.insert(kind, text, provenance), Terms(key=key, valid=valid), asked)

    def update(
        self,
        kind: MemoryKind,
        entry_id: int | None,
        text: str,
        provenance: Provenance,
        *,
        seen: Entry | None = None,
        key: str | None = None,
        valid: datetime | None = None,
    ) -> Change:
        """Replace the text of an entry, as `Bank.update` does; the earlier one stays as a version.

        Given the entry as it was `seen`, raises `ConflictError` when it is another by now.
        """

        def change(bank: Bank) -> object:
            if seen is not None and _find(bank, kind, entry_id) != seen:
                name = kind if entry_id is None else f"{kind} #{entry_id}"
                raise ConflictError(
                    f"got an update of {name}, which has changed since it was seen; read it again and decide again"
                )
            return bank.update(kind, entry_id, text, provenance)

        return self._write(change, Terms(key=key, valid=valid), (Action.UPDATE, kind, text.strip()))

    def delete(
        self,
        kind: MemoryKind,
        entry_id: int | None,
        provenance: Provenance,
        *,
        key: str | None = None,
        valid: datetime | None = None,
    ) -> Change:
        """Take an entry away, as `Bank.delete` does; its history stays, which `erase` takes away too."""
        asked = (Action.DELETE, kind, None)
        return self._write(lambda bank: bank.delete(kind, entry_id, provenance), Terms(key=key, valid=valid), asked)

    def undo(self, number: int, provenance: Provenance, *, key: str | None = None) -> Change:
        """Take back an operation, as `Bank.undo` does, for all the time for which it was said."""
        return self._write(lambda bank: bank.undo(number, provenance), Terms(key=key), number)

    def changes(self, *, first: int = 1, last: int | None = None) -> tuple[Change, ...]:
        """The log with its times, the oldest first; or a part of it, by numbers, both included."""
        return tuple(self._memories.rows(self.address, lambda rows: rows.changes(first=first, last=last)))

    def last_number(self) -> int:
        """The number of the newest operation, 0 before the first."""
        return self._memories.rows(self.address, lambda rows: rows.head.next_number - 1)

    def history(self, kind: MemoryKind, entry_id: int | None) -> tuple[Change, ...]:
        """All that was done to an entry, deleted ones too; empty for what never was."""
        place = _place(kind, entry_id)
        return tuple(self._memories.rows(self.address, lambda rows: rows.changes_of(place)))

    def as_of(self, point: int | datetime) -> Bank:
        """The memory as it was known after an operation, or at a time, as a bank of the caller's own."""
        known = [change for change in self.changes() if _reached(change, point)]
        bank = self._memories.empty_bank()
        operations = [change.operation for change in known]
        first_free = 1 + max((operation.entry_id or CORE_ID for operation in operations), default=CORE_ID)
        bank.replay(operations, next_id=first_free, next_number=1 + (operations[-1].number if operations else 0))
        return bank

    def known(
        self, number: int, kinds: Sequence[MemoryKind] = (), *, after: int = CORE_ID, limit: int
    ) -> tuple[Entry, ...]:
        """A page of the memory as it was known after an operation: the next entries behind an id, by id.

        Single texts come first, behind any id. Without `kinds` all kinds of lists and texts are meant.
        """
        wanted = kinds or [block.kind for block in self._memories.empty_bank().layout.blocks]
        return self._memories.rows(self.address, lambda rows: known(rows, wanted, number, after=after, limit=limit))

    def true_at(self, time: datetime, *, known: int | datetime | None = None) -> tuple[Entry, ...]:
        """What was true at a time, as far as is known now, or was known after an operation or at another time.

        Each entry is the last that was said of it among what is valid from then or earlier; in the order of their ids.
        """
        operations = [
            change.operation
            for change in self.changes()
            if change.valid <= zoned(time) and (known is None or _reached(change, known))
        ]
        found = entries_after(operations)
        return tuple(entry for _, entry in sorted(found.items(), key=lambda item: item[0][::-1]) if entry is not None)

    def diff(self, first: int, last: int) -> tuple[Difference, ...]:
        """What differs between the memory after one operation and after another, in the order of the ids."""
        return self._memories.rows(self.address, lambda rows: differences(rows, first, last))

    def erase(self, kind: MemoryKind, entry_id: int | None) -> Erasure:
        """Take an entry with its history out of the store and out of the files of its database, for good.

        Raises:
            UnknownEntryError: There never was such an entry.
            StoreError: It was erased, but others kept the free space from being rewritten.
        """
        return self._memories.erase(self.address, _place(kind, entry_id))

    def erase_all(self) -> Erasure:
        """Take the whole memory out, as `erase` does with an entry."""
        return self._memories.erase(self.address, None)

    def archive(self, write: Callable[[str], object]) -> int:
        """Write all of the memory, its past too, as lines (`archive.read_archive`); returns how many operations."""
        layout = self._memories.empty_bank().layout.name
        return self._memories.rows(self.address, lambda rows: archive(rows, self.address, layout, write))

    def restore(self, head: Head, pieces: Iterable[Piece]) -> None:
        """Take over what `archive` wrote, as it was, into a memory that was never written to.

        Raises:
            ConflictError: This memory has been written to.
            ArchiveError: An operation does not follow from those before it, or a line is none.
        """
        self._memories.restore(self.address, head, pieces)

    def receipts(self) -> tuple[Receipt, ...]:
        """What was erased, the oldest first."""
        return tuple(self._memories.rows(self.address, lambda rows: rows.receipts()))

    def _write(self, edit: Callable[[Bank], object], terms: Terms, asked: _Asked) -> Change:
        changes = self._memories.write(self.address, edit, terms)
        done = [change.operation for change in changes]
        # What made way for a text, if anything did, had the same one.
        if not done or asked not in _asked_for(done[-1]) or any(each.before != done[-1].after for each in done[:-1]):
            raise ConflictError(f"got the key {terms.key!r}, which is in use for something else; use another key")
        return changes[-1]


def _asked_for(operation: Operation) -> tuple[_Asked | None, _Asked]:
    return operation.undoes, (operation.action, operation.kind, operation.after)


def _place(kind: MemoryKind, entry_id: int | None) -> Place:
    if (entry_id is None) != kind.single:
        expected = "no id" if kind.single else "the id of an entry"
        raise ConfigError(f"got the id {entry_id} for {kind} memory, expected {expected}")
    return kind, CORE_ID if entry_id is None else entry_id


def _find(bank: Bank, kind: MemoryKind, entry_id: int | None) -> Entry | None:
    return bank.find(*_place(kind, entry_id))


def _reached(change: Change, point: int | datetime) -> bool:
    """Whether a change was known at a time or after an operation."""
    return change.learned <= zoned(point) if isinstance(point, datetime) else change.operation.number <= point
