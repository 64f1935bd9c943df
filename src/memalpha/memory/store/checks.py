"""What may be wrong with a memory in a store, told from its own rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from memalpha.memory.entry import Entry
from memalpha.memory.history import Place, entries_after
from memalpha.memory.store.changes import Address
from memalpha.memory.store.rows import Execute, Rows

_REINDEX = "run memalpha reindex"
_BACKUP = "put a backup in its place"
_NEVER = 2**63 - 1
"""When a dead letter is due."""
_DRIFT = 0.01
"""Vectors of one text differ by less, whatever texts were embedded beside it."""


class FindingKind(StrEnum):
    """What is wrong."""

    DAMAGE = "damage"
    """The database, or a log that does not fit its own counters."""
    PROJECTION = "projection"
    """The rows of the entries are not what the log says."""
    VECTORS = "vectors"
    """The vectors are not those that the embedder makes."""
    INDEX = "index"
    """The index of words is not what the entries say."""
    ORPHAN = "orphan"
    """A row that nothing else names."""
    OVER_FULL = "over-full"
    """More tokens than the layout allows."""
    DUPLICATE = "duplicate"
    """Entries with the same words."""
    CONTRADICTION = "contradiction"
    """Entries that look like statements of one thing that cannot both be true."""
    DEAD_LETTER = "dead letter"
    """What was accepted and could not be read."""
    ERASURE = "erasure"
    """An erasure that is not complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    kind: FindingKind
    what: str
    mend: str
    address: Address | None = None
    """Whose memory; None is the store as a whole."""
    places: tuple[Place, ...] = ()
    """The entries that it is about."""

    def __str__(self) -> str:
        """As one sentence."""
        where = "" if self.address is None else f"{self.address}: "
        return f"{where}{self.what}; {self.mend}"


def check_rows(rows: Rows, address: Address, *, vectors: bool) -> Iterator[Finding]:
    """What is wrong with the rows of one memory; `vectors` says whether its entries should have some."""
    operations = [change.operation for change in rows.changes()]
    live = {place: entry.text for place, entry in entries_after(operations).items() if entry is not None}
    projection = rows.projection()

    def found(kind: FindingKind, what: str, mend: str, *places: Place) -> Finding:
        return Finding(kind=kind, what=what, mend=mend, address=address, places=places)

    for place in sorted(live.keys() | projection.keys()):
        if live.get(place) != projection.get(place, (None, None))[0]:
            kind, entry_id = place
            what = f"the row of {kind} #{entry_id} is not what the log says"
            yield found(FindingKind.PROJECTION, what, _REINDEX, place)
    if any((vector is None) == vectors for _, vector in projection.values()):
        yield found(FindingKind.VECTORS, "vectors are missing or left over", _REINDEX)
    if any(operation.number >= rows.head.next_number for operation in operations):
        yield found(FindingKind.DAMAGE, "the log goes on behind its head", _BACKUP)
    if any(entry_id >= rows.head.next_id for _, entry_id in live):
        yield found(FindingKind.DAMAGE, "an entry has an id that is still to be given out", _BACKUP)
    for span in rows.key_spans():
        if not 1 <= span.first <= span.last + 1 <= rows.head.next_number:
            what = f"the key {span.name!r} names operations {span.first} to {span.last}, behind the end of the log"
            yield found(FindingKind.ORPHAN, what, _BACKUP)
    unused = set(rows.source_numbers()) - {operation.provenance.chunk for operation in operations}
    for number in sorted(unused):
        yield found(
            FindingKind.ORPHAN,
            f"no operation was made from chunk {number}",
            "erase the memory, or restore it from an export",
        )


def check_inbox(execute: Execute) -> Iterator[Finding]:
    """What was accepted and is not tried any more."""
    found = execute(
        'SELECT ticket, tenant, "user", attempts, problem FROM inbox WHERE due >= ? ORDER BY ticket', (_NEVER,)
    )
    for ticket, tenant, user, attempts, problem in found:
        what = f"ticket {ticket} was tried {attempts} times and could not be read ({problem})"
        mend = "mend what it says and send it again under another key"
        address = Address(tenant=tenant, user=user)
        yield Finding(kind=FindingKind.DEAD_LETTER, what=what, mend=mend, address=address)


def check_vectors(
    stored: Sequence[tuple[Entry, bytes]], address: Address, embed: Callable[[Sequence[str]], list[bytes | None]]
) -> Iterator[Finding]:
    """Entries whose stored vectors are not those that `embed` makes of them."""
    made = embed([entry.rendered for entry, _ in stored])
    for (entry, kept), vector in zip(stored, made, strict=True):
        if vector is None or len(vector) != len(kept) or _distance(vector, kept) > _DRIFT:
            what = f"the vector of {entry.kind} #{entry.id} is not that of its text"
            place = (entry.kind, entry.id)
            yield Finding(kind=FindingKind.VECTORS, what=what, mend=_REINDEX, address=address, places=(place,))


def _distance(one: bytes, other: bytes) -> float:
    difference = np.frombuffer(one, np.float16).astype(np.float32) - np.frombuffer(other, np.float16)
    return float(np.linalg.norm(difference))
