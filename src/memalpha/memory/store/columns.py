"""An operation as a row of its table, and back."""

from __future__ import annotations

import json
from typing import Any

from memalpha.memory.entry import CORE_ID, Action, MemoryKind, Operation, Origin, Provenance
from memalpha.memory.store.changes import Change, from_microseconds, to_microseconds

COLUMNS = "number, action, kind, entry_id, before, after, undoes, chunk, lines, time, author, learned, valid, origin"


def to_row(change: Change) -> tuple[Any, ...]:
    """The row of a change, without the number of its memory."""
    operation, provenance = change.operation, change.operation.provenance
    return (
        operation.number,
        operation.action.value,
        operation.kind.value,
        CORE_ID if operation.entry_id is None else operation.entry_id,
        operation.before,
        operation.after,
        operation.undoes,
        provenance.chunk,
        json.dumps(provenance.lines),
        provenance.time,
        provenance.author,
        to_microseconds(change.learned),
        to_microseconds(change.valid),
        provenance.origin.value,
    )


def from_row(row: tuple[Any, ...]) -> Change:
    """The change that a row holds."""
    number, action, kind, entry_id, before, after, undoes, chunk, lines, time, author, learned, valid, origin = row
    return Change(
        operation=Operation(
            number=number,
            action=Action(action),
            kind=MemoryKind(kind),
            entry_id=None if entry_id == CORE_ID else entry_id,
            before=before,
            after=after,
            provenance=Provenance(
                chunk=chunk, lines=tuple(json.loads(lines)), time=time, author=author, origin=Origin(origin)
            ),
            undoes=undoes,
        ),
        learned=from_microseconds(learned),
        valid=from_microseconds(valid),
    )
