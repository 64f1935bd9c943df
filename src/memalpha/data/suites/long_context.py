"""Long contexts like the QA tasks of RULER (arXiv:2404.06654): a few paragraphs answer, all others are in the way.

`long-squad` asks what one paragraph answers (SQuAD v2.0, like QA1), `long-hotpotqa` what takes two (HotpotQA, like
QA2). Paragraphs of the questions' own data set come first; where they run out, those of the other one fill the rest.
No paragraph stands twice in a context. Left out: questions answered with yes or no, and unanswerable ones.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.passages import dated, pack, places
from memalpha.data.sources import hotpotqa, squad
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, QUESTIONS, Limits, locate
from memalpha.errors import ConfigError
from memalpha.records import Episode, Question
from memalpha.text import sentences

SQUAD_FILES = ("squad/test_squad_v2.0_dev.jsonl.gz",)
HOTPOTQA_FILES = ("hotpotqa/test_hf.jsonl.gz", "hotpotqa/test_raw.jsonl.gz")

LENGTH_TOKENS = 32_000
"""Of a context unless chosen."""

Paragraph = tuple[str, ...]
"""Its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """Paragraphs that enter a context together, and what is asked about them."""

    paragraphs: tuple[Paragraph, ...]
    supporting: frozenset[int]
    """Which of them a question needs."""
    questions: tuple[Question, ...]
    """Evidence still to be found."""


@dataclass(slots=True, kw_only=True)
class _Context:
    """What one episode is made from."""

    units: list[_Unit] = field(default_factory=list)
    paragraphs: dict[Paragraph, int] = field(default_factory=dict)
    """With their lengths in tokens."""

    @property
    def tokens(self) -> int:
        return sum(self.paragraphs.values())


def load_squad(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`long-squad`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    own = [unit for file in SQUAD_FILES for unit in _squad_units(locate(path, file))]
    others = [unit for file in HOTPOTQA_FILES for unit in _hotpotqa_units(locate(path, file))]
    yield from _episodes("long-squad", own, others, seed, limits, count_tokens or nano_counter())


def load_hotpotqa(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`long-hotpotqa`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    own = [unit for file in HOTPOTQA_FILES for unit in _hotpotqa_units(locate(path, file))]
    others = [unit for file in SQUAD_FILES for unit in _squad_units(locate(path, file))]
    yield from _episodes("long-hotpotqa", own, others, seed, limits, count_tokens or nano_counter())


def _squad_units(file: Path) -> Iterator[_Unit]:
    for context, questions in squad.read_paragraphs(file).items():
        yield _Unit(paragraphs=(tuple(sentences(context)),), supporting=frozenset({0}), questions=tuple(questions))


def _hotpotqa_units(file: Path) -> Iterator[_Unit]:
    for asked in hotpotqa.read_asked(file):
        supporting = (number for number, title in enumerate(asked.paragraphs) if title in asked.supporting)
        question = Question(text=asked.text, answers=(asked.answer,))
        yield _Unit(
            paragraphs=tuple(asked.paragraphs.values()),
            supporting=frozenset(supporting),
            questions=() if asked.is_yes_no else (question,),
        )


def _episodes(
    name: str,
    own: list[_Unit],
    others: list[_Unit],
    seed: int,
    limits: Limits,
    count: Callable[[str], int],
) -> Iterator[Episode]:
    rng = random.Random(seed)
    asking = [unit for unit in own if unit.questions]
    rng.shuffle(asking)
    rest = [unit for unit in own if not unit.questions]
    rng.shuffle(others)
    filling = list(dict.fromkeys(paragraph for unit in (*rest, *others) for paragraph in unit.paragraphs))
    contexts = _contexts(asking, filling, limits.length_tokens or LENGTH_TOKENS, count)
    for number, context in enumerate(islice(contexts, limits.episodes or 1)):
        paragraphs = list(context.paragraphs)
        rng.shuffle(paragraphs)
        texts, held = pack(paragraphs, limits.chunk_tokens or CHUNK_TOKENS, count)
        chunks_of = dict(zip(paragraphs, held, strict=True))
        questions = tuple(islice(_asked(context.units, texts, chunks_of, rng), limits.questions or QUESTIONS))
        if questions:
            yield Episode(id=f"{name}:{seed}:{number}", chunks=dated(texts), questions=questions, source=name)


def _contexts(
    own: Sequence[_Unit], filling: Sequence[Paragraph], length: int, count: Callable[[str], int]
) -> Iterator[_Context]:
    """Contexts of nearly `length` tokens until the units are used up; `ConfigError` when not one can be filled."""
    context = _Context()
    spare = list(reversed(filling))
    full = 0
    for unit in own:
        new = _new(unit.paragraphs, context, count)
        if context.units and context.tokens + sum(new.values()) > length:
            _fill(context, spare, length, count)
            yield context
            full += 1
            context = _Context()
            new = _new(unit.paragraphs, context, count)
        if sum(new.values()) <= length:
            context.units.append(unit)
            context.paragraphs.update(new)
    if context.units and _fill(context, spare, length, count):
        yield context
    elif not full:
        held = f"at most {context.tokens}, all that there is" if context.units else "room for one question's paragraphs"
        raise ConfigError(f"got length_tokens={length}, expected {held}; choose another length")


def _fill(context: _Context, spare: list[Paragraph], length: int, count: Callable[[str], int]) -> bool:
    """Take paragraphs off `spare` until the next one would be too long; whether the context is full then."""
    while spare:
        new = _new(spare[-1:], context, count)
        if context.tokens + sum(new.values()) > length:
            return True
        context.paragraphs.update(new)
        spare.pop()
    return context.tokens == length


def _new(paragraphs: Sequence[Paragraph], context: _Context, count: Callable[[str], int]) -> dict[Paragraph, int]:
    """The paragraphs that the context lacks, with their lengths and those of the line breaks before their lines."""
    return {each: sum(count(f"\n{line}") for line in each) for each in paragraphs if each not in context.paragraphs}


def _asked(
    units: Sequence[_Unit], texts: Sequence[str], chunks_of: dict[Paragraph, range], rng: random.Random
) -> Iterator[Question]:
    """The questions in a random order, with the chunks of what they need; not those whose answer was cut in two."""
    pairs = [(unit, question) for unit in units for question in unit.questions]
    times = Counter(question.text for _, question in pairs)
    for unit, question in rng.sample(pairs, len(pairs)):
        if times[question.text] > 1:
            continue  # a question about "this network" is one of several networks here
        needed = sorted({index for number in unit.supporting for index in chunks_of[unit.paragraphs[number]]})
        found = [places(answer, [texts[index] for index in needed]) for answer in question.answers]
        if all(found):
            holding = {needed[place] for each in found for place in each}
            yield replace(question, evidence=tuple(sorted(holding) if len(unit.supporting) == 1 else needed))
