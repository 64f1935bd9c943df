"""A synthetic stream of dated conversation with exact answers: unlimited episodes, any length, from a seed.

What flows past: facts about people and about the user, events, knowledge, labelled examples, steps of long projects,
corrections of earlier facts, distractors that mention the same people without saying anything, and small talk.
What is asked afterwards covers four competencies. About a third of the text is worth keeping; nothing marks it.

A correction names the old value and half of the attribute only, as people do ("gone off mint tea: the drink is cider
now"), so that the stale fact matches a later question better than the correction does: who only ever appends answers
with what was true once. Steps of one project lie far apart, and which is the first or the latest shows only at the end.

Left out: paraphrase beyond a few frames, and reasoning across facts; real text is for that (`memalpha.data.sources`).
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from memalpha.data.frames import (
    ATTRIBUTES,
    CORRECTIONS,
    DISTRACTORS,
    EVENTS,
    EXAMPLE,
    EXAMPLE_QUESTION,
    KNOWLEDGE,
    NOISE,
    STATEMENTS,
    STEP,
)
from memalpha.data.words import ADJECTIVES, NOUNS, Pools, Split
from memalpha.errors import ConfigError
from memalpha.records import Chunk, Competency, Episode, Metric, Question

TOKENS_PER_CHUNK = 110
"""Mean length of a chunk in tokens of the nano tokenizer; a test holds the world to it."""

_FIRST_DAY = datetime.date(2024, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    text: str
    thread: int
    part: int
    """The parts of one thread appear in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    text: str
    answer: str
    competency: Competency
    parts: tuple[int, ...]
    """The parts of the thread that the answer rests on."""
    dated: bool = False
    """The answer is the date of part 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thread:
    lines: tuple[str, ...]
    asks: tuple[_Ask, ...]
    about: tuple[str, str, str] | None = None
    """(possessive, a, b) of a fact, for distractors about it."""


def make_episode(
    seed: int, *, tokens: int = 1000, split: Split = Split.TRAIN, max_questions: int | None = None
) -> Episode:
    """One episode of about `tokens` nano tokens, the same for the same arguments.

    `max_questions` defaults to one for every 40 tokens, at least 8 and at most 100, shared evenly by the four
    competencies. Raises `ConfigError` for a length outside 500 to 500,000 (some headroom is left on both sides).
    """
    if not 200 <= tokens <= 1_000_000:
        raise ConfigError(f"a world episode of {tokens} tokens was asked for, expected 500 to 500000; change tokens")
    rng = random.Random(f"memalpha-world-{split}-{seed}-{tokens}")
    pools = Pools(rng, split)
    n_chunks = max(2, round(tokens / TOKENS_PER_CHUNK))
    threads = list(_plan(rng, pools, round(n_chunks * 2.6)))
    placed = _place(rng, threads, n_chunks)
    chunks = _write(rng, threads, placed)
    questions = _ask(rng, threads, placed, chunks, max_questions or min(100, max(8, tokens // 40)))
    return Episode(id=f"world-{split}-{tokens}-{seed}", chunks=chunks, questions=questions, source="world")


def make_episodes(count: int, *, seed: int, tokens: int, split: Split = Split.TRAIN) -> tuple[Episode, ...]:
    """`count` episodes, with the seeds from seed·100000 on."""
    return tuple(make_episode(seed * 100_000 + index, tokens=tokens, split=split) for index in range(count))


def _plan(rng: random.Random, pools: Pools, n_lines: int) -> Iterator[_Thread]:
    """Threads until `n_lines` informative lines are there, the four competencies in turn."""
    free = list(ATTRIBUTES)
    rng.shuffle(free)
    makers: list[Callable[[], _Thread]] = [
        lambda: _conflict(rng, pools, free),
        lambda: _project(rng, pools),
        lambda: _task(rng, pools),
        lambda: rng.choice((_fact, _fact, _event, _knowledge))(rng, pools, free),
        lambda: rng.choice((_fact, _event, _event, _knowledge))(rng, pools, free),
        lambda: _conflict(rng, pools, free),
    ]
    rng.shuffle(makers)
    written = turn = 0
    while written < n_lines or turn < 4:
        thread = makers[turn % len(makers)]()
        written += len(thread.lines)
        turn += 1
        yield thread


def _who(rng: random.Random, pools: Pools, free: list[tuple[str, str, str]]) -> tuple[str, str, str, str, str]:
    """(subject, possessive in the stream, possessive in the question, attribute, kind of value) of a new fact."""
    if free and rng.random() < 0.2:
        a, b, kind = free.pop()
        return "me", "my", "the user's", f"{a} {b}", kind
    a, b, kind = rng.choice(ATTRIBUTES)
    name = pools.name()
    return name, f"{name}'s", f"{name}'s", f"{a} {b}", kind


def _value(pools: Pools, kind: str) -> str:
    return {"phrase": pools.phrase, "name": pools.name, "number": pools.number}[kind]()


def _fact(rng: random.Random, pools: Pools, free: list[tuple[str, str, str]]) -> _Thread:
    who, of, asked_of, attribute, kind = _who(rng, pools, free)
    a, b = attribute.split()
    value = _value(pools, kind)
    line = _sentence(rng.choice(STATEMENTS), of=of, who=who, a=a, b=b, v=value)
    ask = _Ask(text=f"What is {asked_of} {a} {b}?", answer=value, competency=Competency.ACCURATE_RETRIEVAL, parts=(0,))
    return _Thread(lines=(line,), asks=(ask,), about=(of, a, b))


def _conflict(rng: random.Random, pools: Pools, free: list[tuple[str, str, str]]) -> _Thread:
    who, of, asked_of, attribute, kind = _who(rng, pools, free)
    a, b = attribute.split()
    old = _value(pools, kind)
    new = _value(pools, kind)
    while new == old:
        new = _value(pools, kind)
    lines = (
        _sentence(rng.choice(STATEMENTS), of=of, who=who, a=a, b=b, v=old),
        _sentence(rng.choice(CORRECTIONS), who=who, b=b, old=old, v=new),
    )
    ask = _Ask(text=f"What is {asked_of} {a} {b}?", answer=new, competency=Competency.CONFLICT_RESOLUTION, parts=(1,))
    return _Thread(lines=lines, asks=(ask,), about=(of, a, b))


def _event(rng: random.Random, pools: Pools, _: list[tuple[str, str, str]]) -> _Thread:
    frame, what, when = rng.choice(EVENTS)
    person, value = pools.name(), pools.phrase()
    competency = Competency.ACCURATE_RETRIEVAL
    asks = (
        _Ask(text=what.format(p=person), answer=value, competency=competency, parts=(0,)),
        _Ask(text=when.format(p=person), answer="", competency=competency, parts=(0,), dated=True),
    )
    return _Thread(lines=(frame.format(p=person, v=value),), asks=(rng.choice(asks),))


def _knowledge(rng: random.Random, pools: Pools, _: list[tuple[str, str, str]]) -> _Thread:
    frame, question = rng.choice(KNOWLEDGE)
    values = {"w": pools.word(), "v": pools.phrase(), "n": pools.name(), "d": pools.number()}
    answer = next(values[key] for key in "vnd" if f"{{{key}}}" in frame)
    ask = _Ask(text=question.format(w=values["w"]), answer=answer, competency=Competency.ACCURATE_RETRIEVAL, parts=(0,))
    return _Thread(lines=(frame.format(**values),), asks=(ask,))


def _task(rng: random.Random, pools: Pools) -> _Thread:
    """Labelled examples of a made-up classification: the label goes with one telling word of the sample."""
    labels = rng.sample(range(10, 100), 4)
    telling = [pools.word() for _ in range(4)]
    lines = tuple(EXAMPLE.format(s=_sample(rng, word), v=label) for word, label in zip(telling, labels, strict=True))
    asks = tuple(
        _Ask(
            text=EXAMPLE_QUESTION.format(s=_sample(rng, word)),
            answer=str(label),
            competency=Competency.TEST_TIME_LEARNING,
            parts=(part,),
        )
        for part, (word, label) in enumerate(zip(telling, labels, strict=True))
    )
    return _Thread(lines=lines, asks=asks)


def _sample(rng: random.Random, telling: str) -> str:
    words = [telling, rng.choice(NOUNS)]
    rng.shuffle(words)
    return " ".join(words)


def _project(rng: random.Random, pools: Pools) -> _Thread:
    name = pools.name()
    steps = [pools.phrase() for _ in range(3)]
    while len(set(steps)) < 3:
        steps = [pools.phrase() for _ in range(3)]
    competency = Competency.LONG_RANGE_UNDERSTANDING
    asks = (
        _Ask(text=f"What was the first step of project {name}?", answer=steps[0], competency=competency, parts=(0,)),
        _Ask(text=f"What was the latest step of project {name}?", answer=steps[2], competency=competency, parts=(2,)),
    )
    lines = tuple(STEP.format(n=name, v=step) for step in steps)
    return _Thread(lines=lines, asks=asks)


def _place(rng: random.Random, threads: list[_Thread], n_chunks: int) -> list[list[_Line]]:
    """Spread the lines over the chunks; the parts of a thread keep their order, in chunks of their own if they can."""
    placed: list[list[_Line]] = [[] for _ in range(n_chunks)]
    for number, thread in enumerate(threads):
        parts = len(thread.lines)
        if parts <= n_chunks:
            at = sorted(rng.sample(range(n_chunks), parts))
        else:
            at = sorted(rng.choices(range(n_chunks), k=parts))
        for part, index in enumerate(at):
            placed[index].append(_Line(text=thread.lines[part], thread=number, part=part))
    for lines in placed:
        order = sorted(range(len(lines)), key=lambda at: (rng.random(), at))
        mixed = [lines[at] for at in order]
        lines[:] = _in_part_order(mixed)
    return placed


def _in_part_order(lines: list[_Line]) -> list[_Line]:
    """The same places for each thread, its parts in order."""
    queues: dict[int, list[_Line]] = {}
    for line in sorted(lines, key=lambda line: line.part):
        queues.setdefault(line.thread, []).append(line)
    return [queues[line.thread].pop(0) for line in lines]


def _write(rng: random.Random, threads: list[_Thread], placed: list[list[_Line]]) -> tuple[Chunk, ...]:
    """Mix in distractors and small talk, date the chunks a day or more apart."""
    about = [thread.about for thread in threads if thread.about]
    day = _FIRST_DAY + datetime.timedelta(days=rng.randint(0, 300))
    chunks = []
    for lines in placed:
        texts = [f"User: {line.text}" if rng.random() < 0.8 else f"Assistant: {line.text}" for line in lines]
        for _ in range(max(2, rng.randint(5, 6) - max(0, len(lines) - 3))):
            texts.insert(rng.randint(0, len(texts)), _filler(rng, about))
        chunks.append(Chunk(text="\n".join(texts), time=day.isoformat()))
        day += datetime.timedelta(days=rng.randint(1, 3))
    return tuple(chunks)


def _filler(rng: random.Random, about: list[tuple[str, str, str]]) -> str:
    speaker = rng.choice(("User", "Assistant"))
    if about and rng.random() < 0.3:
        of, a, b = rng.choice(about)
        return f"{speaker}: {_sentence(rng.choice(DISTRACTORS), of=of, a=a, b=b)}"
    return f"{speaker}: {rng.choice(NOISE).format(a=rng.choice(ADJECTIVES), n=rng.choice(NOUNS))}"


def _ask(
    rng: random.Random, threads: list[_Thread], placed: list[list[_Line]], chunks: tuple[Chunk, ...], limit: int
) -> tuple[Question, ...]:
    """Questions of all four competencies in turn until `limit` or until one runs dry."""
    where = {(line.thread, line.part): index for index, lines in enumerate(placed) for line in lines}
    by_competency: dict[Competency, list[Question]] = {competency: [] for competency in Competency}
    for number, thread in enumerate(threads):
        for ask in thread.asks:
            evidence = tuple(sorted({where[number, part] for part in ask.parts}))
            answer = chunks[evidence[0]].time if ask.dated else ask.answer
            label = ask.competency is Competency.TEST_TIME_LEARNING
            by_competency[ask.competency].append(
                Question(
                    text=ask.text,
                    answers=(answer or "",),
                    metric=Metric.LABEL if label else Metric.CONTAINS,
                    competency=ask.competency,
                    evidence=evidence,
                )
            )
    for questions in by_competency.values():
        rng.shuffle(questions)
    asked: list[Question] = []
    while len(asked) < limit and any(by_competency.values()):
        for questions in by_competency.values():
            if questions and len(asked) < limit:
                asked.append(questions.pop())
    return tuple(asked)


def _sentence(frame: str, **values: str) -> str:
    text = frame.format(**values)
    return text[0].upper() + text[1:]
