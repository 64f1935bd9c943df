"""Passages of real text as chunks: cut at line ends, dated, and where in them an answer stands."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from memalpha.errors import ConfigError
from memalpha.records import Chunk, Episode, Question
from memalpha.text import cut_chunks, sentences

_FIRST_DAY = datetime.date(2024, 1, 1)


def cut_lines(lines: Sequence[str], max_tokens: int, count_tokens: Callable[[str], int]) -> list[str]:
    """Texts of at most `max_tokens`, one given line on each of their lines, in order.

    A line is cut, at words, only when it alone is over the limit; a single word over the limit stays whole.
    """
    whole = "\n".join(lines)
    if count_tokens(whole) <= max_tokens:
        return [whole]
    return ["\n".join(group) for group in cut_chunks(lines, max_tokens, count_tokens, separator="\n")]


def pack(
    passages: Sequence[Sequence[str]], max_tokens: int, count_tokens: Callable[[str], int]
) -> tuple[list[str], list[range]]:
    """Texts of at most `max_tokens`, filled with the lines of all passages in order.

    A text ends where the next line would not fit, in the middle of a passage too; lines are cut as by `cut_lines`.

    Returns:
        The texts, one line on each of their lines; and for each passage the range of texts that hold its lines.
    """
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    for lines in passages:
        start = len(pieces)
        for line in lines:
            pieces.extend(" ".join(words) for words in cut_chunks([line], max_tokens, count_tokens))
        spans.append((start, len(pieces)))
    groups = cut_chunks(pieces, max_tokens, count_tokens, separator="\n")
    text_of = [number for number, group in enumerate(groups) for _ in group]
    held = [range(text_of[start], text_of[end - 1] + 1) if start < end else range(0) for start, end in spans]
    return ["\n".join(group) for group in groups], held


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A text of several passages, or of a part of one."""

    text: str
    passages: frozenset[int]
    """Indices of the passages whose lines stand in it."""


def fill(
    passages: Sequence[Sequence[str]], least: int, most: int, count_tokens: Callable[[str], int], rng: random.Random
) -> list[Filled]:
    """Passages packed in order into texts whose size is drawn anew each time, `least` to `most` tokens.

    A passage stays whole unless it alone is over `most`; a blank line stands between two. The size is a limit, passed
    only by a passage that is longer than it.
    """
    pieces = [(at, text) for at, lines in enumerate(passages) for text in cut_lines(lines, most, count_tokens)]
    filled: list[Filled] = []
    start = 0
    while start < len(pieces):
        size = rng.randint(least, most)
        total, end = count_tokens(pieces[start][1]), start + 1
        while end < len(pieces) and total + (more := count_tokens(f"\n\n{pieces[end][1]}")) <= size:
            total, end = total + more, end + 1
        held = pieces[start:end]
        filled.append(Filled(text="\n\n".join(text for _, text in held), passages=frozenset(at for at, _ in held)))
        start = end
    return filled


def dated(texts: Sequence[str]) -> tuple[Chunk, ...]:
    """Chunks one day apart from 2024-01-01 on (as in arXiv:2509.25911)."""
    days = (_FIRST_DAY + datetime.timedelta(days=number) for number in range(len(texts)))
    return tuple(Chunk(text=text, time=day.isoformat()) for text, day in zip(texts, days, strict=True))


def places(answer: str, texts: Sequence[str]) -> tuple[int, ...]:
    """Indices of the texts in which the answer stands, whatever its case and line breaks.

    Where it stands as whole words in some and inside of words in others ("10" in "1066"), the former only.
    """
    gold = _flat(answer)
    found = [(index, flat) for index, flat in enumerate(map(_flat, texts)) if gold in flat]
    if len(found) > 1:
        whole = re.compile(rf"(?<!\w){re.escape(gold)}(?!\w)")
        found = [each for each in found if whole.search(each[1])] or found
    return tuple(index for index, _ in found)


def holding(answers: Iterable[str], texts: Sequence[str], among: Iterable[int]) -> tuple[int, ...]:
    """Those texts `among` the given ones in which one of the answers stands, or all of the given when none does."""
    given = sorted(set(among))
    inside = [texts[index] for index in given]
    found = {given[place] for answer in answers for place in places(answer, inside)}
    return tuple(sorted(found)) or tuple(given)


def limit_chunks(episode: Episode, max_tokens: int, count_tokens: Callable[[str], int]) -> Episode:
    """The episode with its chunks over `max_tokens` cut at line and sentence ends, evidence following the answers.

    Parts keep the time of their chunk. Evidence that was cut is the parts with an answer in them, or all of them.
    """
    parts = [_parts(chunk, max_tokens, count_tokens) for chunk in episode.chunks]
    starts = [0]
    for each in parts:
        starts.append(starts[-1] + len(each))

    def moved(question: Question) -> tuple[int, ...]:
        found: list[int] = []
        for index in question.evidence:
            texts = [part.text for part in parts[index]]
            found.extend(starts[index] + place for place in holding(question.answers, texts, range(len(texts))))
        return tuple(found)

    questions = tuple(replace(question, evidence=moved(question)) for question in episode.questions)
    return replace(episode, chunks=tuple(part for each in parts for part in each), questions=questions)


def expect_positive(options: Iterable[tuple[str, int | None]]) -> None:
    """Raise `ConfigError` for the first option below 1; None is no limit."""
    for name, value in options:
        if value is not None and value < 1:
            raise ConfigError(f"got {name}={value}, expected at least 1")


def _parts(chunk: Chunk, max_tokens: int, count_tokens: Callable[[str], int]) -> list[Chunk]:
    if count_tokens(chunk.text) <= max_tokens:
        return [chunk]
    lines = [sentence for line in chunk.lines for sentence in sentences(line)]
    return [replace(chunk, text=text) for text in cut_lines(lines, max_tokens, count_tokens)]


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()
