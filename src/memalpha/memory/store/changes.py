"""The records of a store: who a memory belongs to, what was done to it and when, and what was erased.

A change has two times: when it was learned, which the store says, and when what it says became true, which the caller
says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from memalpha.errors import StoreError
from memalpha.memory.entry import MemoryKind, Operation
from memalpha.memory.find import read_time
from memalpha.records import Chunk

Key = str | tuple[str, ...]
"""What an edit is written under once; several stand for the same: the edit is written while none of them is in use."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Whose memory it is; nothing in a store is reached without one."""

    tenant: str
    user: str

    def __post_init__(self) -> None:
        """Refuse names that a database would take for others."""
        for what, name in (("tenant", self.tenant), ("user", self.user)):
            if not name.strip() or len(name) > _LONGEST_NAME or not storable(name):
                raise StoreError(
                    f"got {name[:40]!r} as {what}, expected 1 to {_LONGEST_NAME} characters without zero bytes "
                    "and half surrogate pairs; name it otherwise"
                )

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.tenant}/{self.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An operation and its two times."""

    operation: Operation
    learned: datetime
    """When the store accepted it; never earlier than that of the operation before."""
    valid: datetime
    """From when on it is true: as given, else the time of its chunk where that is ISO 8601, else `learned`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a memory has come."""

    next_id: int = 1
    next_number: int = 1
    epoch: int = 0
    """Counts erasures: what was read in an earlier epoch is to be read again."""
    learned: datetime = _EPOCH
    """When its last change was learned."""
    next_source: int = 0
    """Number of the next chunk that is read into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How much a store holds of one user."""

    user: str
    entries: int
    operations: int
    learned: datetime
    """When the last change was learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpan:
    """What was written under a key."""

    name: str
    first: int
    """Number of its first operation."""
    last: int
    """Number of its last one; one less than `first` where nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A chunk that operations were made from."""

    number: int
    chunk: Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That something was erased, without a word of it."""

    number: int
    address: Address
    kind: MemoryKind | None
    """None when all of the memory was erased."""
    entry_id: int | None
    operations: int
    """How many were taken out of the log."""
    erased: datetime
    scrubbed: datetime | None
    """When the free space of the database was rewritten; None is an erasure that the next opening completes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A receipt, and what the caller has to look at now."""

    receipt: Receipt
    also_in: tuple[tuple[MemoryKind, int], ...]
    """Kinds and ids of entries whose texts, now or earlier, hold an erased text; they were not touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one entry was at two points of a log; None where it was not there."""

    kind: MemoryKind
    entry_id: int | None
    before: str | None
    after: str | None


def storable(text: str) -> bool:
    """Whether every database takes a text: no zero byte, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def zoned(time: datetime) -> datetime:
    """The time itself; raises `StoreError` for one without a zone."""
    if time.tzinfo is None:
        raise StoreError(f"got {time.isoformat()}, which has no time zone; write the zone, such as +00:00")
    return time


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970; raises `StoreError` for a time without a zone, or before year 1 or after 9999 in UTC."""
    try:
        zoned(time).astimezone(UTC)
    except OverflowError as error:
        raise StoreError(f"got {time.isoformat()}, expected a time that is in the years 1 to 9999 in UTC") from error
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """The time in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def valid_time(operation: Operation, given: datetime | None, learned: datetime) -> datetime:
    """From when on an operation is true; a chunk's time without a zone is in UTC."""
    return given or read_time(operation.provenance.time) or learned


def names_of(key: Key) -> tuple[str, ...]:
    """Each of the keys that stand for the same."""
    return (key,) if isinstance(key, str) else key
