"""What calls on a memory name and return."""

from __future__ import annotations

from dataclasses import dataclass

from memalpha.memory.entry import MemoryKind
from memalpha.memory.store.changes import Change
from memalpha.records import ToolStatus

Ref = int | MemoryKind
"""An entry by its id, or a single text, such as the core, by its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the memory was asked to write and did not."""

    asked: str
    """The call as the writer wrote it, or the text that was to be stored."""
    status: ToolStatus
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of messages."""

    changes: tuple[Change, ...]
    """What was written, in order; empty when nothing was worth keeping."""
    refused: tuple[Refusal, ...] = ()
    written: bool = True
    """False for a plan: the changes are what would have been written."""
