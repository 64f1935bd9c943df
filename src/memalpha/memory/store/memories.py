"""Every memory of a database: looked at, written and erased, one transaction at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import TypeVar

import numpy as np

from memalpha.errors import ConflictError, OutputError, StoreError, UnknownEntryError
from memalpha.memory.bank import Bank
from memalpha.memory.embedding import Embedder, Vectors, noise, record_of
from memalpha.memory.entry import Entry, Operation
from memalpha.memory.history import Place, place_of
from memalpha.memory.store.archive import Piece
from memalpha.memory.store.catalogue import EMBEDDER, Catalogue
from memalpha.memory.store.changes import Address, Change, Erasure, Head, Key, names_of, storable, valid_time
from memalpha.memory.store.database import Database
from memalpha.memory.store.live import LiveBank, Point
from memalpha.memory.store.margin import Margin
from memalpha.memory.store.past import Kept
from memalpha.memory.store.retelling import retell
from memalpha.memory.store.rows import Execute, Rows
from memalpha.records import Chunk

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a write asks for beside its operations."""

    key: Key | None = None
    """What is written under a key is written once."""
    valid: datetime | None = None
    """From when on it is true."""
    base: Point | None = None
    """Where the memory must stand; None is wherever it does."""
    sources: Mapping[int, Chunk] = field(default_factory=dict)
    """Chunks that it was made from, by number; those that nothing was made from are not kept."""


class Memories:
    """The memories of a database, of which those in use are held in RAM. Safe for several threads at once."""

    def __init__(
        self,
        database: Database,
        *,
        empty_bank: Callable[[], Bank],
        embedder: Embedder | None,
        clock: Callable[[], datetime],
        cached_banks: int,
    ) -> None:
        """The arguments are those of `Store`."""
        self.empty_bank = empty_bank
        self._database = database
        self._embedder = embedder
        self._embedder_record = record_of(embedder)
        self._clock = clock
        self._cached_banks = cached_banks
        self._lives: OrderedDict[Address, LiveBank] = OrderedDict()
        self._lock = Lock()

    def look(self, address: Address, see: Callable[[Bank], Result]) -> Result:
        """What a function sees in a memory as it is now; the bank is not to be changed or kept."""
        live = self._live(address)
        with live.lock:
            return self._database.read(lambda execute: see(live.follow(Rows(execute, address))), address)

    def search(self, address: Address, see: Callable[[Bank, Margin], Result]) -> Result:
        """As `look`, with the times and vectors of the entries."""
        live = self._live(address)

        def job(execute: Execute) -> Result:
            self._check_embedder(execute)
            rows = Rows(execute, address)
            live.margin.follow(rows)
            return see(live.follow(rows), live.margin)

        with live.lock:
            return self._database.read(job, address)

    def draft(self, address: Address) -> tuple[Bank, Point, int]:
        """A fork of a memory as it is now, where it stands, and the number of the next chunk that is read into it."""
        live = self._live(address)

        def job(execute: Execute) -> tuple[Bank, Point, int]:
            rows = Rows(execute, address)
            return live.follow(rows).fork(), live.point, rows.head.next_source

        with live.lock:
            bank, point, next_source = self._database.read(job, address)
        bank.lean_on(Kept(lambda ask: self.rows(address, ask)))
        return bank, point, next_source

    def turn(self, address: Address) -> AbstractContextManager[object]:
        """Held by one at a time in this process, so that edits that take long queue instead of colliding."""
        return self._live(address).turn

    def rows(self, address: Address, job: Callable[[Rows], Result]) -> Result:
        """What a job reads of a memory in the database."""
        return self._database.read(lambda execute: job(Rows(execute, address)), address)

    def written(self, address: Address, key: Key) -> tuple[Change, ...] | None:
        """What was written under a key, None while it is not in use."""
        return self.rows(address, lambda rows: _written_under(rows, key))

    def write(self, address: Address, edit: Callable[[Bank], object], terms: Terms) -> tuple[Change, ...]:
        """Edit a memory and write what the edit did, all of it or nothing; returns what was written.

        Raises:
            BankError: The bank refuses.
            ConflictError: The memory is not at `terms.base`, or what the key wrote was erased.
            StoreError, OutputError: The database failed, or a text is none that it takes.
        """
        live = self._live(address)

        def job(execute: Execute) -> tuple[Change, ...]:
            rows = Rows(execute, address)
            earlier = None if terms.key is None else _written_under(rows, terms.key)
            if earlier is not None:
                return earlier
            self._check_embedder(execute)
            bank = live.follow(rows)
            if terms.base not in (None, live.point):
                raise ConflictError(
                    f"got an edit of {address} as it was some time ago, but others have written to it or erased from "
                    "it since; nothing was written, edit it again as it is now"
                )
            first = bank.next_number
            edit(bank)
            return self._append(rows, bank, bank.operations_since(first), terms)

        return self._database.write(job, address, live.changing())

    def erase(self, address: Address, place: Place | None) -> Erasure:
        """Take an entry, or everything, out of a memory and out of the files of the database.

        Raises:
            UnknownEntryError: The memory never had this entry.
            StoreError: It was erased, but others kept the free space from being rewritten.
        """
        live = self._live(address)

        def job(execute: Execute) -> Erasure:
            rows = Rows(execute, address)
            also_in = () if place is None else _also_in(rows, place)
            live.forget()
            return Erasure(receipt=rows.erase(place, self._clock()), also_in=also_in)

        erasure = self._database.write(job, address, live.changing())
        try:
            scrubbed = self.scrub()
        except (StoreError, OutputError) as error:
            raise StoreError(
                f"receipt {erasure.receipt.number}: erased, but free space could not be rewritten ({error}); "
                "open the store again, which completes it"
            ) from error
        return replace(erasure, receipt=replace(erasure.receipt, scrubbed=scrubbed))

    def vectors(self, texts: Sequence[str]) -> list[bytes | None]:
        """The vector of each text as it is stored, 16-bit floats; None without an embedder."""
        if self._embedder is None:
            return [None] * len(texts)
        return [row.tobytes() for row in self._embedder.embed(texts).astype(np.float16)] if texts else []

    def query(self, text: str) -> Vectors | None:
        """The vector of a query, [1, D]; None without an embedder."""
        return None if self._embedder is None else self._embedder.embed([text])

    @cached_property
    def noise(self) -> float:
        """The largest cosine that says nothing."""
        return 0.0 if self._embedder is None else noise(self._embedder)

    def project(self, rows: Rows, entries: Mapping[Place, Entry | None]) -> None:
        """Make rows of entries, with their vectors, what they are now."""
        live = [(place, entry) for place, entry in entries.items() if entry is not None]
        vectors = dict(
            zip((place for place, _ in live), self.vectors([each.rendered for _, each in live]), strict=True)
        )
        for place, entry in entries.items():
            rows.project(place, entry, vectors.get(place))

    def restore(self, address: Address, head: Head, pieces: Iterable[Piece]) -> None:
        """Write the past of a memory that has none, as it was; all of it or nothing.

        Raises:
            ConflictError: The memory has been written to.
            ArchiveError: An operation does not follow from those before it.
        """
        live = self._live(address)

        def job(execute: Execute) -> None:
            self._check_embedder(execute)
            rows = Rows(execute, address)
            if rows.head.next_number > 1 or rows.head.next_id > 1:
                raise ConflictError(
                    f"got a memory with its past to restore as {address}, which has been written to; name another user "
                    "or store, or take its entries as new ones"
                )
            self.project(rows, retell(rows, replace(head, epoch=0), pieces, self.empty_bank().layout))

        self._database.write(job, address, live.changing())

    def scrub(self) -> datetime:
        """Complete every erasure; returns when."""
        last = self._database.read(lambda execute: Catalogue(execute).last_receipt())
        self._database.scrub()
        time = self._clock()
        self._database.write(lambda execute: Catalogue(execute).mark_scrubbed(last, time))
        return time

    def _check_embedder(self, execute: Execute) -> None:
        recorded, given = Catalogue(execute).setting(EMBEDDER), self._embedder_record
        if recorded != given:
            raise StoreError(
                f"{self._database.name} was reindexed with the embedder {recorded or 'none'} since it was opened with "
                f"{given or 'none'}; nothing was written, open it again with that one"
            )

    def _append(self, rows: Rows, bank: Bank, operations: Sequence[Operation], terms: Terms) -> tuple[Change, ...]:
        if not operations and terms.key is None:
            return ()
        learned = max(self._clock(), rows.head.learned)
        changes: dict[int, Change] = {}
        for operation in operations:
            _check_storable(operation.after, operation.provenance.time, operation.provenance.author)
            valid = valid_time(operation, terms.valid, learned)
            if operation.undoes is not None:  # what is taken back is taken back for all the time that it was said of
                undone = changes.get(operation.undoes) or rows.changes(first=operation.undoes, last=operation.undoes)[0]
                valid = undone.valid
            changes[operation.number] = Change(operation=operation, learned=learned, valid=valid)
        used = {operation.provenance.chunk for operation in operations}
        sources = {number: chunk for number, chunk in terms.sources.items() if number in used}
        for chunk in sources.values():
            _check_storable(chunk.text)
        head = replace(
            rows.head,
            next_id=bank.next_id,
            next_number=bank.next_number,
            learned=learned,
            next_source=max(rows.head.next_source, *(number + 1 for number in terms.sources), 0),
        )
        rows.append(tuple(changes.values()), head, () if terms.key is None else names_of(terms.key))
        rows.add_sources(sources)
        self.project(rows, {place_of(operation): bank.find(*place_of(operation)) for operation in operations})
        return tuple(changes.values())

    def _live(self, address: Address) -> LiveBank:
        with self._lock:
            live = self._lives.setdefault(
                address, LiveBank(self.empty_bank, self._embedder.dimensions if self._embedder else None)
            )
            self._lives.move_to_end(address)
            if len(self._lives) > self._cached_banks:
                self._lives.popitem(last=False)
            return live


def _written_under(rows: Rows, key: Key) -> tuple[Change, ...] | None:
    """What a key wrote, None while it is not in use."""
    names = names_of(key)
    for name in names:
        if not name or not storable(name):
            raise StoreError(
                f"got {name[:40]!r} as key, expected characters without zero bytes and half surrogate pairs"
            )
    span = next((span for name in names if (span := rows.key(name)) is not None), None)
    if span is None:
        return None
    changes = tuple(rows.changes(first=span.first, last=span.last))
    if len(changes) < span.last - span.first + 1:
        raise ConflictError(f"got the key {key!r}, which has been used, and what it wrote was erased; use another key")
    return changes


def _also_in(rows: Rows, place: Place) -> tuple[Place, ...]:
    """Other places that ever held a text of this one; raises `UnknownEntryError` when the log does not know it."""
    texts = {change.operation.after for change in rows.changes_of(place)} - {None}
    if not texts:
        kind, entry_id = place
        raise UnknownEntryError(f"got {kind} #{entry_id} to erase, which was never in memory; use the id of an entry")
    found = [
        place_of(change.operation)
        for change in rows.changes()
        if change.operation.after is not None and any(text in change.operation.after for text in texts if text)
    ]
    return tuple(each for each in dict.fromkeys(found) if each != place)


def _check_storable(*texts: str | None) -> None:
    for text in texts:
        if text is not None and not storable(text):
            raise StoreError(
                f"got a zero byte or half of a surrogate pair in {text[:40]!r}, expected text; nothing was written"
            )
