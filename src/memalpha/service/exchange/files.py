"""A memory as a file: lines of JSON that come back as they were, or a page to read."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from memalpha.memory.bank import Bank
from memalpha.memory.entry import Entry
from memalpha.memory.store import Scope
from memalpha.writing import whole_file, writing


class FileFormat(StrEnum):
    """What a memory is written as."""

    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export_memory(scope: Scope, file: Path, form: FileFormat = FileFormat.JSONL) -> int:
    """Write a memory to a file, which is there whole or not at all; returns the number of operations, or of entries.

    Raises `OutputError` when the file cannot be written.
    """
    with writing(file), whole_file(file) as draft:
        return write_memory(scope, draft.write, form)


def write_memory(scope: Scope, write: Callable[[str], object], form: FileFormat) -> int:
    """Write a memory piece by piece; returns the number of operations, or of entries on a page."""
    if form is FileFormat.JSONL:
        return scope.archive(write)
    page = scope.look(lambda bank: _page(bank, scope.address.user))
    write("\n".join(page))
    return sum(line.startswith("- ") for line in page)


def _page(bank: Bank, user: str) -> list[str]:
    lines = [f"# What is known of {_one_line(user)}", ""]
    for block in bank.layout.blocks:
        entries = bank.entries(block.kind)
        if not entries:
            continue
        lines += [f"## {block.kind.value.capitalize()}", ""]
        lines += [entries[0].text] if block.kind.single else [_item(entry) for entry in entries]
        lines.append("")
    return lines


def _item(entry: Entry) -> str:
    notes = [f"#{entry.id}", *([entry.time] if entry.time else []), entry.provenance.origin.value]
    earlier = [f"  - before: {_one_line(version.text)}" for version in reversed(entry.versions)]
    return "\n".join([f"- {_one_line(entry.text)} ({', '.join(notes)})", *earlier])


def _one_line(text: str) -> str:
    return " ".join(text.split())
