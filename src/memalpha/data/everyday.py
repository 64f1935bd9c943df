"""Everyday talk with an assistant, from a seed: what people say about themselves, among all that nobody needs again.

What is worth keeping: statements about oneself and one's people (home, work, family, pets, health, plans, appointments,
preferences), later corrections of them, and what the assistant did. What is not: questions, thanks, requests, advice,
echoes, lists, code. The frames are in `everyday.toml`; what is asked afterwards are the statements themselves with
"what" in place of the value.

Left out: stories over several messages, and what follows only from several statements together.
"""

from __future__ import annotations

import datetime
import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from memalpha.data.words import Pools, Split
from memalpha.memory.entry import MemoryKind
from memalpha.records import Chunk, Competency, Episode, Metric, Question

CHUNKS = 10
"""Of an episode: messages, or a few messages together."""
_FIRST_DAY = datetime.date(2024, 1, 1)
_INVENTED = frozenset(("name", "city", "company", "petname", "book"))
"""Pools of names, of which some are made up, so that no name alone tells what is worth keeping."""
_BRACE = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of talk and what it is worth."""

    text: str
    """With its speaker."""
    kind: MemoryKind | None = None
    """Where it belongs; None is not worth keeping."""
    thread: int | None = None
    """What it is about: a correction has that of the statement that it corrects."""
    corrects: bool = False


@dataclass(slots=True, kw_only=True)
class _Thread:
    """Something that is said, and perhaps corrected later."""

    number: int
    said: str
    """The statement with {new} in place of its value."""
    answers: list[str]
    evidence: int
    topic: Mapping[str, Any]
    fixed: dict[str, str]


def make_talk(seed: int, *, split: Split = Split.TRAIN, chunks: int = CHUNKS) -> tuple[tuple[Line, ...], ...]:
    """The lines of each chunk, the same for the same arguments."""
    return _Talk(seed, split, chunks).chunks


def make_episode(seed: int, *, split: Split = Split.TRAIN, chunks: int = CHUNKS) -> Episode:
    """The same talk as an episode with a question for each statement that has a value."""
    talk = _Talk(seed, split, chunks)
    days = (_FIRST_DAY + datetime.timedelta(days=seed % 300 + number) for number in range(chunks))
    return Episode(
        id=f"everyday-{split}-{chunks}-{seed}",
        chunks=tuple(
            Chunk(text="\n".join(line.text for line in lines), time=day.isoformat())
            for lines, day in zip(talk.chunks, days, strict=True)
        ),
        questions=tuple(_question(thread) for thread in talk.threads if "{new}" in thread.said),
        source="everyday",
    )


def _question(thread: _Thread) -> Question:
    corrected = len(thread.answers) > 1
    return Question(
        text=_capital(thread.said.rstrip(".").replace("{new}", "what")) + "?",
        answers=(thread.answers[-1],),
        metric=Metric.CONTAINS,
        competency=Competency.CONFLICT_RESOLUTION if corrected else Competency.ACCURATE_RETRIEVAL,
        evidence=(thread.evidence,),
    )


class _Talk:
    """Draws one conversation."""

    def __init__(self, seed: int, split: Split, chunks: int) -> None:
        self._rng = random.Random(f"memalpha-everyday-{split}-{seed}-{chunks}")
        self._pools = Pools(self._rng, split)
        self._user = self._rng.choice(_frames()["pools"]["name"]) if self._rng.random() < 0.08 else "User"
        self.threads: list[_Thread] = []
        self._echo = ""
        self.chunks = tuple(tuple(self._chunk(number)) for number in range(chunks))

    def _chunk(self, number: int) -> Iterator[Line]:
        """What one call hands over: a message of the user, of the assistant, or a few of both."""
        turns = self._rng.choice((1, 1, 1, 2, 2, 3, 4))
        users = self._rng.random() < 0.65
        for _ in range(turns):
            yield from self._user_turn(number, turns) if users else self._reply(turns)
            users = not users

    def _user_turn(self, number: int, turns: int) -> Iterator[Line]:
        for _ in range(self._rng.choice((1, 1, 2, 2, 3) if turns < 3 else (1, 1, 2))):
            draw = self._rng.random()
            open_threads = [each for each in self.threads if "corrections" in each.topic and "{new}" in each.said]
            if draw < 0.45:
                yield self._talk_line()
            elif draw < 0.65 and open_threads:
                yield self._correct(self._rng.choice(open_threads), number)
            else:
                yield self._state(number)

    def _reply(self, turns: int) -> Iterator[Line]:
        for _ in range(self._rng.choice((1, 2, 3, 6) if turns < 3 else (1, 2))):
            done = self._rng.random() < 0.05
            text = self._fill(self._rng.choice(_frames()["done" if done else "replies"]), {"new": self._echo or "it"})
            yield Line(text=f"Assistant: {text}", kind=MemoryKind.EPISODIC if done else None)

    def _talk_line(self) -> Line:
        return Line(text=f"{self._user}: {self._loosely(self._fill(self._rng.choice(_frames()['talk']), {}))}")

    def _state(self, number: int) -> Line:
        topic = self._rng.choice(_frames()["topics"])
        fixed = {key: self._fill(f"{{{key}}}", {}) for key in ("meeting", "project", "item", "event")}
        fixed |= {"who": self._who(), "new": "{new}"}
        said = self._fill(self._rng.choice(topic["statements"]), fixed)
        thread = _Thread(
            number=len(self.threads), said=said, answers=[self._fill(topic["value"], {})], evidence=number,
            topic=topic, fixed=fixed,
        )  # fmt: skip
        self.threads.append(thread)
        self._echo = thread.answers[0]
        return self._line(said.replace("{new}", self._echo), thread, corrects=False)

    def _correct(self, thread: _Thread, number: int) -> Line:
        old = new = thread.answers[-1]
        while new == old:
            new = self._fill(thread.topic["value"], {})
        thread.answers.append(new)
        thread.evidence = number
        self._echo = new
        own, any_kind = thread.topic["corrections"], _frames()["revisions"]
        frame = self._rng.choice(own if own and self._rng.random() < 0.3 else any_kind)
        again = thread.said.replace("{new}", new).rstrip(".")
        values = {
            **thread.fixed,
            "old": old,
            "new": new,
            "said": again if frame.startswith("{said}") else _inside(again),
        }
        return self._line(self._fill(frame, values), thread, corrects=True)

    def _line(self, plain: str, thread: _Thread, *, corrects: bool) -> Line:
        """A statement as it is said: with something before it, or something else than a full stop after it."""
        text = plain
        if self._rng.random() < 0.2:
            text = self._rng.choice(_frames()["openers"]) + _inside(text)
        if self._rng.random() < 0.25:
            text = text.rstrip(".") + self._fill(self._rng.choice(_frames()["endings"]), {})
        return Line(
            text=f"{self._user}: {self._loosely(text)}",
            kind=MemoryKind(thread.topic.get("kind", MemoryKind.SEMANTIC)),
            thread=thread.number,
            corrects=corrects,
        )

    def _loosely(self, text: str) -> str:
        """As people type: some in lower case, some without a full stop."""
        if self._rng.random() < 0.1:
            text = text.lower()
        return text.rstrip(".") if self._rng.random() < 0.1 else text

    def _who(self) -> str:
        return self._fill(
            self._rng.choice(("my {relation} {name}", "my {relation} {name}", "my {relation}", "{name}")), {}
        )

    def _fill(self, frame: str, fixed: Mapping[str, str]) -> str:
        """A frame with words for its braces; the same brace of `fixed` is always the same word."""

        def word(match: re.Match[str]) -> str:
            name = match[1]
            if name == "Who":
                return _capital(fixed["who"] if "who" in fixed else self._who())
            if name == "who":
                return fixed["who"] if "who" in fixed else self._who()
            return fixed[name] if name in fixed else self._fill(self._value(name), {})

        return _BRACE.sub(word, frame)

    def _value(self, name: str) -> str:
        rng = self._rng
        if name in _INVENTED and rng.random() < 0.3:
            return self._pools.name()
        if name in _frames()["pools"]:
            return str(rng.choice(_frames()["pools"][name]))
        return _DRAWN[name](rng)


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(_frames()["pools"]["month"]), rng.randint(2023, 2027)
    return rng.choice((f"{day} {month}", f"{month} {day}", f"{month} {day}, {year}", f"the {day}th of {month}"))


def _time(rng: random.Random) -> str:
    hour = rng.randint(1, 12)
    return rng.choice((f"{hour}pm", f"{hour}am", f"{hour}:{rng.randint(1, 5)}0", f"{hour}:30 pm", "noon"))


def _money(rng: random.Random) -> str:
    amount = rng.choice((rng.randint(5, 99), rng.randint(10, 99) * 10, rng.randint(2, 90) * 500))
    return rng.choice((f"${amount:,}", f"{amount} euros", f"£{amount}", f"{amount:,} dollars"))


def _code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(rng.randint(2, 3)))
    return rng.choice(
        (
            str(rng.randint(1000, 99999)),
            f"{letters}{rng.randint(10, 9999)}",
            f"{letters.lower()}-{rng.randint(10, 999)}",
        )
    )


_DRAWN: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": _time,
    "money": _money,
    "code": _code,
    "phone": lambda rng: rng.choice(
        (f"555 {rng.randint(1000, 9999)}", f"0{rng.randint(100, 999)} {rng.randint(10000, 99999)}")
    ),
    "number": lambda rng: str(rng.randint(10, 999)),
    "age": lambda rng: str(rng.randint(12, 90)),
    "small": lambda rng: str(rng.randint(2, 9)),
    "year": lambda rng: str(rng.randint(1960, 2026)),
}


def _inside(text: str) -> str:
    """A sentence as it goes on after something else."""
    return text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@cache
def _frames() -> dict[str, Any]:
    return tomllib.loads(files("memalpha.data").joinpath("everyday.toml").read_text(encoding="utf-8"))
