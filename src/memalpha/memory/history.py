"""What a log says: the entries that it leaves, and the state that each operation changed.

A log is read from its first operation on; nothing here asks whether an operation was allowed. It need not be whole: an
update of an entry that the log does not know writes it, and a delete of one does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from memalpha.errors import ConflictError, UnknownEntryError
from memalpha.memory.entry import CORE_ID, Entry, MemoryKind, Operation, Version

Place = tuple[MemoryKind, int]
"""A kind and the id of an entry in it, `CORE_ID` for a single text."""


def place_of(operation: Operation) -> Place:
    """Where an operation changed something."""
    return operation.kind, CORE_ID if operation.entry_id is None else operation.entry_id


def states(
    operations: Iterable[Operation], first: Mapping[Place, Entry | None] = MappingProxyType({})
) -> Iterator[tuple[Operation, Entry | None, Entry | None]]:
    """Each operation with its entry before and after it, None where there is none.

    `first` is what stands before the first of them; without it nothing does.
    """
    live = dict(first)
    before: dict[int, Entry | None] = {}
    for operation in operations:
        place = place_of(operation)
        old = before[operation.number] = live.get(place)
        # An undo brings back the entry itself, with the provenance and the versions that it had.
        new = _written(operation, old) if operation.undoes is None else before.get(operation.undoes)
        live[place] = new
        yield operation, old, new


def entries_after(
    operations: Iterable[Operation], first: Mapping[Place, Entry | None] = MappingProxyType({})
) -> dict[Place, Entry | None]:
    """What stands at each place that the operations name, None where the last of them left nothing.

    `first` is what stands before the first of them; what they undo must be among them.
    """
    return {place_of(operation): new for operation, _, new in states(operations, first)}


def before_operation(log: Sequence[Operation], number: int) -> tuple[Place, Entry | None]:
    """The place that an operation changed and what stood there before it.

    Raises:
        UnknownEntryError: The log has no operation of this number.
        ConflictError: The place has changed since; what changed it is to be undone first.
    """
    place = next((place_of(operation) for operation in log if operation.number == number), None)
    if place is None:
        raise UnknownEntryError(f"got operation {number}, which is not in the log; use the number of one that is there")
    trail = list(states(operation for operation in log if place_of(operation) == place))
    old, new = next((old, new) for operation, old, new in trail if operation.number == number)
    last, _, current = trail[-1]
    if current != new:
        raise ConflictError(
            f"got operation {number} to undo, but operation {last.number} changed the same entry since; "
            "undo that one first"
        )
    return place, old


def _written(operation: Operation, old: Entry | None) -> Entry | None:
    if operation.after is None:
        return None
    past = () if old is None else (*old.versions, Version(text=old.text, provenance=old.provenance))
    kind, entry_id = place_of(operation)
    return Entry(id=entry_id, kind=kind, text=operation.after, provenance=operation.provenance, versions=past)
