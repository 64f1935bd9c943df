"""What memory commands print: tables on a terminal, lines with tabs elsewhere, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from memalpha.evaluation.marks import visible
from memalpha.memory.entry import Action, Entry, Operation
from memalpha.memory.find import Found
from memalpha.memory.store import Change

_STYLES = {Action.INSERT: "green", Action.UPDATE: "yellow", Action.DELETE: "red"}
_SIGNS = {Action.INSERT: "+", Action.UPDATE: "~", Action.DELETE: "-"}


def print_json(data: object) -> None:
    """One JSON value on one line."""
    Console(soft_wrap=True).file.write(json.dumps(data, ensure_ascii=False) + "\n")


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], console: Console | None = None) -> None:
    """A table on a terminal; elsewhere a line for each row, its cells parted by tabs."""
    console = console or Console()
    if not console.is_terminal:
        for row in rows:
            cells = [" ".join((cell.plain if isinstance(cell, Text) else cell).split()) for cell in row]
            console.file.write(visible("\t".join(cells)).replace("\ufffd", " ") + "\n")
        return
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("text", "what", "mend"))
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row))
    console.print(table)


def say(text: str) -> None:
    """One line of text, never read as markup."""
    Console(soft_wrap=True, highlight=False).print(Text(visible(text)))


def entry_row(entry: Entry) -> tuple[str, ...]:
    """Name, kind, time and text."""
    return name_of(entry), entry.kind.value, entry.time or "", entry.text


def name_of(entry: Entry) -> str:
    """How an entry is named on the command line."""
    return entry.kind.value if entry.kind.single else f"#{entry.id}"


def change_row(change: Change) -> tuple[str | Text, ...]:
    """Number, when it was learned, what was done to what, and the text with the one before."""
    operation = change.operation
    place = operation.kind.value if operation.entry_id is None else f"#{operation.entry_id}"
    learned = change.learned.strftime("%Y-%m-%d %H:%M")
    action = operation.action.value if operation.undoes is None else f"undo of {operation.undoes}"
    return str(operation.number), learned, Text(action, style=_STYLES[operation.action]), place, told(operation)


def told(operation: Operation) -> str:
    """The text that an operation left, and the one before it."""
    if operation.after is None:
        return f"was: {operation.before}"
    return operation.after if operation.before is None else f"{operation.after} (was: {operation.before})"


def change_line(change: Change) -> Text:
    """What was written, in one line with a sign in front."""
    operation = change.operation
    place = operation.kind.value + ("" if operation.entry_id is None else f" #{operation.entry_id}")
    line = Text(f"{_SIGNS[operation.action]} {place}: ", style=_STYLES[operation.action])
    return line.append(visible(told(operation)), style="default")


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry with its earlier texts."""
    return {
        "id": entry.id,
        "kind": entry.kind.value,
        "text": entry.text,
        "time": entry.time,
        "author": entry.provenance.author,
        "origin": entry.provenance.origin.value,
        "versions": [{"text": version.text, "time": version.provenance.time} for version in entry.versions],
    }


def found_json(found: Found) -> dict[str, Any]:
    """A hit: the entry, its score, and what spoke for it."""
    signals = [{"name": signal.name.value, "score": signal.score, "rank": signal.rank} for signal in found.signals]
    return {**entry_json(found.entry), "score": found.score, "signals": signals}


def change_json(change: Change) -> dict[str, Any]:
    """An operation with its two times."""
    operation, provenance = change.operation, change.operation.provenance
    return {
        "number": operation.number,
        "action": operation.action.value,
        "kind": operation.kind.value,
        "id": operation.entry_id,
        "before": operation.before,
        "after": operation.after,
        "undoes": operation.undoes,
        "author": provenance.author,
        "origin": provenance.origin.value,
        "learned": change.learned.isoformat(),
        "valid": change.valid.isoformat(),
    }
