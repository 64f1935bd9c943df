"""What the tools of a memory take and return.

A result is told twice: as data in the shape of its schema, and as text in which what tools and documents said stands
apart. The description of an argument says what it must be: it stands in the schema, and in the sentence for a bad call.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from memalpha.memory.entry import Action, Entry, MemoryKind, Origin
from memalpha.memory.store import Change
from memalpha.service.snapshot import OTHERS

LONGEST_TEXT = 100_000
_LARGEST_ID = 2**53 - 1
_REF = 'the number of an entry, such as 7, or "core"'


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


_Id = Annotated[int, Field(ge=1, le=_LARGEST_ID)]
_Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
_Time = Annotated[datetime, AfterValidator(_in_utc), WithJsonSchema({"type": "string"})]
_Limit = Annotated[int, Field(ge=1, le=100)]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddArguments(_Arguments):
    """What `add_memory` takes."""

    text: _Text = Field(description=f"a text of at most {LONGEST_TEXT:,} characters, as it was said or written")
    origin: Origin = Field(
        description='whose words it is: "user", "assistant", "tool" for what a tool returned, '
        '"document" for files, mails and web pages'
    )
    at: str | None = Field(None, description="when it was said, ISO 8601, such as 2026-05-01; left out, it is now")


class SearchArguments(_Arguments):
    """What `search_memory` takes."""

    query: str = Field("", max_length=LONGEST_TEXT, description="a question or words; empty lists the newest entries")
    limit: _Limit = Field(10, description="a whole number from 1 to 100: how many entries at most")
    kinds: list[Literal["semantic", "episodic"]] = Field(
        default_factory=list, max_length=2, description='a list of "semantic" and "episodic"; empty is both'
    )
    since: _Time | None = Field(None, description="ISO 8601: entries of then or later")
    until: _Time | None = Field(None, description="ISO 8601: entries of then or earlier")


class HistoryArguments(_Arguments):
    """What `memory_history` takes."""

    id: _Id | Literal["core"] | None = Field(None, description=f"{_REF}; left out, every entry")
    limit: _Limit = Field(20, description="a whole number from 1 to 100: how many operations at most")


class UpdateArguments(_Arguments):
    """What `update_memory` takes."""

    id: _Id | Literal["core"] = Field(description=_REF)
    text: _Text = Field(description=f"the whole new text, of at most {LONGEST_TEXT:,} characters")
    origin: Origin = Field(description='whose words the new text is: "user", "assistant", "tool" or "document"')


class DeleteArguments(_Arguments):
    """What `delete_memory` takes."""

    id: _Id | Literal["core"] = Field(description=_REF)


class UndoArguments(_Arguments):
    """What `undo` takes."""

    number: _Id = Field(description="the number of an operation, as other tools return it")


class EntryShown(BaseModel):
    """An entry."""

    id: int | None
    kind: MemoryKind
    text: str
    time: str | None
    origin: Origin

    @classmethod
    def of(cls, entry: Entry) -> EntryShown:
        """As agents see it."""
        number = None if entry.kind.single else entry.id
        return cls(
            id=number, kind=entry.kind, text=entry.text, time=entry.time, origin=entry.provenance.origin
        )  # fmt: skip

    def __str__(self) -> str:
        """On one line, so that no text can pass for another entry."""
        when = f", {self.time}" if self.time else ""
        return f"{_name(self.kind, self.id)} ({self.origin}{when}): {_line(self.text)}"


class OperationShown(BaseModel):
    """An operation."""

    number: int
    action: Action
    kind: MemoryKind
    id: int | None
    before: str | None
    after: str | None
    author: str
    origin: Origin
    learned: str
    undoes: int | None

    @classmethod
    def of(cls, change: Change) -> OperationShown:
        """As agents see it."""
        operation = change.operation
        return cls(
            number=operation.number,
            action=operation.action,
            kind=operation.kind,
            id=operation.entry_id,
            before=operation.before,
            after=operation.after,
            author=operation.provenance.author,
            origin=operation.provenance.origin,
            learned=change.learned.isoformat(timespec="seconds"),
            undoes=operation.undoes,
        )

    def __str__(self) -> str:
        """On one line."""
        undoes = f", undoes operation {self.undoes}" if self.undoes is not None else ""
        told = [f"operation {self.number}: {self.action} {_name(self.kind, self.id)} ({self.origin}{undoes})"]
        told += [f"was: {_line(self.before)}"] if self.before is not None else []
        told += [f"is: {_line(self.after)}"] if self.after is not None else []
        return "; ".join(told)


class Written(BaseModel):
    """What became of a change."""

    operations: list[OperationShown]
    refused: list[str]

    @classmethod
    def of(cls, changes: Iterable[Change], refused: Iterable[str] = ()) -> Written:
        """As agents see it."""
        return cls(operations=[OperationShown.of(change) for change in changes], refused=list(refused))

    def __str__(self) -> str:
        """One line each."""
        lines = [*map(str, self.operations), *(f"refused: {_line(why)}" for why in self.refused)]
        return "\n".join(lines) or "nothing was worth keeping"


class Entries(BaseModel):
    """The core and what was found, the best first."""

    core: str | None
    entries: list[EntryShown]

    def __str__(self) -> str:
        """What tools and documents said stands apart at the end."""
        said = [str(each) for each in self.entries if each.origin.trusted]
        others = [str(each) for each in self.entries if not each.origin.trusted]
        core = [f"core: {_line(self.core)}"] if self.core else []
        return "\n".join([*core, *said, *([OTHERS, *others] if others else [])]) or "nothing was found"


class History(BaseModel):
    """Operations, the newest first."""

    operations: list[OperationShown]

    def __str__(self) -> str:
        """One line each."""
        return "\n".join(map(str, self.operations)) or "nothing was written yet"


def _name(kind: MemoryKind, entry_id: int | None) -> str:
    return kind.value if entry_id is None else f"{kind} #{entry_id}"


def _line(text: str) -> str:
    return " ".join(text.split())
