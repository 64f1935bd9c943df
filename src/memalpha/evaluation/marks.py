"""What a writer did with each line of a trace, and how each question went: the marks that a page and a terminal show.

Nothing is rendered here. A mark is read off the operation log, so that any trace can be marked, a baseline's too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from memalpha.episode import Trace
from memalpha.memory.entry import Action, Operation
from memalpha.metrics import contains
from memalpha.records import Question, ToolCall, ToolResult

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Fate(StrEnum):
    """What became of one line."""

    STORED = "stored"
    """Quoted by a new entry."""
    CHANGED = "changed"
    """Quoted by an entry that said something else before."""
    IGNORED = "ignored"
    """Quoted by nothing."""


class Verdict(StrEnum):
    """How an answer was scored."""

    RIGHT = "right"
    PARTLY = "partly"
    WRONG = "wrong"


ICONS = {
    Fate.STORED: "✓",
    Fate.CHANGED: "↻",
    Fate.IGNORED: "–",
    Verdict.RIGHT: "✓",
    Verdict.PARTLY: "◐",
    Verdict.WRONG: "✗",
}
"""Stand beside the word of a mark, wherever it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One operation, and what happened to its text afterwards."""

    operation: Operation
    next: Operation | None
    """The next operation on the same entry; None when the text stands to the end."""

    @property
    def target(self) -> str:
        """The entry in words: "semantic #3", or "core"."""
        return name_of(self.operation)

    @property
    def replaces(self) -> str | None:
        """The text that stood there before, None for a new entry."""
        return self.operation.before

    @property
    def afterwards(self) -> str:
        """What happened to the text later, in words; empty when it stands to the end."""
        if self.next is None:
            return ""
        verb = "deleted" if self.next.action is Action.DELETE else "replaced"
        chunk = self.next.provenance.chunk
        return f"{verb} later" if chunk is None else f"{verb} in chunk {chunk + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMark:
    """One line of a chunk."""

    number: int
    """As the writer saw it, the first is 1."""
    text: str
    writes: tuple[Write, ...]
    """The operations that quote it."""
    answers: tuple[int, ...]
    """Numbers of the questions whose answer stands here, the first is 1."""

    @property
    def fate(self) -> Fate:
        """The strongest of what happened to it."""
        if any(write.replaces is not None for write in self.writes):
            return Fate.CHANGED
        return Fate.STORED if self.writes else Fate.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMarks:
    """One chunk and everything that was done on it."""

    index: int
    time: str | None
    lines: tuple[LineMark, ...]
    own_words: tuple[Write, ...]
    """Writes that quote no line."""
    deletes: tuple[Write, ...]
    refused: tuple[tuple[ToolCall, ToolResult], ...]
    """Calls that were not carried out."""

    @property
    def kept(self) -> int:
        """Number of lines that something quotes."""
        return sum(line.fate is not Fate.IGNORED for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMark:
    """One question of one trace."""

    number: int
    """The first is 1."""
    question: Question
    text: str
    score: float
    read: bool
    """Whether the gold answer stood in what the reader was shown."""

    @property
    def verdict(self) -> Verdict:
        """Right at full score, wrong at none."""
        if self.score >= 1.0:
            return Verdict.RIGHT
        return Verdict.PARTLY if self.score > 0.0 else Verdict.WRONG

    @property
    def reason(self) -> str:
        """Where a point was lost, in words; empty for a right answer."""
        if self.verdict is Verdict.RIGHT:
            return ""
        return "the answer was read, but not given" if self.read else "the answer was not in what was read"


def mark_chunks(trace: Trace) -> list[ChunkMarks]:
    """The marks of every chunk, in order."""
    steps = {step.index: step for step in trace.steps}
    writes = _writes(trace.bank.log)
    marked = []
    for index, chunk in enumerate(trace.episode.chunks):
        here = [write for write in writes if write.operation.provenance.chunk == index]
        texts = [write for write in here if write.operation.action is not Action.DELETE]
        lines = tuple(
            LineMark(
                number=number,
                text=line,
                writes=tuple(write for write in texts if number in write.operation.provenance.lines),
                answers=_answered(trace.episode.questions, index, line),
            )
            for number, line in enumerate(chunk.lines, start=1)
        )
        step = steps.get(index)
        pairs = zip(step.calls, step.results, strict=True) if step else ()
        marked.append(
            ChunkMarks(
                index=index,
                time=chunk.time,
                lines=lines,
                own_words=tuple(write for write in texts if not write.operation.provenance.lines),
                deletes=tuple(write for write in here if write.operation.action is Action.DELETE),
                refused=tuple((call, result) for call, result in pairs if not result.ok),
            )
        )
    return marked


def mark_answers(trace: Trace) -> list[AnswerMark]:
    """The marks of every question, in order."""
    asked = zip(trace.episode.questions, trace.answers, trace.scores, strict=True)
    return [
        AnswerMark(
            number=number,
            question=question,
            text=answer.text,
            score=score,
            read=bool(contains(answer.shown.text, question.answers)),
        )
        for number, (question, answer, score) in enumerate(asked, start=1)
    ]


def name_of(operation: Operation) -> str:
    """The entry of an operation in words: "semantic #3", or "core"."""
    return operation.kind.value if operation.entry_id is None else f"{operation.kind.value} #{operation.entry_id}"


def visible(text: str) -> str:
    """The text without what would change how a terminal or a page behaves: control and direction marks show as �."""
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n"))


def _writes(log: Sequence[Operation]) -> list[Write]:
    """Every operation with the next one on the same entry, in the order of the log."""
    following: dict[str, Operation] = {}
    writes = []
    for operation in reversed(log):
        writes.append(Write(operation=operation, next=following.get(name_of(operation))))
        following[name_of(operation)] = operation
    return writes[::-1]


def _answered(questions: Sequence[Question], chunk: int, line: str) -> tuple[int, ...]:
    """Numbers of the questions that have their evidence in this chunk and an answer in this line."""
    return tuple(
        number
        for number, question in enumerate(questions, start=1)
        if chunk in question.evidence and contains(line, question.answers)
    )
