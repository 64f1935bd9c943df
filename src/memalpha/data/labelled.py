"""Labelled samples as streams to learn from: a label is a number, and only the samples say what it stands for.

As arXiv:2509.25911 builds NLU, TREC-Coarse and PubMed-RCT, but for one thing: which number stands for which label is
drawn anew for each episode, so that a policy cannot learn the labels instead of learning to keep samples.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from memalpha.data.exchange import SAMPLE_OPENINGS, exchange
from memalpha.data.frames import EXAMPLE, EXAMPLE_QUESTION
from memalpha.data.passages import dated, expect_positive
from memalpha.data.raw import field
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric, Question
from memalpha.text import normalise


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text of one line and the name of its label."""

    text: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How streams are cut from the samples."""

    episodes: int
    """At most."""
    chunk_tokens: tuple[int, int]
    """Least and most of a chunk, counted without the sentences around the samples; drawn for each chunk."""
    reuse: bool
    """Whether a sample may stand in several episodes; without, streams end where the samples do."""
    chunks: int = 10
    questions: int = 100
    """At most; none is about a sample of the stream."""


def read_label(record: object, key: str, where: str) -> str:
    """The label of a record: a name, or the number that the hub has for it; raises `EpisodeError`."""
    value = field(record, key, object, where)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise EpisodeError(f"{where}: {key}: got {value!r:.40}, expected the name or the number of a label")
    return str(value).strip()


def learn_from(
    samples: Sequence[Sample], shape: Shape, *, name: str, source: str, seed: int, count_tokens: Callable[[str], int]
) -> Iterator[Episode]:
    """Episodes of labelled samples, a sample a line; the same seed gives the same episodes.

    Where a label is missing from the drawn samples, one sample of it joins the first chunk. Evidence of a question are
    the chunks that hold a sample with its label.
    """
    expect_positive((("episodes", shape.episodes), ("chunks", shape.chunks), ("questions", shape.questions)))
    rng = random.Random(seed)
    by_label: dict[str, list[Sample]] = {}
    for sample in samples:
        by_label.setdefault(sample.label, []).append(sample)
    supply = _supply(samples, shape.reuse, rng)
    for number in range(shape.episodes):
        drawn = islice(supply, len(samples))
        labels = sorted(by_label)
        numbers = dict(zip(labels, map(str, rng.sample(range(len(labels)), len(labels))), strict=True))
        chunks = [_fill(drawn, numbers, rng.randint(*shape.chunk_tokens), count_tokens) for _ in range(shape.chunks)]
        if not chunks[-1]:
            return
        told = {sample.label for chunk in chunks for sample in chunk}
        chunks[0].extend(rng.choice(by_label[label]) for label in labels if label not in told)
        questions = tuple(islice(_ask(drawn, chunks, numbers), shape.questions))
        if not questions:
            return
        lines = ["\n".join(_line(sample, numbers) for sample in chunk) for chunk in chunks]
        yield Episode(
            id=f"{name}:{seed}:{number}",
            chunks=dated([exchange(text, rng, openings=SAMPLE_OPENINGS) for text in lines]),
            questions=questions,
            source=source,
        )


def _supply(samples: Sequence[Sample], reuse: bool, rng: random.Random) -> Iterator[Sample]:
    """Every sample once in random order; with `reuse` round and round, each time in another order."""
    yield from rng.sample(samples, len(samples))
    while reuse and samples:
        yield from rng.sample(samples, len(samples))


def _fill(
    drawn: Iterator[Sample], numbers: dict[str, str], size: int, count_tokens: Callable[[str], int]
) -> list[Sample]:
    """Samples of one chunk: as many as come before the size is reached, at least one if there is one left."""
    chunk: list[Sample] = []
    total = 0
    while total < size and (sample := next(drawn, None)) is not None:
        chunk.append(sample)
        total += count_tokens(_line(sample, numbers) + "\n")
    return chunk


def _ask(drawn: Iterator[Sample], chunks: Sequence[Sequence[Sample]], numbers: dict[str, str]) -> Iterator[Question]:
    """Questions about the samples that come next, except those whose text is in the stream or was asked before."""
    known = {normalise(sample.text) for chunk in chunks for sample in chunk}
    evidence: dict[str, list[int]] = {}
    for index, chunk in enumerate(chunks):
        for label in {sample.label for sample in chunk}:
            evidence.setdefault(label, []).append(index)
    for sample in drawn:
        if normalise(sample.text) in known:
            continue
        known.add(normalise(sample.text))
        yield Question(
            text=EXAMPLE_QUESTION.format(s=sample.text),
            answers=(numbers[sample.label],),
            metric=Metric.LABEL,
            competency=Competency.TEST_TIME_LEARNING,
            evidence=tuple(evidence[sample.label]),
        )


def _line(sample: Sample, numbers: dict[str, str]) -> str:
    return EXAMPLE.format(s=sample.text, v=numbers[sample.label])
