"""What the server of memories answers, as the OpenAPI document shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from memalpha.memory.entry import Action, Entry, MemoryKind, Origin
from memalpha.memory.find import Found, SignalName
from memalpha.memory.store import Census, Change, Letter
from memalpha.records import Chunk, ToolStatus
from memalpha.serve.openai_errors import ErrorKind
from memalpha.service.records import Added


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="One sentence: what was got, what was expected, how to mend it.")
    type: ErrorKind
    param: str | None = Field(description="The field that is at fault.")
    code: str | None = Field(description="The same for programs.")


class ErrorReply(BaseModel):
    """Every error."""

    error: ErrorDetail


class EntryReply(BaseModel):
    """An entry as it is."""

    ref: int | MemoryKind = Field(description="Its id, or the kind of a single text.")
    kind: MemoryKind
    text: str
    version: int = Field(description="1 until it is changed.")
    time: str | None
    author: str
    origin: Origin

    @classmethod
    def of(cls, entry: Entry) -> EntryReply:
        """An entry of a memory."""
        return cls(
            ref=entry.kind if entry.kind.single else entry.id,
            kind=entry.kind,
            text=entry.text,
            version=version_of(entry),
            time=entry.time,
            author=entry.provenance.author,
            origin=entry.provenance.origin,
        )


def version_of(entry: Entry) -> int:
    """How many texts an entry has had."""
    return len(entry.versions) + 1


class EntriesReply(BaseModel):
    """Entries, single texts first, then by id."""

    entries: list[EntryReply]
    next: int | None = Field(description="Send it as `after` for those behind; null at the end.")


class SignalReply(BaseModel):
    """What one signal says of an entry."""

    name: SignalName
    score: float
    rank: int | None


class FoundReply(BaseModel):
    """An entry that was found."""

    entry: EntryReply
    score: float
    signals: list[SignalReply]

    @classmethod
    def of(cls, found: Found) -> FoundReply:
        """What a search found."""
        signals = [SignalReply(name=each.name, score=each.score, rank=each.rank) for each in found.signals]
        return cls(entry=EntryReply.of(found.entry), score=found.score, signals=signals)


class SearchReply(BaseModel):
    """What was found, the best first."""

    found: list[FoundReply]


class ContextReply(BaseModel):
    """Text for a prompt."""

    context: str


class SourceReply(BaseModel):
    """The chunk that an operation was made from."""

    text: str
    time: str | None


class OperationReply(BaseModel):
    """One change of a memory."""

    number: int
    action: Action
    kind: MemoryKind
    id: int | None = Field(description="Null for a single text.")
    before: str | None
    after: str | None
    author: str
    origin: Origin
    learned: datetime
    valid: datetime
    undoes: int | None
    source: SourceReply | None

    @classmethod
    def of(cls, change: Change, source: Chunk | None = None) -> OperationReply:
        """A change, with its source where that is asked for."""
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
            learned=change.learned,
            valid=change.valid,
            undoes=operation.undoes,
            source=None if source is None else SourceReply(text=source.text, time=source.time),
        )


class OperationsReply(BaseModel):
    """A part of the log, the oldest first."""

    operations: list[OperationReply]
    last: int = Field(description="The number of the newest operation of all; 0 before the first.")

    @classmethod
    def of(cls, changes: Iterable[Change], last: int) -> OperationsReply:
        """Changes without their sources."""
        return cls(operations=[OperationReply.of(change) for change in changes], last=last)


class RefusalReply(BaseModel):
    """What was to be written and was not."""

    asked: str
    status: ToolStatus
    message: str


class AddReply(BaseModel):
    """What became of messages."""

    operations: list[OperationReply]
    refused: list[RefusalReply]
    written: bool = Field(description="False for a plan.")

    @classmethod
    def of(cls, added: Added) -> AddReply:
        """What a memory did."""
        return cls(
            operations=[OperationReply.of(change) for change in added.changes],
            refused=[
                RefusalReply(asked=each.asked, status=each.status, message=each.message) for each in added.refused
            ],
            written=added.written,
        )


class TicketState(StrEnum):
    """Where messages are that were accepted."""

    WAITING = "waiting"
    POSTPONED = "postponed"
    """A try failed; there will be another one."""
    DEAD = "dead"
    """Tried no more."""
    DONE = "done"


class TicketReply(BaseModel):
    """Messages that were accepted: they are on the disk."""

    ticket: int
    state: TicketState
    accepted: datetime | None
    due: datetime | None = Field(description="When it is next tried.")
    attempts: int
    problem: str | None
    operations: list[OperationReply] | None = Field(description="What was written, once it is done.")

    @classmethod
    def of(cls, letter: Letter) -> TicketReply:
        """A letter in the inbox."""
        state = TicketState.POSTPONED if letter.attempts else TicketState.WAITING
        return cls(
            ticket=letter.ticket,
            state=TicketState.DEAD if letter.due is None else state,
            accepted=letter.accepted,
            due=letter.due,
            attempts=letter.attempts,
            problem=letter.problem,
            operations=None,
        )


class TicketsReply(BaseModel):
    """What is in the inbox of a user, the oldest first."""

    tickets: list[TicketReply]


class UserReply(BaseModel):
    """How much there is of a user."""

    user: str
    entries: int
    operations: int
    learned: datetime

    @classmethod
    def of(cls, census: Census) -> UserReply:
        """What the store counted."""
        return cls(user=census.user, entries=census.entries, operations=census.operations, learned=census.learned)


class UsersReply(BaseModel):
    """The users of the key's tenant, by name."""

    users: list[UserReply]
    next: str | None = Field(description="Send it as `after` for those behind; null at the end.")


class HealthReply(BaseModel):
    """Whether the process answers."""

    status: str


class ReadyReply(BaseModel):
    """Whether requests are answered as they should be."""

    ready: bool
    database: bool
    worker: bool
    waiting: int | None = Field(description="Letters in the inbox, when the database answers.")
