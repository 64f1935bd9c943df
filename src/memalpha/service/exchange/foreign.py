"""What files of other memories say, as events: a text that began to be true, followed another, or ended.

Here are the records, and how values of such files are read; the shapes are in `mem0`, `letta` and `zep`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from memalpha.errors import ArchiveError
from memalpha.memory.entry import MemoryKind, Origin

Row = Mapping[str, Any]


class Shape(StrEnum):
    """Whose export a file is."""

    MEMALPHA = "memalpha"
    MEM0 = "mem0"
    LETTA = "letta"
    ZEP = "zep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of a memory elsewhere."""

    subject: str
    """Names the entry in its file."""
    kind: MemoryKind
    text: str | None
    """What the entry says from now on; None takes it away."""
    time: str | None
    """When that became true, in UTC as ISO 8601."""
    origin: Origin | None = None
    """Whose words the file says it is; None where it says nothing."""


@dataclass(slots=True, kw_only=True)
class Foreign:
    """What a file holds, user by user."""

    shape: Shape
    events: dict[str | None, list[Event]] = field(default_factory=dict)
    """By the user that the file names; None where it names none."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What has no place in a memory, and how often."""

    def add(self, user: str | None, *events: Event) -> None:
        """Note what happened to a user's memory."""
        self.events.setdefault(user, []).extend(events)


def rows_of(data: object, where: str) -> list[Row]:
    """The objects of a list; raises `ArchiveError` for anything else."""
    if not isinstance(data, Sequence) or isinstance(data, str) or not all(isinstance(row, Mapping) for row in data):
        raise ArchiveError(f"{where}: got {type(data).__name__}, expected a list of JSON objects; export it again")
    return list(data)


def count_of(row: Row, key: str) -> int:
    """Length of the list under a key; 0 for anything else."""
    found = row.get(key)
    return len(found) if isinstance(found, list) else 0


def text_of(row: Row, *keys: str) -> str | None:
    """The first of some values that is a text and not blank."""
    return next((row[key] for key in keys if isinstance(row.get(key), str) and row[key].strip()), None)


def time_of(row: Row, *keys: str) -> str | None:
    """The first of some values that is a time, in UTC without its zone, to the second; days stay days."""
    for key in keys:
        told = text_of(row, key)
        try:
            time = datetime.fromisoformat(told or "")
        except ValueError:
            continue
        if told and len(told.strip()) <= len("2026-05-01"):
            return time.date().isoformat()
        if time.tzinfo is not None:
            time = time.astimezone(UTC)
        return time.replace(tzinfo=None).isoformat(timespec="seconds")
    return None


def origin_of(role: str | None) -> Origin | None:
    """Whose words a role stands for; None for a role that says nothing."""
    return _ORIGINS.get((role or "").lower())


_ORIGINS = {
    "user": Origin.USER,
    "human": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "ai": Origin.ASSISTANT,
    "tool": Origin.TOOL,
    "function": Origin.TOOL,
}
