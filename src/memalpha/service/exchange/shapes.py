"""Which memory a file is an export of, told from what is in it."""

from __future__ import annotations

import json
from pathlib import Path

from memalpha.errors import ArchiveError
from memalpha.memory.entry import Operation
from memalpha.memory.history import entries_after
from memalpha.memory.store.archive import FORMAT, read_archive
from memalpha.memory.store.changes import Change
from memalpha.service.exchange.foreign import Event, Foreign, Shape
from memalpha.service.exchange.letta import is_letta, read_letta
from memalpha.service.exchange.mem0 import is_mem0, read_history, read_mem0
from memalpha.service.exchange.zep import is_zep, read_zep

_SQLITE = b"SQLite format 3\0"
_EXPECTED = "an export of memalpha, mem0, Letta or Zep"


def is_archive(file: Path) -> bool:
    """Whether it is an export of this package; raises `ArchiveError` when it cannot be read."""
    try:
        with file.open("rb") as lines:
            first = lines.readline(10_000)
    except OSError as error:
        raise ArchiveError(f"{file} cannot be read ({error.strerror or error}); check the path") from error
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def read_foreign(file: Path) -> Foreign:
    """What a file of any shape says of its entries; raises `ArchiveError` for a file of none."""
    if is_archive(file):
        return _read_live(file)
    data = file.read_bytes()
    if data.startswith(_SQLITE):
        return read_history(file)
    parsed = _parse(data, file)
    for fits, read in ((is_mem0, read_mem0), (is_letta, read_letta), (is_zep, read_zep)):
        if fits(parsed):
            return read(parsed, str(file))
    got = f"an object with {', '.join(list(parsed)[:5]) or 'nothing in it'}" if isinstance(parsed, dict) else "a list"
    if not isinstance(parsed, dict | list):
        got = type(parsed).__name__
    raise ArchiveError(f"{file}: got {ascii(got)[1:-1]}, expected {_EXPECTED}; docs/commands.md shows their shapes")


def _parse(data: bytes, file: Path) -> object:
    """One JSON value, or one a line."""
    try:
        text = data.decode("utf-8-sig")
        try:
            return json.loads(text)
        except ValueError:
            lines = [line for line in text.splitlines() if line.strip()]
            if len(lines) < 2:
                raise
            return [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{file}: got what is not JSON in UTF-8 ({error}), expected {_EXPECTED}") from error


def _read_live(file: Path) -> Foreign:
    """The entries that an archive leaves, without their past."""
    foreign = Foreign(shape=Shape.MEMALPHA)
    with file.open("rb") as lines:
        for header, pieces in read_archive(lines, str(file)):
            operations: list[Operation] = [piece.operation for piece in pieces if isinstance(piece, Change)]
            for (kind, entry_id), entry in sorted(entries_after(operations).items(), key=lambda item: item[0][1]):
                if entry is not None:
                    said = entry.provenance
                    event = Event(
                        subject=f"{kind} {entry_id}", kind=kind, text=entry.text, time=said.time, origin=said.origin
                    )
                    foreign.add(header.address.user, event)
            live = len(foreign.events.get(header.address.user, ()))
            foreign.left_out["operations of the past"] += len(operations) - live
    return foreign
