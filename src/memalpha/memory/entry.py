"""The records of a memory: its kinds, its entries with their versions, and the operations that changed them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MemoryKind(StrEnum):
    """The three kinds of memory of Mem-α (arXiv:2509.25911)."""

    CORE = "core"
    """One paragraph that is always shown whole."""
    EPISODIC = "episodic"
    """What happened, with the time it happened."""
    SEMANTIC = "semantic"
    """What is true, whenever it was said."""


class Action(StrEnum):
    """What an operation does to a memory."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a text is from and who wrote it."""

    chunk: int | None = None
    """Index of the source chunk in its stream, the first is 0."""
    lines: tuple[int, ...] = ()
    """Numbers of the quoted lines of the chunk, the first is 1; empty for free text."""
    time: str | None = None
    """Time of the source chunk."""
    author: str = "writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A text that an entry had before."""

    text: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One piece of memory; the core is an entry whose id is `CORE_ID`."""

    id: int
    kind: MemoryKind
    text: str
    provenance: Provenance
    versions: tuple[Version, ...] = ()
    """Earlier texts, the oldest first."""

    @property
    def time(self) -> str | None:
        """Time of the chunk that the text is from."""
        return self.provenance.time

    @property
    def rendered(self) -> str:
        """The text as models see it and as search reads it: episodic entries open with their time."""
        if self.kind is MemoryKind.EPISODIC and self.provenance.time:
            return f"[{self.provenance.time}] {self.text}"
        return self.text


CORE_ID = 0
"""Entries of the other kinds are numbered from 1; operations on the core name no id at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change of a bank, enough to replay or to undo it."""

    number: int
    """Place in the log of its bank, the first is 1."""
    action: Action
    kind: MemoryKind
    entry_id: int | None
    """None for the core."""
    before: str | None
    after: str | None
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry that a search found."""

    entry: Entry
    score: float
