"""The records of a memory: its kinds, its entries with their versions, and the operations that changed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class MemoryKind(StrEnum):
    """The kinds of memory that layouts are made of; the first three are those of Mem-α (arXiv:2509.25911)."""

    CORE = "core"
    """One paragraph that is always shown whole."""
    EPISODIC = "episodic"
    """What happened, with the time it happened."""
    SEMANTIC = "semantic"
    """What is true, whenever it was said."""
    PERSONA = "persona"
    """One text: who the assistant is (MemGPT, arXiv:2310.08560; MIRIX, arXiv:2507.07957)."""
    HUMAN = "human"
    """One text: who the user is (MemGPT, MIRIX)."""
    ARCHIVAL = "archival"
    """Passages that the writer puts away (MemGPT)."""
    RECALL = "recall"
    """The stream itself, line by line (MemGPT)."""
    PROCEDURAL = "procedural"
    """How something is done (MIRIX)."""
    RESOURCE = "resource"
    """Documents and other material (MIRIX)."""
    VAULT = "vault"
    """What must be kept to the letter: codes, addresses, numbers (MIRIX)."""
    FILE = "file"
    """The lines of one file."""

    @property
    def single(self) -> bool:
        """Whether it is one text that is always in view, and not a list of entries."""
        return self in _SINGLE

    @property
    def dated(self) -> bool:
        """Whether its entries are shown with the time of their chunk in front."""
        return self in _DATED


_SINGLE = frozenset({MemoryKind.CORE, MemoryKind.PERSONA, MemoryKind.HUMAN})
_DATED = frozenset({MemoryKind.EPISODIC, MemoryKind.ARCHIVAL, MemoryKind.RECALL})


class Action(StrEnum):
    """What an operation does to a memory."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Origin(StrEnum):
    """Whose words a text is made of, the most trusted first."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    """What a tool returned."""
    DOCUMENT = "document"
    """Files, mails, web pages."""

    @property
    def trusted(self) -> bool:
        """Whether it is part of the conversation, and not a text that anybody may have written."""
        return self in (Origin.USER, Origin.ASSISTANT)


def least_trusted(origins: Iterable[Origin]) -> Origin:
    """The origin that a text made of several has; the user's when there are none."""
    order = list(Origin)
    return max(origins, key=order.index, default=Origin.USER)


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
    """Who decided to write it: a writer by name, or whoever called the memory."""
    origin: Origin = Origin.USER

    def outranks(self, other: Provenance) -> bool:
        """Whether this is a text of the conversation, and the other one is of a tool or a document."""
        return self.origin.trusted and not other.origin.trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A text that an entry had before."""

    text: str
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One piece of memory; a single text, such as the core, is an entry whose id is `CORE_ID`."""

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
        """The text as models see it and as search reads it: entries of dated kinds open with their time."""
        if self.kind.dated and self.provenance.time:
            return f"[{self.provenance.time}] {self.text}"
        return self.text


CORE_ID = 0
"""Entries of lists are numbered from 1; operations on a single text name no id at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change of a bank, enough to replay or to undo it."""

    number: int
    """Place in the log of its bank, the first is 1."""
    action: Action
    kind: MemoryKind
    entry_id: int | None
    """None for a single text, such as the core."""
    before: str | None
    after: str | None
    provenance: Provenance
    undoes: int | None = None
    """Number of the operation that this one takes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry that a search found."""

    entry: Entry
    score: float
