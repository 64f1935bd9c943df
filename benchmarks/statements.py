"""What the questions about a BEAM chat rest on: the lines of its messages that carry the answers.

A question names the messages that its answer follows from. Of each, the line that shares most with the question and
its answer, word by word and each word by its rarity in the chat, is a *gold-bearing statement*. Lines are those that a
memory reads: a sentence each, cut where it is longer than a chunk may be. Abstentions name no message.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.raw import field, read_records
from memalpha.data.suites.beam import KINDS, WITHOUT_GOLD, named_messages, read_sessions
from memalpha.memory.search import tokenize
from memalpha.service.conversation import portions, read_messages

LINE_TOKENS = 200
"""Longer sentences are cut, as `Memory.add` does for the shipped writers."""
_GOLD = {name: kind.gold for name, kind in KINDS.items()} | dict.fromkeys(WITHOUT_GOLD, "")
_EVIDENCE = {name: kind.evidence for name, kind in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a chat."""

    role: str
    text: str
    time: str | None
    lines: tuple[str, ...]
    """As a memory reads them, without their speaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A line that an answer rests on."""

    kind: str
    question: str
    message: int
    """Place among the messages of the chat."""
    line: str


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A chat and what is asked about it."""

    name: str
    messages: tuple[Said, ...]
    asked: tuple[tuple[str, str, str, tuple[int, ...]], ...]
    """(kind, question, answer, places of the messages that it names)."""

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The gold-bearing statements, once for each question that rests on them."""
        words_of = {line: frozenset(tokenize(line)) for said in self.messages for line in said.lines}
        counts = Counter(word for words in words_of.values() for word in words)
        rarity = {word: math.log(len(words_of) / count) for word, count in counts.items()}
        return tuple(
            Statement(kind=kind, question=question, message=place, line=line)
            for kind, question, answer, places in self.asked
            for place in places
            for line in _best(self.messages[place].lines, f"{question} {answer}", words_of, rarity)
        )


def read_chats(file: Path) -> list[Chat]:
    """The chats of a BEAM file."""
    return [_read(record, where) for where, record in read_records(file)]


def _read(record: object, where: str) -> Chat:
    sessions, ids = read_sessions(record, where)
    messages: list[Said] = []
    place_of: dict[int, int] = {}
    for session, names in zip(sessions, ids, strict=True):
        for turn, name in zip(session.turns, names, strict=True):
            place_of[name] = len(messages)
            lines = tuple(_lines(turn.speaker.lower(), turn.text))
            messages.append(Said(role=turn.speaker.lower(), text=turn.text, time=session.time, lines=lines))
    asked = tuple(_asked(record, place_of, where))
    return Chat(name=str(field(record, "chat_id", object, where)), messages=tuple(messages), asked=asked)


def _lines(role: str, text: str) -> Iterator[str]:
    if text.strip():
        for portion in portions(read_messages({"role": role, "content": text}), None, LINE_TOKENS, nano_counter()):
            for line in portion.chunk.lines:
                yield line.removeprefix(f"{role.capitalize()}: ")


def _asked(record: object, place_of: dict[int, int], where: str) -> Iterator[tuple[str, str, str, tuple[int, ...]]]:
    for kind, group in field(record, "probing_questions", dict, where).items():
        for number, asked in enumerate(group):
            place = f"{where}: {kind} {number}"
            gold = _GOLD[kind]
            answer = field(asked, gold, str, place) if gold else ""
            named = dict.fromkeys(named_messages(asked, _EVIDENCE.get(kind, ""), place))
            yield kind, field(asked, "question", str, place), answer, tuple(place_of[name] for name in named)


def _best(lines: Iterable[str], asked: str, words_of: dict[str, frozenset[str]], rarity: dict[str, float]) -> list[str]:
    """The line that shares most; none of a message without words."""
    wanted = frozenset(tokenize(asked))
    score = {line: math.fsum(rarity[word] for word in wanted & words_of[line]) for line in lines}
    return [max(score, key=score.__getitem__)] if score else []
