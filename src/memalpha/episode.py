"""The one episode loop, used by training, by evaluation and by examples.

Chunks go to the writer in order, each once; then the reader answers the questions from the memory alone and each answer
is scored by the metric its question names. Several episodes go side by side, so that a model serves them in batches.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from memalpha.agent.model import Sampling
from memalpha.agent.reader import Answer, Reader
from memalpha.agent.stream import open_stream
from memalpha.agent.view import STORES
from memalpha.agent.writer import Asked, Step, Writer
from memalpha.memory.bank import Bank
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.memory.tools import Source, Tool, apply
from memalpha.metrics import contains, score
from memalpha.records import Chunk, Episode, Question, ToolCall

Count = Callable[[str], int]
Progress = Callable[[int, int], None]
"""Called with chunks read so far and chunks in all."""

STORED_LINES = 0.4
"""Share of the lines that `store_first` keeps; with all of them, what only mentions a fact drowns its correction."""


ASKED_AT_ONCE = 16
"""Questions that go to a reader together; after each lot its answers are handed on."""


class Watch(Protocol):
    """Is told what is finished while episodes run, so that it can be kept before the next step may fail."""

    def wrote(self, episode: Episode, bank: Bank, seconds: float) -> None:
        """The memory of an episode is finished; it took this long."""
        ...

    def answered(self, episode: Episode, first: int, answers: Sequence[Answer], seconds: float) -> None:
        """The questions from number `first` on (0 is the first) have these answers; together they took this long."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the memory of an episode begins with, in training."""

    stored: int = 0
    """Of how many chunks some lines are in memory before the writer begins."""
    first_id: int = 1
    """The number of the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An episode that was run: what was written, what was answered, what it scored."""

    episode: Episode
    steps: tuple[Step, ...]
    """One for each chunk that the writer read, in order."""
    bank: Bank
    """The memory after the last chunk."""
    answers: tuple[Answer, ...]
    scores: tuple[float, ...]
    """One for each question, in [0, 1]."""
    raw_tokens: int
    """Length of all chunks."""

    @property
    def score(self) -> float:
        """Mean over the questions: evaluation accuracy, and reward r1."""
        return sum(self.scores) / len(self.scores)

    @property
    def whole(self) -> bool:
        """Whether the writer read every chunk, starting with an empty memory."""
        return len(self.steps) == len(self.episode.chunks)

    @property
    def memory_tokens(self) -> int:
        """Length of what is in memory at the end."""
        return self.bank.tokens()

    @property
    def written_tokens(self) -> int:
        """Length of everything that was ever written, an update counted with its whole new text."""
        return sum(self.bank.count_tokens(operation.after) for operation in self.bank.log if operation.after)

    @property
    def read_tokens(self) -> float:
        """Mean length of the texts that the reader was shown for a question; times are not counted."""
        return sum(shown_tokens(answer, self.bank.count_tokens) for answer in self.answers) / len(self.answers)

    @property
    def sufficiency(self) -> float:
        """Share of the questions whose gold answer stands somewhere in what the reader was shown."""
        found = [
            is_sufficient(answer, question)
            for answer, question in zip(self.answers, self.episode.questions, strict=True)
        ]
        return sum(found) / len(found)


def shown_tokens(answer: Answer, count_tokens: Count) -> int:
    """Length of the texts that the reader was shown for one question; times are not counted."""
    texts = (answer.shown.core, *(entry.text for entry in answer.shown.entries))
    return sum(count_tokens(text) for text in texts if text)


def is_sufficient(answer: Answer, question: Question) -> bool:
    """Whether a gold answer stands somewhere in what the reader was shown."""
    return contains(answer.shown.text, question.answers) > 0


def run_episode(
    writer: Writer, reader: Reader, episode: Episode, *, count_tokens: Count, layout: Layout = MEMALPHA
) -> Trace:
    """Run one episode from an empty memory."""
    return run_episodes(writer, reader, [episode], count_tokens=count_tokens, layout=layout)[0]


def run_episodes(  # noqa: PLR0913 -- who writes, who reads and what is asked; the rest has defaults
    writer: Writer,
    reader: Reader,
    episodes: Sequence[Episode],
    *,
    count_tokens: Count,
    sampling: Callable[[int], Sampling] | None = None,
    progress: Progress | None = None,
    starts: Sequence[Start] | None = None,
    layout: Layout = MEMALPHA,
    watch: Watch | None = None,
) -> list[Trace]:
    """Run several episodes side by side, each with a memory of its own; traces come in the order of the episodes.

    Each goes on as soon as its own chunk is read. A reader that can be asked from several threads (`concurrency`, such
    as one behind a server) answers for the first while others still read.

    Args:
        writer: Writes all of them.
        reader: Answers all of them.
        episodes: The same episode may stand there several times.
        count_tokens: Length of a text, for limits and for reported sizes.
        sampling: How to sample chunk n that the writer reads (0 is the first); None is the writer's own way.
        progress: Told whenever chunks have been read.
        starts: What the memory of each episode begins with; None is nothing.
        layout: What the memories are made of.
        watch: Told of each memory and each lot of answers; the time of writing is shared out by chunks.
    """
    starts = starts or [Start()] * len(episodes)
    writings = [
        _Writing(episode, start, Bank(count_tokens=count_tokens, layout=layout, first_id=start.first_id))
        for episode, start in zip(episodes, starts, strict=True)
    ]
    began, total, done = time.monotonic(), sum(each.left for each in writings), 0
    readers = 0 if watch else getattr(reader, "concurrency", 0)
    with ThreadPoolExecutor(max_workers=readers or 1, thread_name_prefix="memalpha-reader") as pool:
        early: dict[int, Future[Trace]] = {}
        for ended in _write(writer, writings, sampling):
            if readers:
                early.update(
                    {at: pool.submit(writings[at].finish, reader, None) for at in ended if not writings[at].left}
                )
            done += len(ended)
            if progress:
                progress(done, total)
        a_chunk = (time.monotonic() - began) / max(1, total)
        for each in writings:
            if watch:
                watch.wrote(each.episode, each.bank, a_chunk * len(each.steps))
        return [early[at].result() if at in early else each.finish(reader, watch) for at, each in enumerate(writings)]


class _Writing:
    """An episode on its way."""

    def __init__(self, episode: Episode, start: Start, bank: Bank) -> None:
        self.episode, self.bank = episode, store_first(episode, start.stored, bank)
        self.steps: list[Step] = []
        self._first = start.stored

    @property
    def left(self) -> int:
        """Chunks to be read."""
        return len(self.episode.chunks) - self._first - len(self.steps)

    @property
    def index(self) -> int:
        """Of the next chunk."""
        return self._first + len(self.steps)

    @property
    def chunk(self) -> Chunk:
        return self.episode.chunks[self.index]

    def finish(self, reader: Reader, watch: Watch | None) -> Trace:
        return finish(self.episode, tuple(self.steps), self.bank, reader, self.bank.count_tokens, watch)


def _write(
    writer: Writer, writings: Sequence[_Writing], sampling: Callable[[int], Sampling] | None
) -> Iterator[list[int]]:
    """Write all of them, each as fast as it goes; yields the places of those that have read a chunk."""
    stream = open_stream(writer.model)
    asked: dict[int, Asked] = {}

    def send(at: int) -> None:
        each = writings[at]
        asked[at] = writer.ask(each.bank, each.chunk)
        way = sampling(len(each.steps)) if sampling else writer.sampling
        stream.submit(at, asked[at].prompt, way)

    for at, each in enumerate(writings):
        if each.left:
            send(at)
    while asked:
        ended = []
        for at, completion in stream.ready():
            each = writings[at]
            each.steps.append(
                writer.step(each.bank, each.chunk, each.index, asked=asked.pop(at), completion=completion)
            )
            ended.append(at)
            if each.left:
                send(at)
        yield ended


def store_first(episode: Episode, chunks: int, bank: Bank) -> Bank:
    """Put lines of the first `chunks` chunks into the bank, two in five, each as an entry of a kind drawn at random.

    The same episode is stored the same way each time.
    """
    rng = random.Random(episode.id)
    for index, chunk in enumerate(episode.chunks[:chunks]):
        for number in range(1, len(chunk.lines) + 1):
            if rng.random() < STORED_LINES:
                arguments = {"lines": [number], "memory_type": rng.choice(STORES).value}
                apply(bank, ToolCall(name=Tool.INSERT, arguments=arguments), Source(chunk=chunk, index=index))
    return bank


def finish(
    episode: Episode,
    steps: tuple[Step, ...],
    bank: Bank,
    reader: Reader,
    count_tokens: Count,
    watch: Watch | None = None,
) -> Trace:
    """Ask the questions of an episode whose chunks have all been read, and score the answers."""
    answers = _ask(episode, bank, reader, watch)
    return Trace(
        episode=episode,
        steps=steps,
        bank=bank,
        answers=answers,
        scores=tuple(
            score(question.metric, answer.text, question.answers)
            for question, answer in zip(episode.questions, answers, strict=True)
        ),
        raw_tokens=sum(count_tokens(chunk.text) for chunk in episode.chunks),
    )


def _ask(episode: Episode, bank: Bank, reader: Reader, watch: Watch | None) -> tuple[Answer, ...]:
    """All at once, or lot by lot where somebody keeps what is finished."""
    texts = [question.text for question in episode.questions]
    if watch is None:
        return tuple(reader.read(bank, texts))
    answers: list[Answer] = []
    for first in range(0, len(texts), ASKED_AT_ONCE):
        began = time.monotonic()
        lot = reader.read(bank, texts[first : first + ASKED_AT_ONCE])
        watch.answered(episode, first, lot, time.monotonic() - began)
        answers += lot
    return tuple(answers)
