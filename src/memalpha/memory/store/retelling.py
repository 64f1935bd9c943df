"""The past of a memory, written again as it was: only what follows from itself is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from memalpha.errors import ArchiveError
from memalpha.memory.entry import Action, Entry, MemoryKind, Operation, Origin
from memalpha.memory.history import Place, place_of, states
from memalpha.memory.layout import Layout
from memalpha.memory.store.archive import Piece
from memalpha.memory.store.changes import Change, Head, KeySpan, Source
from memalpha.memory.store.rows import LETTER_PREFIX, Rows


def retell(rows: Rows, head: Head, pieces: Iterable[Piece], layout: Layout) -> dict[Place, Entry]:
    """Write chunks, operations and keys as they come, in the caller's transaction; returns the entries that they leave.

    Raises `ArchiveError` for a piece that no memory with this head and this layout can have.
    """
    live: dict[Place, Entry] = {}
    rows.append((), head)
    kinds = {block.kind for block in layout.blocks}
    for operation, old, new in states(_written(rows, head, pieces)):
        if operation.kind not in kinds:
            raise ArchiveError(
                f"got an operation on {operation.kind} memory, which the layout {layout.name} does not have; open the "
                "store with the layout that it was exported from"
            )
        before, after = (None if each is None else each.text for each in (old, new))
        told = (operation.before, operation.after, operation.action)
        if told != (before, after, _action(operation.kind, before, after)) or _said(old) == _said(new):
            raise _out_of_place(f"operation {operation.number}")
        if new is None:
            del live[place_of(operation)]
        else:
            live[place_of(operation)] = new
    return live


def _written(rows: Rows, head: Head, pieces: Iterable[Piece]) -> Iterator[Operation]:
    """Each operation, once it is written."""
    last: Change | None = None
    next_source, names = 0, set[str]()
    for piece in pieces:
        match piece:
            case Change(operation=operation):
                if not _follows(piece, last, head):
                    raise _out_of_place(f"operation {operation.number}")
                rows.append((piece,), head)
                last = piece
                yield operation
            case Source(number=number, chunk=chunk):
                if not next_source <= number < head.next_source:
                    raise _out_of_place(f"chunk {number}")
                rows.add_sources({number: chunk})
                next_source = number + 1
            case KeySpan(name=name, first=first, last=end):
                if (
                    not name
                    or name.startswith(LETTER_PREFIX)
                    or name in names
                    or not 1 <= first <= end + 1 <= head.next_number
                ):
                    raise _out_of_place(f"the key {name!r}")
                rows.add_key(piece)
                names.add(name)


def _follows(change: Change, last: Change | None, head: Head) -> bool:
    """Whether numbers and times go forward, and not past the head."""
    operation = change.operation
    after = last is None or (operation.number > last.operation.number and change.learned >= last.learned)
    within = 1 <= operation.number < head.next_number and place_of(operation)[1] < head.next_id
    return after and within and change.learned <= head.learned


def _said(entry: Entry | None) -> tuple[str, Origin] | None:
    """What an operation changes: the text, or whose words it is."""
    return None if entry is None else (entry.text, entry.provenance.origin)


def _action(kind: MemoryKind, before: str | None, after: str | None) -> Action:
    """What an operation is called that puts one text in place of another."""
    if after is None:
        return Action.DELETE
    return Action.INSERT if before is None and not kind.single else Action.UPDATE


def _out_of_place(what: str) -> ArchiveError:
    return ArchiveError(f"got {what}, which does not follow from what stands before it; export the memory again")
