"""LoCoMo (arXiv:2402.17753) in its published JSON: ten conversations of two friends over months, with their questions.

Scored by token F1, as its authors do, without their stemming and their split of lists at commas. A photo is
its caption. Left out: the adversarial questions (category 5), as in most published scores; summaries and events.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.dialogues import Session, Turn, read_time, session_chunks
from memalpha.data.raw import checked, field, name_of, read_records
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, Limits, chosen, naming, own_file, refuse_length
from memalpha.errors import EpisodeError
from memalpha.records import Episode, Metric, Question

FILES = ("locomo/locomo10.json",)

_ADVERSARIAL = 5
_OPEN_DOMAIN = 3
_SESSION = re.compile(r"session_(\d+)")
_PLACE = re.compile(r"D(\d+):(\d+)")


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`locomo`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "locomo")
    rng = random.Random(seed)
    for where, record in chosen(read_records(own_file(path, FILES[0])), limits.episodes, rng):
        sessions, places = _sessions(record, where)
        chunks, held = session_chunks(sessions, limits.chunk_tokens or CHUNK_TOKENS, count_tokens or nano_counter())
        chunks_of = {place: held[session][turn] for place, (session, turn) in places.items()}
        questions = list(_questions(record, chunks_of, where))
        with naming(where):
            episode = Episode(
                id=f"locomo:{field(record, 'sample_id', str, where)}",
                chunks=chunks,
                questions=tuple(chosen(questions, limits.questions, rng)),
                source="locomo",
            )
        yield episode


_Place = tuple[int, int]
"""Session and turn as the data set numbers them: (1, 3) is D1:3."""


def _sessions(record: object, where: str) -> tuple[list[Session], dict[_Place, tuple[int, int]]]:
    """The sessions in order, and where in them each numbered turn stands."""
    conversation = field(record, "conversation", dict, where)
    where = f"{where}: conversation"
    sessions: list[Session] = []
    places: dict[_Place, tuple[int, int]] = {}
    for number in sorted(int(match[1]) for key in conversation if (match := _SESSION.fullmatch(key))):
        key = f"session_{number}"
        turns = []
        for at, turn in enumerate(field(conversation, key, list, where)):
            turns.append(_turn(turn, f"{where}: {key}: turn {at}"))
            for place in _PLACE.findall(field(turn, "dia_id", str, f"{where}: {key}: turn {at}")):
                places[int(place[0]), int(place[1])] = len(sessions), at
        date = field(conversation, f"{key}_date_time", str, where)
        time = read_time(date, "%I:%M %p on %d %B, %Y", f"{where}: {key}_date_time")
        sessions.append(Session(turns=tuple(turns), time=time.isoformat(timespec="minutes")))
    return sessions, places


def _turn(turn: object, where: str) -> Turn:
    text = field(turn, "text", str, where)
    if isinstance(turn, dict) and "blip_caption" in turn:
        text = f"{text} (Shares {field(turn, 'blip_caption', str, where)}.)"
    return Turn(speaker=field(turn, "speaker", str, where), text=text)


def _questions(record: object, chunks_of: dict[_Place, range], where: str) -> Iterator[Question]:
    for number, asked in enumerate(field(record, "qa", list, where)):
        place = f"{where}: qa {number}"
        category = field(asked, "category", int, place)
        if category == _ADVERSARIAL:
            continue
        gold = field(asked, "answer", object, place)
        if isinstance(gold, bool) or not isinstance(gold, str | int | float) or not str(gold).strip():
            raise EpisodeError(f"{place}: answer: got {name_of(gold)}, expected text or a number; mend the record")
        answer = str(gold).strip()
        if category == _OPEN_DOMAIN:
            answer = answer.split(";")[0].strip()  # what follows is the reason
        yield Question(
            text=field(asked, "question", str, place).strip(),
            answers=(answer,),
            metric=Metric.TOKEN_F1,
            evidence=_evidence(field(asked, "evidence", list, place), chunks_of, place),
        )


def _evidence(given: list[object], chunks_of: dict[_Place, range], where: str) -> tuple[int, ...]:
    """The chunks of the named turns; a few names in the published file are of no turn and tell nothing."""
    names = (name for item in given for name in _PLACE.findall(checked(item, str, f"{where}: evidence")))
    turns = [(int(session), int(turn)) for session, turn in names]
    return tuple(sorted({index for turn in turns for index in chunks_of.get(turn, ())}))
