"""Learning from labelled examples, like the ICL sets of MemoryAgentBench (arXiv:2507.05257).

Banking77, CLINC150 and NLU: the stream is training examples, of all labels nearly as many as the length allows, with
numbers in place of the labels' names, so that nothing but the examples says what a number stands for. The questions are
test utterances. Read from JSON Lines of {"text", label} objects or [text, label] pairs. Left out: CLINC150's utterances
without an intent.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.frames import EXAMPLE, EXAMPLE_QUESTION
from memalpha.data.passages import dated, pack
from memalpha.data.raw import checked, field, name_of, read_records
from memalpha.data.suites.suite import NO_LIMITS, QUESTIONS, Limits, Loader, locate
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Competency, Episode, Metric, Question

LENGTH_TOKENS = 32_000
"""Of a stream unless chosen."""

CHUNK_TOKENS = 1024
"""Limit of one chunk unless chosen, as in arXiv:2509.25911."""

Examples = dict[str, list[str]]
"""Texts by label."""


def loader(name: str, folder: str, label_key: str) -> Loader:
    """The loader of one data set, whose two files (`files`) are the pools of the stream and of the questions."""

    def load(
        path: Path,
        *,
        seed: int = 0,
        limits: Limits = NO_LIMITS,
        count_tokens: Callable[[str], int] | None = None,
    ) -> Iterator[Episode]:
        train, test = (_read(locate(path, file), label_key) for file in files(folder))
        count = count_tokens or nano_counter()
        for number in range(limits.episodes or 1):
            yield _episode(f"{name}:{seed}:{number}", name, train, test, limits, count)

    return load


def files(folder: str) -> tuple[str, str]:
    """The files of the training and of the test utterances."""
    return f"{folder}/train.jsonl.gz", f"{folder}/test.jsonl.gz"


def _episode(
    id: str, name: str, train: Examples, test: Examples, limits: Limits, count: Callable[[str], int]
) -> Episode:
    rng = random.Random(id)
    labels = sorted(train)
    numbers = dict(zip(labels, map(str, rng.sample(range(len(labels)), len(labels))), strict=True))
    drawn = _draw(train, numbers, limits.length_tokens or LENGTH_TOKENS, count, rng)
    texts, held = pack([[line] for _, line in drawn], limits.chunk_tokens or CHUNK_TOKENS, count)
    chunks_of: dict[str, set[int]] = defaultdict(set)
    for (label, _), chunks in zip(drawn, held, strict=True):
        # A line that was cut has its label at the end.
        chunks_of[label].add(chunks[-1])
    known = {text for texts in train.values() for text in texts}
    asked = [(label, text) for label in sorted(test) if label in chunks_of for text in test[label] if text not in known]
    questions = tuple(
        Question(
            text=EXAMPLE_QUESTION.format(s=text),
            answers=(numbers[label],),
            metric=Metric.LABEL,
            competency=Competency.TEST_TIME_LEARNING,
            evidence=tuple(sorted(chunks_of[label])),
        )
        for label, text in rng.sample(asked, min(len(asked), limits.questions or QUESTIONS))
    )
    return Episode(id=id, chunks=dated(texts), questions=questions, source=name)


def _draw(
    train: Examples, numbers: dict[str, str], length: int, count: Callable[[str], int], rng: random.Random
) -> list[tuple[str, str]]:
    """Labels with lines, one of each label in turn until the next would be over the length, then mixed."""
    pools = {label: rng.sample(texts, len(texts)) for label, texts in sorted(train.items())}
    drawn: list[tuple[str, str]] = []
    total = 0
    while pools:
        for label in rng.sample(list(pools), len(pools)):
            line = EXAMPLE.format(s=pools[label].pop(), v=numbers[label])
            total += count(line + "\n")
            if total > length:
                if not drawn:
                    raise ConfigError(f"got length_tokens={length}, expected room for one example; choose a longer one")
                rng.shuffle(drawn)
                return drawn
            drawn.append((label, line))
            if not pools[label]:
                del pools[label]
    if total < length:
        raise ConfigError(f"got length_tokens={length}, expected at most {total}, all that there is; choose less")
    rng.shuffle(drawn)
    return drawn


def _read(file: Path, label_key: str) -> Examples:
    found: Examples = defaultdict(list)
    for where, record in read_records(file, lists=False):
        text, label = _pair(record, label_key, where)
        if not text or not label:
            raise EpisodeError(f"{where}: got an empty text or label, expected both; leave the record out")
        found[label].append(text)
    if not found:
        raise EpisodeError(f"{file}: got no examples, expected one a line; fetch the file again")
    return found


def _pair(record: object, label_key: str, where: str) -> tuple[str, str]:
    values: list[str]
    if isinstance(record, list):
        if len(record) != 2:
            raise EpisodeError(f"{where}: got a list of {len(record)}, expected a text and its label")
        values = [checked(value, str, where) for value in record]
    elif isinstance(record, dict):
        values = [field(record, key, str, where) for key in ("text", label_key)]
    else:
        raise EpisodeError(f"{where}: got {name_of(record)}, expected a text and its label; mend the record")
    text, label = (" ".join(value.split()) for value in values)
    return text, label
