"""Files of memories into a store: each user in one transaction, twice the same file once.

An export of this package comes back as it was, its past included, where nothing was written yet. All else becomes
operations of today with the valid times that the file says. A text of another memory may have been written by anybody:
its origin is that of a document, unless it is said to be trusted, and so it can change nothing of what is said here.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from memalpha.errors import ArchiveError, ConflictError, DuplicateError, OverLimitError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Action, MemoryKind, Origin, Provenance
from memalpha.memory.store import Change, Scope, Store
from memalpha.memory.store.archive import Header, Piece, read_archive
from memalpha.memory.store.store import now as time_of_day
from memalpha.service.exchange.foreign import Event, Foreign, Shape
from memalpha.service.exchange.shapes import is_archive, read_foreign

DEFAULT_USER, DEFAULT_TENANT = "me", "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bring:
    """How a file is taken in."""

    user: str | None = None
    """Whose memory it becomes; None is the user that the file names, "me" where it names none."""
    tenant: str | None = None
    """None is the tenant that an export of this package names, "default" for all others."""
    trust: bool = False
    """Whether the texts are taken as words of the conversation, and not as a document."""
    as_new: bool = False
    """Whether the entries of an export of this package are added to a memory, without their past."""
    dry_run: bool = False
    """Whether nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What became of one user's part of a file."""

    shape: Shape
    tenant: str
    user: str
    operations: Counter[Action] = field(default_factory=Counter)
    """What was done, or would be done by a dry run."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What was not taken, and how often."""
    before: bool = False
    """Whether the same file was taken before; then nothing was done."""


def bring(store: Store, file: Path, how: Bring, *, now: Callable[[], datetime] = time_of_day) -> list[Brought]:
    """Take a file into a store, user by user.

    Raises:
        ArchiveError: The file is of no known shape, damaged, or names several users where one is to get it.
        ConflictError: The memory has been written to, or part of what the file brought was erased.
        BankError, StoreError, OutputError: As every write.
    """
    if is_archive(file) and not how.as_new:
        return list(_restore(store, file, how))
    foreign = read_foreign(file)
    if how.user is not None and len(foreign.events) > 1:
        raise ArchiveError(f"{file} holds several memories, got --user {how.user}; leave --user out")
    today = now().astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    told = []
    for user, events in (foreign.events or {None: []}).items():
        scope = store.scope(how.tenant or DEFAULT_TENANT, how.user or user or DEFAULT_USER)
        told.append(_take(scope, foreign, events, how, today))
    told[0].left_out.update(+foreign.left_out)
    return told


def _restore(store: Store, file: Path, how: Bring) -> Iterator[Brought]:
    with file.open("rb") as lines:
        for number, (header, pieces) in enumerate(read_archive(lines, str(file))):
            if number and how.user is not None:
                raise ArchiveError(f"{file} holds several memories, got --user {how.user}; leave --user out")
            scope = store.scope(how.tenant or header.address.tenant, how.user or header.address.user)
            done: Counter[Action] = Counter()
            before = False
            if how.dry_run:
                deque(_counted(pieces, done), maxlen=0)
            else:
                try:
                    scope.restore(header.head, _counted(pieces, done))
                except ConflictError:
                    before = _is_that(scope, header, pieces)
                    if not before:
                        raise
            address = scope.address
            yield Brought(
                shape=Shape.MEMALPHA, tenant=address.tenant, user=address.user, operations=done, before=before
            )


def _counted(pieces: Iterable[Piece], done: Counter[Action]) -> Iterator[Piece]:
    for piece in pieces:
        if isinstance(piece, Change):
            done[piece.operation.action] += 1
        yield piece


def _is_that(scope: Scope, header: Header, pieces: Iterable[Piece]) -> bool:
    """Whether a memory is what an archive would make it."""
    lines: list[str] = []
    scope.archive(lines.append)
    own, own_pieces = next(read_archive((line.encode() for line in lines), "the store"))
    return own.head == header.head and all(one == other for one, other in zip_longest(own_pieces, pieces))


def _take(scope: Scope, foreign: Foreign, events: Sequence[Event], how: Bring, today: str) -> Brought:
    """One user's events as operations, in one transaction under a key that is theirs."""
    told = Brought(shape=foreign.shape, tenant=scope.address.tenant, user=scope.address.user)
    taking = _Taking(shape=foreign.shape, trust=how.trust, today=today, left_out=told.left_out)
    key = f"import {sha256(json.dumps([asdict(event) for event in events]).encode()).hexdigest()}"
    if how.dry_run:
        bank = scope.bank()
        first = bank.next_number
        taking.take(bank, events)
        told.operations.update(operation.action for operation in bank.operations_since(first))
        return told
    if events and _written(scope, key) is not None:
        return replace(told, before=True)
    with scope.read((), key=key if events else None) as draft:
        taking.take(draft.bank, events)
    told.operations.update(change.operation.action for change in draft.changes)
    return told


def _written(scope: Scope, key: str) -> object:
    try:
        return scope.written(key)
    except ConflictError as error:
        raise ConflictError(
            f"got a file that was imported into {scope.address} before, and part of what it brought was erased since; "
            "take that part out of the file"
        ) from error


@dataclass(slots=True, kw_only=True)
class _Taking:
    """Events done to a bank, one after the other in the order of their times."""

    shape: Shape
    trust: bool
    today: str
    left_out: Counter[str]
    _places: dict[str, tuple[MemoryKind, int]] = field(default_factory=dict)

    def take(self, bank: Bank, events: Sequence[Event]) -> None:
        """Do all of them; what the bank has already, or has no room for, is counted."""
        for event in _in_order(events):
            if event.text is not None:
                self._write(bank, event, event.text)
            elif event.time is not None and event.time > self.today:
                self.left_out["ends that lie ahead"] += 1
            elif event.subject in self._places:
                kind, entry_id = self._places.pop(event.subject)
                bank.delete(kind, entry_id, self._provenance(event))

    def _write(self, bank: Bank, event: Event, text: str) -> None:
        provenance = self._provenance(event)
        place = self._places.get(event.subject)
        entry = bank.find(*place) if place else None
        if entry is not None and entry.text == text.strip():
            return
        try:
            if place is not None:
                bank.update(*place, text, provenance)
            elif event.kind.single:
                self._append(bank, event, text)
            else:
                self._places[event.subject] = event.kind, bank.insert(event.kind, text, provenance).id
        except DuplicateError:
            self.left_out["texts that are there already"] += 1
            if place is not None:  # what it was before is no longer so
                bank.delete(*self._places.pop(event.subject), provenance)

    def _append(self, bank: Bank, event: Event, text: str) -> None:
        """To a single text, or as an entry where that is full."""
        old = bank.single(event.kind)
        if old is not None and text in old.text:
            raise DuplicateError(f"got a text that the {event.kind} has already; nothing is to be written")
        try:
            whole = text if old is None else f"{old.text}\n{text}"
            bank.update(event.kind, None, whole, self._provenance(event))
        except OverLimitError:
            self.left_out[f"texts that the {event.kind} has no room for, kept as entries"] += 1
            bank.insert(MemoryKind.SEMANTIC, text, self._provenance(event))

    def _provenance(self, event: Event) -> Provenance:
        if self.shape is Shape.MEMALPHA:
            origin = event.origin or Origin.DOCUMENT
        else:
            origin = (event.origin or Origin.USER) if self.trust else Origin.DOCUMENT
        return Provenance(time=event.time, author=self.shape.value, origin=origin)


def _in_order(events: Sequence[Event]) -> list[Event]:
    """By time, the undated first; what happened to one entry stays in the order of the file."""
    latest: dict[str, str] = {}
    times = []
    for event in events:
        latest[event.subject] = max(latest.get(event.subject, ""), event.time or "")
        times.append(latest[event.subject])
    return [event for _, event in sorted(zip(times, events, strict=True), key=lambda pair: pair[0])]
