"""The words that every room shares: chunks, questions, episodes, messages, tool calls and their JSONL codec.

Frozen records only; no behaviour beyond checking their own shape. An `Episode` is what a user writes to train or
evaluate on data of their own: a stream of dated chunks and the questions that are asked once the stream has ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from memalpha.errors import EpisodeError, OutputError

_E = TypeVar("_E", bound=StrEnum)
_HALF = re.compile("[\ud800-\udfff]")


class Metric(StrEnum):
    """How a prediction is compared with the gold answers; the functions are in `memalpha.metrics`."""

    CONTAINS = "contains"
    EXACT = "exact"
    TOKEN_F1 = "token_f1"
    KEYWORDS = "keywords"
    LABEL = "label"
    ROUGE_L = "rouge_l"


class Competency(StrEnum):
    """What a question tests (the four of MemoryAgentBench, arXiv:2507.05257)."""

    ACCURATE_RETRIEVAL = "accurate_retrieval"
    TEST_TIME_LEARNING = "test_time_learning"
    LONG_RANGE_UNDERSTANDING = "long_range_understanding"
    CONFLICT_RESOLUTION = "conflict_resolution"


class Role(StrEnum):
    """Who speaks a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class ToolStatus(StrEnum):
    """What became of one tool call."""

    OK = "ok"
    MALFORMED = "malformed"
    """The text is not a call: no JSON object, no name, no arguments."""
    UNKNOWN_TOOL = "unknown_tool"
    BAD_ARGUMENTS = "bad_arguments"
    UNKNOWN_ENTRY = "unknown_entry"
    NOT_ALLOWED = "not_allowed"
    """The layout does not allow this operation on this kind."""
    DUPLICATE = "duplicate"
    """The same text stands in memory already; nothing was written."""
    OVER_LIMIT = "over_limit"
    """The core or the bank has no room; nothing was written."""
    OVER_BUDGET = "over_budget"
    """The write budget has no room; nothing was written. No fault of a writer, which cannot count tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One piece of the stream, shown to the writer once."""

    text: str
    """Lines separated by newlines; a writer quotes them by number, the first is 1."""
    time: str | None = None
    """When it was said, ISO 8601 ("2024-03-05" or "2024-03-05T10:00"); episodic entries carry it."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that are not blank, in order; line n of the prompt is `lines[n - 1]`."""
        return tuple(line.strip() for line in self.text.splitlines() if line.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Asked after the last chunk, answered from memory alone."""

    text: str
    answers: tuple[str, ...]
    """Accepted answers; for `keywords` all of the keywords."""
    metric: Metric = Metric.CONTAINS
    competency: Competency = Competency.ACCURATE_RETRIEVAL
    evidence: tuple[int, ...] = ()
    """Indices of the chunks that hold the answer, the first chunk is 0; empty when unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stream and its questions."""

    id: str
    chunks: tuple[Chunk, ...]
    questions: tuple[Question, ...]
    source: str = "user"

    def __post_init__(self) -> None:
        """Refuse what no reward could be computed on."""
        if not self.chunks:
            raise EpisodeError(f"episode {self.id!r} has no chunks; give it at least one")
        if not self.questions:
            raise EpisodeError(f"episode {self.id!r} has no questions; give it at least one, or leave it out")
        for index, chunk in enumerate(self.chunks):
            if not chunk.lines:
                raise EpisodeError(f"episode {self.id!r}: chunk {index} is empty; give it text or leave it out")
        for index, question in enumerate(self.questions):
            if not question.text.strip():
                raise EpisodeError(f"episode {self.id!r}: question {index} is empty; give it text")
            if not question.answers or not all(answer.strip() for answer in question.answers):
                raise EpisodeError(f"episode {self.id!r}: question {index} has no answer or an empty one")
            wrong = [at for at in question.evidence if not 0 <= at < len(self.chunks)]
            if wrong:
                raise EpisodeError(
                    f"episode {self.id!r}: question {index} names evidence chunk {wrong[0]}, "
                    f"expected 0 to {len(self.chunks) - 1}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation with a model."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that a model made, or the text of what should have been one."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    """Why the text could not be read as a call; None when it could."""
    text: str = ""
    """The text that the model wrote for this call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What one call did, with a message that the model can read."""

    status: ToolStatus
    message: str
    entry_id: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the call changed the memory as it asked to."""
        return self.status is ToolStatus.OK

    @property
    def faulty(self) -> bool:
        """Whether the writer could have known better."""
        return self.status not in (ToolStatus.OK, ToolStatus.OVER_BUDGET)


def episode_to_json(episode: Episode) -> dict[str, Any]:
    """The documented JSON shape of an episode (docs/concepts.md)."""
    return {
        "id": episode.id,
        "source": episode.source,
        "chunks": [
            {"text": c.text, "time": c.time} if c.time is not None else {"text": c.text} for c in episode.chunks
        ],
        "questions": [
            {
                "question": q.text,
                "answers": list(q.answers),
                "metric": q.metric.value,
                "competency": q.competency.value,
                "evidence": list(q.evidence),
            }
            for q in episode.questions
        ],
    }


def episode_from_json(data: object, *, where: str) -> Episode:
    """Read the documented shape; `where` (file and line) opens every error."""
    row = _object(data, where, {"id", "source", "chunks", "questions"}, {"chunks", "questions"})
    try:
        return Episode(
            id=_text(row.get("id", where), f"{where}: id"),
            source=_text(row.get("source", "user"), f"{where}: source"),
            chunks=tuple(_chunk(item, f"{where}: chunk {n}") for n, item in _list(row["chunks"], f"{where}: chunks")),
            questions=tuple(
                _question(item, f"{where}: question {n}") for n, item in _list(row["questions"], f"{where}: questions")
            ),
        )
    except EpisodeError as error:
        if str(error).startswith(where):
            raise
        raise EpisodeError(f"{where}: {error}") from error


def read_episodes(path: Path) -> Iterator[Episode]:
    """Episodes of a JSONL file, one a line; raises `EpisodeError` that names file and line."""
    try:
        with path.open("rb") as file:  # as bytes, so that a line in another encoding can be named
            for number, line in enumerate(file, start=1):
                if line.strip():
                    where = f"{path}:{number}"
                    yield episode_from_json(_parse(line, where), where=where)
    except OSError as error:
        raise EpisodeError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error


def write_episodes(path: Path, episodes: Iterable[Episode]) -> None:
    """Write one episode a line, in the shape that `read_episodes` reads; raises `OutputError`."""
    try:
        with path.open("w", encoding="utf-8") as file:
            for episode in episodes:
                file.write(json.dumps(episode_to_json(episode), ensure_ascii=False) + "\n")
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}); check the path and rights"
        ) from error


def _parse(line: bytes, where: str) -> object:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EpisodeError(f"{where}: got what is not JSON in UTF-8 ({error}); expected one episode a line") from error


def _chunk(data: object, where: str) -> Chunk:
    if isinstance(data, str):
        return Chunk(text=_text(data, where))
    row = _object(data, where, {"text", "time"}, {"text"})
    time = row.get("time")
    return Chunk(
        text=_text(row["text"], f"{where}: text"), time=None if time is None else _text(time, f"{where}: time")
    )


def _question(data: object, where: str) -> Question:
    fields = {"question", "answers", "metric", "competency", "evidence"}
    row = _object(data, where, fields, {"question", "answers"})
    answers = row["answers"]
    if isinstance(answers, str):
        answers = [answers]
    return Question(
        text=_text(row["question"], f"{where}: question"),
        answers=tuple(_text(item, f"{where}: answers") for _, item in _list(answers, f"{where}: answers")),
        metric=_member(Metric, row.get("metric", "contains"), f"{where}: metric"),
        competency=_member(Competency, row.get("competency", "accurate_retrieval"), f"{where}: competency"),
        evidence=tuple(
            _index(item, f"{where}: evidence") for _, item in _list(row.get("evidence", []), f"{where}: evidence")
        ),
    )


def _object(data: object, where: str, known: set[str], required: set[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise EpisodeError(
            f"{where}: got {type(data).__name__}, expected a JSON object with {', '.join(sorted(required))}"
        )
    unknown = sorted(set(data) - known)
    if unknown:
        raise EpisodeError(f"{where}: got the unknown key {unknown[0]!r}, expected {', '.join(sorted(known))}")
    missing = sorted(required - set(data))
    if missing:
        raise EpisodeError(f"{where}: the key {missing[0]!r} is missing; add it")
    return data


def _list(data: object, where: str) -> list[tuple[int, object]]:
    if not isinstance(data, list):
        raise EpisodeError(f"{where}: got {type(data).__name__}, expected a list")
    return list(enumerate(data))


def _text(data: object, where: str) -> str:
    if not isinstance(data, str):
        raise EpisodeError(f"{where}: got {type(data).__name__}, expected text")
    if _HALF.search(data):
        raise EpisodeError(
            f"{where}: got half of a surrogate pair, which no file and no tokenizer takes; mend the text"
        )
    return data


def _index(data: object, where: str) -> int:
    if not isinstance(data, int) or isinstance(data, bool):
        raise EpisodeError(f"{where}: got {data!r}, expected the index of a chunk")
    return data


def _member(kind: type[_E], data: object, where: str) -> _E:
    if data not in list(kind):
        raise EpisodeError(f"{where}: got {data!r}, expected one of {', '.join(kind)}")
    return kind(str(data))
