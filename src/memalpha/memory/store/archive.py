"""A memory as lines of JSON, and back: nothing is lost but the receipts of erasures and what waits in the inbox.

The first line says what follows; then come the chunks that operations were made from, the operations in their order,
and the keys, one object a line (docs/commands.md). The lines of several memories may follow one another in one file.
Equal memories give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from memalpha.errors import ArchiveError, StoreError
from memalpha.memory.entry import CORE_ID, Action, MemoryKind, Operation, Origin, Provenance
from memalpha.memory.store.changes import Address, Change, Head, KeySpan, Source, storable, to_microseconds
from memalpha.memory.store.rows import LETTER_PREFIX, Rows
from memalpha.records import Chunk

FORMAT = "memalpha"
VERSION = 1
_PAGE = 1_000
"""Rows that are read from a database at once."""
_LARGEST = 2**53
"""Numbers above this are not the same in every reader of JSON."""

Piece = Source | Change | KeySpan
_E = TypeVar("_E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a memory."""

    address: Address
    layout: str
    """Name of the layout that it was written under."""
    head: Head
    sources: int
    """How many chunks follow."""
    operations: int
    keys: int


def archive(rows: Rows, address: Address, layout: str, write: Callable[[str], object]) -> int:
    """Write a memory line by line, inside one transaction; returns the number of operations."""
    numbers, operations = rows.source_numbers(), rows.operation_count()
    keys = [span for span in rows.key_spans() if not span.name.startswith(LETTER_PREFIX)]
    head = rows.head
    header = Header(
        address=address, layout=layout, head=head, sources=len(numbers), operations=operations, keys=len(keys)
    )
    write(_line(_header_json(header)))
    for first in range(min(numbers, default=0), max(numbers, default=-1) + 1, _PAGE):
        for number, chunk in rows.sources(first=first, last=first + _PAGE - 1).items():
            write(_line({"source": number, "text": chunk.text, "time": chunk.time}))
    for first in range(1, head.next_number, _PAGE):
        for change in rows.changes(first=first, last=first + _PAGE - 1):
            write(_line(_change_json(change)))
    for span in keys:
        write(_line({"key": span.name, "first": span.first, "last": span.last}))
    return operations


def read_archive(lines: Iterable[bytes], name: str) -> Iterator[tuple[Header, Iterator[Piece]]]:
    """The memories of a file: the header of each, and what follows it, to be read before the next is asked for.

    Raises `ArchiveError`, which names the line, for what is no archive, and for one that is cut off.
    """
    numbered = ((f"{name}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip())
    for where, line in numbered:
        header = _header(_parse(line, where), where)
        yield header, _pieces(header, numbered, name)


def _pieces(header: Header, numbered: Iterator[tuple[str, bytes]], name: str) -> Iterator[Piece]:
    for read, count, what in (
        (_source, header.sources, "chunks"),
        (_change, header.operations, "operations"),
        (_key, header.keys, "keys"),
    ):
        for found in range(count):
            where, line = next(numbered, (name, b""))
            if not line:
                raise ArchiveError(
                    f"{name} ends after {found} of {count} {what} of {header.address}: it was cut off; export it again"
                )
            yield read(_parse(line, where), where)


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"


def _header_json(header: Header) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "tenant": header.address.tenant,
        "user": header.address.user,
        "layout": header.layout,
        "next_id": header.head.next_id,
        "next_operation": header.head.next_number,
        "next_source": header.head.next_source,
        "learned": header.head.learned.isoformat(),
        "sources": header.sources,
        "operations": header.operations,
        "keys": header.keys,
    }


def _change_json(change: Change) -> dict[str, Any]:
    operation, provenance = change.operation, change.operation.provenance
    return {
        "operation": operation.number,
        "action": operation.action.value,
        "kind": operation.kind.value,
        "id": operation.entry_id,
        "before": operation.before,
        "after": operation.after,
        "undoes": operation.undoes,
        "learned": change.learned.isoformat(),
        "valid": change.valid.isoformat(),
        "source": provenance.chunk,
        "lines": list(provenance.lines),
        "time": provenance.time,
        "author": provenance.author,
        "origin": provenance.origin.value,
    }


def _header(row: dict[str, Any], where: str) -> Header:
    if row.get("format") != FORMAT:
        raise ArchiveError(f"{where}: got no header of a memory, expected one; export the memory again")
    version = _number(row, "version", where)
    if version != VERSION:
        raise ArchiveError(f"{where}: got version {version}, expected {VERSION}: a later memalpha wrote it; upgrade")
    return Header(
        address=Address(tenant=_text(row, "tenant", where), user=_text(row, "user", where)),
        layout=_text(row, "layout", where),
        head=Head(
            next_id=_number(row, "next_id", where),
            next_number=_number(row, "next_operation", where),
            next_source=_number(row, "next_source", where),
            learned=_time(row, "learned", where),
        ),
        sources=_number(row, "sources", where),
        operations=_number(row, "operations", where),
        keys=_number(row, "keys", where),
    )


def _source(row: dict[str, Any], where: str) -> Source:
    chunk = Chunk(text=_text(row, "text", where), time=_text_or_none(row, "time", where))
    return Source(number=_number(row, "source", where), chunk=chunk)


def _change(row: dict[str, Any], where: str) -> Change:
    kind, entry_id = _member(MemoryKind, row, "kind", where), _number_or_none(row, "id", where)
    if kind.single != (entry_id is None) or entry_id == CORE_ID:
        raise ArchiveError(f"{where}: got the id {entry_id} for {kind} memory; export the memory again")
    lines = row.get("lines")
    if not isinstance(lines, list):
        raise _unexpected(where, "lines", lines, "a list of numbers")
    return Change(
        operation=Operation(
            number=_number(row, "operation", where),
            action=_member(Action, row, "action", where),
            kind=kind,
            entry_id=entry_id,
            before=_text_or_none(row, "before", where),
            after=_text_or_none(row, "after", where),
            provenance=Provenance(
                chunk=_number_or_none(row, "source", where),
                lines=tuple(_number({"lines": line}, "lines", where) for line in lines),
                time=_text_or_none(row, "time", where),
                author=_text(row, "author", where),
                origin=_member(Origin, row, "origin", where),
            ),
            undoes=_number_or_none(row, "undoes", where),
        ),
        learned=_time(row, "learned", where),
        valid=_time(row, "valid", where),
    )


def _key(row: dict[str, Any], where: str) -> KeySpan:
    return KeySpan(name=_text(row, "key", where), first=_number(row, "first", where), last=_number(row, "last", where))


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{where}: got what is not JSON in UTF-8 ({error}); export the memory again") from error
    if not isinstance(row, dict):
        raise ArchiveError(f"{where}: got {type(row).__name__}, expected a JSON object; export the memory again")
    return row


def _number(row: dict[str, Any], key: str, where: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
        raise _unexpected(where, key, value, "a number from 0 up")
    return value


def _number_or_none(row: dict[str, Any], key: str, where: str) -> int | None:
    return None if row.get(key) is None else _number(row, key, where)


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not storable(value):
        raise _unexpected(where, key, value, "a text without zero bytes and half surrogate pairs")
    return value


def _text_or_none(row: dict[str, Any], key: str, where: str) -> str | None:
    return None if row.get(key) is None else _text(row, key, where)


def _time(row: dict[str, Any], key: str, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(row, key, where))
        to_microseconds(time)
    except (ValueError, OverflowError, StoreError) as error:
        raise _unexpected(where, key, row[key], "a time as ISO 8601 with its zone") from error
    return time


def _member(kind: type[_E], row: dict[str, Any], key: str, where: str) -> _E:
    if row.get(key) not in list(kind):
        raise _unexpected(where, key, row.get(key), f"one of {', '.join(kind)}")
    return kind(row[key])


def _unexpected(where: str, key: str, value: object, expected: str) -> ArchiveError:
    return ArchiveError(f"{where}: got {ascii(value)[:40]} as {key}, expected {expected}; export the memory again")
