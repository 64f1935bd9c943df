"""The one episode loop, used by training, by evaluation and by examples.

Chunks go to the writer in order, each once; then the reader answers the questions from the memory alone and each answer
is scored by the metric its question names. Several episodes go side by side, so that a model serves them in batches.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from memalpha.agent.model import Sampling
from memalpha.agent.reader import Answer, Reader
from memalpha.agent.view import STORES
from memalpha.agent.writer import Step, Writer
from memalpha.memory.bank import Bank
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.memory.tools import Source, Tool, apply
from memalpha.metrics import contains, score
from memalpha.records import Episode, Question, ToolCall

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

    Args:
        writer: Writes all of them.
        reader: Answers all of them.
        episodes: The same episode may stand there several times.
        count_tokens: Length of a text, for limits and for reported sizes.
        sampling: How to sample the chunks of round n (0 is the first); None is the writer's own way.
        progress: Told after each round of chunks.
        starts: What the memory of each episode begins with; None is nothing.
        layout: What the memories are made of.
        watch: Told of each memory and each lot of answers; the time of writing is shared out by chunks.
    """
    began = time.monotonic()
    starts = starts or [Start()] * len(episodes)
    banks = [
        store_first(episode, start.stored, Bank(count_tokens=count_tokens, layout=layout, first_id=start.first_id))
        for episode, start in zip(episodes, starts, strict=True)
    ]
    first = [start.stored for start in starts]
    steps: list[list[Step]] = [[] for _ in episodes]
    left = [len(episode.chunks) - count for episode, count in zip(episodes, first, strict=True)]
    total, done = sum(left), 0
    for turn in range(max(left, default=0)):
        active = [at for at, count in enumerate(left) if turn < count]
        work = [(banks[at], episodes[at].chunks[first[at] + turn], first[at] + turn) for at in active]
        for at, step in zip(active, writer.write_batch(work, sampling(turn) if sampling else None), strict=True):
            steps[at].append(step)
        done += len(active)
        if progress:
            progress(done, total)
    a_chunk = (time.monotonic() - began) / max(1, total)
    for episode, written, bank in zip(episodes, steps, banks, strict=True):
        if watch:
            watch.wrote(episode, bank, a_chunk * len(written))
    return [
        finish(episode, tuple(written), bank, reader, count_tokens, watch)
        for episode, written, bank in zip(episodes, steps, banks, strict=True)
    ]


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
