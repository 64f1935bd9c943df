"""What a request to a memory may say. Whatever cannot be kept or meant is refused here, before anything is done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from memalpha.memory.entry import MemoryKind, Origin
from memalpha.memory.store.changes import storable
from memalpha.memory.store.rows import LETTER_PREFIX
from memalpha.service.worker import Addition

MOST = 2**53 - 1
"""The largest number that every client and database reads as it was written."""
_LONGEST_TEXT = 1_000_000
_LONGEST_QUERY = 20_000


def _plain(text: str) -> str:
    if not storable(text):
        raise ValueError(f"got a zero byte or half of a surrogate pair in {text[:40]!r}, expected text; mend it")
    return text


def _key(key: str) -> str:
    if not key.strip() or key.startswith(LETTER_PREFIX):
        raise ValueError(f"got {key[:40]!r} as key, expected a text that does not begin with {LETTER_PREFIX!r}")
    return _plain(key)


def moment(text: str) -> datetime:
    """A time in ISO 8601, in UTC where it names no zone; raises `ValueError`."""
    expected = "expected ISO 8601 in the years 1 to 9999, such as 2026-05-01 or 2026-05-01T10:00+00:00"
    try:
        time = datetime.fromisoformat(text)
        zoned = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        zoned.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"got the time {text[:40]!r}, {expected}") from error
    return zoned


def _time(text: str) -> str:
    moment(text)
    return text


def _point(value: int | str) -> int | str:
    point(value)
    return value


def point(value: int | str) -> int | datetime:
    """The number of an operation, or a time; raises `ValueError`."""
    if isinstance(value, int) or value.isdecimal():
        number = int(value) if len(str(value)) < 20 else MOST + 1
        if not 0 <= number <= MOST:
            raise ValueError(f"got {str(value)[:40]} as number of an operation, expected 0 to {MOST}")
        return number
    return moment(value)


Text = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_plain)]
Query = Annotated[str, Field(max_length=_LONGEST_QUERY), AfterValidator(_plain)]
Key = Annotated[str, Field(max_length=500), AfterValidator(_key)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]
Point = Annotated[int | Annotated[str, Field(max_length=40)], AfterValidator(_point)]
Kind = Annotated[MemoryKind, Field(strict=False)]
Number = Annotated[int, Field(ge=1, le=MOST)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(BaseModel):
    """A part of a message; only texts are read."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    type: Annotated[str, Field(max_length=100), AfterValidator(_plain)]
    text: Text | None = None


class SentMessage(BaseModel):
    """A message as the OpenAI protocol writes it; what is beside role, name and content is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    role: Literal["user", "assistant", "tool", "function", "document", "system", "developer"] = "user"
    content: Text | Annotated[list[Part], Field(max_length=1000)] | None = None
    name: Annotated[str, Field(max_length=500), AfterValidator(_plain)] | None = None

    def plain(self) -> dict[str, Any]:
        """As the memory reads it."""
        return self.model_dump(exclude_none=True)


class AddRequest(_Request):
    """What is said, to be read into the memory."""

    text: Text | None = Field(None, description="Of the user; or else messages.")
    messages: Annotated[list[SentMessage], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="A conversation; or else text."
    )
    at: Time | None = Field(None, description="When it was said, ISO 8601; now if left out.")
    infer: bool = Field(True, description="False keeps each message as it is and asks no writer.")
    dry_run: bool = Field(False, description="Tell what would be written, and write nothing.")
    key: Key | None = Field(None, description="What is sent under a key is written once.")
    origin: Annotated[Origin, Field(strict=False)] | None = Field(None, description="Whose words all of it is.")
    kind: Kind = Field(MemoryKind.SEMANTIC, description="Of what is kept as it is.")
    wait: bool = Field(True, description="False answers with a ticket as soon as the messages are on the disk.")

    @model_validator(mode="after")
    def _check(self) -> AddRequest:
        if (self.text is None) == (self.messages is None):
            raise ValueError("got neither text nor messages, or both; send one of them")
        if self.dry_run and not self.wait:
            raise ValueError("got dry_run with wait false, expected one of them; a plan is not kept for later")
        return self

    def addition(self) -> Addition:
        """What the memory is asked for."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": self.text}]
        if self.messages is not None:
            messages = [message.plain() for message in self.messages]
        return Addition(messages=list(messages), at=self.at, infer=self.infer, kind=self.kind, origin=self.origin)


class SearchRequest(_Request):
    """What is looked for."""

    query: Query
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    kinds: Annotated[list[Kind], Field(max_length=len(MemoryKind))] = Field(
        default_factory=list, description="None is every list."
    )
    since: Time | None = None
    until: Time | None = None
    explain: bool = Field(False, description="Tell which signal found an entry, at which rank.")
    as_of: Point | None = Field(None, description="As it was known after an operation, or at a time.")


class ContextRequest(_Request):
    """What a prompt is about."""

    query: Query
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 800
    as_of: Point | None = None


class UpdateRequest(_Request):
    """Another text for an entry."""

    text: Text
    seen_version: Number | None = Field(
        None, description="The version that was seen: when there is a newer one, nothing is written."
    )
    key: Key | None = None


class EraseRequest(_Request):
    """What is to be taken out for good."""

    ref: Annotated[int, Field(ge=1, le=MOST)] | Annotated[str, Field(max_length=40)] | None = Field(
        None, description="An entry by its id, or a single text by its kind; left out, all of this user."
    )


class UndoRequest(_Request):
    """How an operation is taken back."""

    key: Key | None = None
