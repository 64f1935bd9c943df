"""PerLTQA in English (arXiv:2402.16288): the life of one person as events with the dialogues about them.

Read from the two JSON files as the authors publish them, the memories (perltmem…) and the questions (perltqa…), which
lie in one folder. A gold is the list of its memory anchors, the telling phrases that the authors marked, where
arXiv:2509.25911 has a language model write such a list. Left out: questions about the profile, anchors that do not
stand in the events that a question names, and questions without any that does.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from memalpha.data.hub import HubSet, Place
from memalpha.data.raw import checked, field, read_records
from memalpha.errors import EpisodeError
from memalpha.metrics import contains
from memalpha.records import Chunk, Competency, Episode, Metric, Question
from memalpha.text import sentences

HUB = None
"""The authors publish files only."""
MEMORIES, QUESTIONS = "perltmem*.json*", "perltqa*.json*"
"""Names of the two files."""
MOST_CHUNKS = 30
ASKED = (20, 100)
"""Questions of an episode, at least and at most."""

_SECTIONS = ("social_relationship", "events", "dialogues")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})")


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """One episode a person, an event a chunk; the same seed gives the same episodes.

    Args:
        place: The folder that holds both files.
        seed: Decides which questions are asked.
        count_tokens: Not needed: an event is as long as it is.
    """
    if isinstance(place, HubSet) or not place.is_dir():
        raise EpisodeError(f"{place}: got no folder, expected one with {MEMORIES} and {QUESTIONS}; give their folder")
    rng = random.Random(seed)
    asked = dict(_persons(_only(place, QUESTIONS)))
    for name, (where, memory) in _persons(_only(place, MEMORIES)):
        if name not in asked:
            continue
        chunks = _chunks(memory, where)
        numbers = {event: number for number, event in enumerate(chunks)}
        texts = [chunk.text for chunk in chunks.values()]
        found = {question.text: question for question in _questions(*asked[name], numbers, texts)}
        if len(found) >= ASKED[0]:
            yield Episode(
                id=f"perltqa:{seed}:{name}",
                chunks=tuple(chunks.values()),
                questions=tuple(rng.sample(list(found.values()), min(len(found), ASKED[1]))),
                source="perltqa",
            )


def is_perltqa(folder: Path) -> bool:
    """Whether a folder holds both files."""
    return all(any(folder.glob(name)) for name in (MEMORIES, QUESTIONS))


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.glob(name))
    if len(found) != 1:
        raise EpisodeError(f"{folder}: got {len(found)} files {name}, expected one; leave one version there")
    return found[0]


def _persons(file: Path) -> Iterator[tuple[str, tuple[str, object]]]:
    """Name, place and record of each person; the questions are a list of objects with one person each."""
    for where, record in read_records(file):
        for name, person in checked(record, dict, where).items():
            yield name, (f"{where}: {name}", person)


def _chunks(memory: object, where: str) -> dict[str, Chunk]:
    """By id of the event, those without a date first, then by date."""
    spoken: dict[str, list[tuple[str, list[object]]]] = {}
    for name, dialogue in field(memory, "dialogues", dict, where).items():
        at = f"{where}: dialogues {name}"
        for time, lines in field(dialogue, "contents", dict, at).items():
            event = field(dialogue, "events", str, at)
            spoken.setdefault(event, []).append((time, checked(lines, list, f"{at}: {time}")))
    found: dict[str, Chunk] = {}
    for name, event in field(memory, "events", dict, where).items():
        at = f"{where}: events {name}"
        lines = [field(event, "summary", str, at), *sentences(field(event, "content", str, at))]
        dialogues = spoken.get(name, [])
        for time, said in dialogues:
            lines.append(f"[{time}]")
            lines.extend(" ".join(checked(line, str, f"{at}: dialogues").split()) for line in said)
        text = "\n".join(line for line in lines if line.strip())
        if text:
            found[name] = Chunk(text=text, time=min(filter(None, (_iso(time) for time, _ in dialogues)), default=None))
    first = list(found.items())[:MOST_CHUNKS]
    return dict(sorted(first, key=lambda item: item[1].time or ""))


def _questions(where: str, person: object, numbers: Mapping[str, int], texts: list[str]) -> Iterator[Question]:
    for section in _SECTIONS:
        # Some persons have no question about one of them.
        groups = checked(checked(person, dict, where).get(section, []), list, f"{where}: {section}")
        for index, group in enumerate(groups):
            for name, asked in checked(group, dict, f"{where}: {section} {index}").items():
                evidence = _evidence(name, numbers)
                held = [texts[at] for at in evidence]
                for at, each in enumerate(checked(asked, list, f"{where}: {section} {name}")):
                    place = f"{where}: {section} {name} {at}"
                    keywords = [key for key in _anchors(each, place) if any(contains(text, [key]) for text in held)]
                    text = field(each, "Question", str, place).strip()
                    if text and keywords:
                        yield Question(
                            text=text,
                            answers=tuple(dict.fromkeys(keywords)),
                            metric=Metric.KEYWORDS,
                            competency=Competency.ACCURATE_RETRIEVAL,
                            evidence=evidence,
                        )


def _evidence(name: str, numbers: Mapping[str, int]) -> tuple[int, ...]:
    """The chunks that a memory stands in: that of an event, of a dialogue about it, or all events with a relation."""
    event = name.split("#")[0]
    return tuple(number for other, number in numbers.items() if other == event or other.startswith(f"{event}_"))


def _anchors(asked: object, where: str) -> Iterator[str]:
    for index, anchor in enumerate(field(asked, "Memory Anchors", list, where)):
        for key in checked(anchor, dict, f"{where}: Memory Anchors {index}"):
            if key.strip():
                yield html.unescape(" ".join(key.split()))


def _iso(time: str) -> str | None:
    match = _TIME.match(time)
    return f"{match[1]}T{match[2]}" if match else None
