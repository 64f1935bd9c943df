"""LongMemEval (arXiv:2410.10813) in its published JSON: each question with its own haystack of dated chat sessions.

Read from any of its files (oracle, S, M). Sessions come in the order of their dates. Published scores are a model's
verdicts; here short golds are to be contained and longer ones compared by F1, so that no model is needed. Left out: the
date of the question, except where the question is about time.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.answers import metric_of
from memalpha.data.dialogues import Session, Turn, read_time, session_chunks
from memalpha.data.passages import holding
from memalpha.data.raw import checked, field, name_of, read_records
from memalpha.data.suites.suite import (
    ABSTENTIONS,
    CHUNK_TOKENS,
    NO_LIMITS,
    Limits,
    chosen,
    naming,
    own_file,
    refuse_length,
)
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric, Question

FILES = ("longmemeval/sample_s_full.jsonl.gz",)

COMPETENCIES = {
    "single-session-user": Competency.ACCURATE_RETRIEVAL,
    "single-session-assistant": Competency.ACCURATE_RETRIEVAL,
    "single-session-preference": Competency.ACCURATE_RETRIEVAL,
    "multi-session": Competency.ACCURATE_RETRIEVAL,
    "temporal-reasoning": Competency.ACCURATE_RETRIEVAL,
    "knowledge-update": Competency.CONFLICT_RESOLUTION,
}
"""By type of question."""

_TIMED = "temporal-reasoning"
_WEEKDAY = re.compile(r"\s*\([^)]*\)")
_EITHER = re.compile(r"(?P<first>.+?)\.\s+(?P<second>.+?)(?:\s+\([^)]*\))?\s+is also acceptable\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    """One session of a haystack."""

    id: str
    session: Session
    marked: tuple[int, ...]
    """Turns that hold the answer."""


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`longmemeval`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "longmemeval")
    rng = random.Random(seed)
    for where, record in chosen(read_records(own_file(path, FILES[0])), limits.episodes, rng):
        haystack = _haystack(record, where)
        chunks, held = session_chunks(
            [each.session for each in haystack], limits.chunk_tokens or CHUNK_TOKENS, count_tokens or nano_counter()
        )
        answering = field(record, "answer_session_ids", list, where)
        turns_of = [(each.marked, turns) for each, turns in zip(haystack, held, strict=True) if each.id in answering]
        named = {index for _, turns in turns_of for turn in turns for index in turn}
        marked = {index for at, turns in turns_of for turn in at for index in turns[turn]}
        with naming(where):
            episode = Episode(
                id=f"longmemeval:{field(record, 'question_id', str, where)}",
                chunks=chunks,
                questions=(_question(record, [chunk.text for chunk in chunks], marked or named, where),),
                source="longmemeval",
            )
        yield episode


def _question(record: object, texts: Sequence[str], among: set[int], where: str) -> Question:
    kind = field(record, "question_type", str, where)
    if kind not in COMPETENCIES:
        raise EpisodeError(f"{where}: question_type: got {kind!r}, expected one of {', '.join(COMPETENCIES)}")
    text = field(record, "question", str, where)
    if kind == _TIMED:
        today = _iso(field(record, "question_date", str, where), f"{where}: question_date")
        text = f"{text} (Today is {today[:10]}.)"
    gold = _gold(record, where)
    if field(record, "question_id", str, where).endswith("_abs"):
        return Question(text=text, answers=(gold, *ABSTENTIONS), metric=Metric.CONTAINS, competency=COMPETENCIES[kind])
    either = _EITHER.fullmatch(gold)
    answers = (either["first"], either["second"]) if either else (gold,)
    return Question(
        text=text,
        answers=answers,
        metric=metric_of(answers),
        competency=COMPETENCIES[kind],
        evidence=holding(answers, texts, among),
    )


def _gold(record: object, where: str) -> str:
    """The answer, which is a number where it is one."""
    gold = field(record, "answer", object, where)
    if isinstance(gold, bool) or not isinstance(gold, str | int | float) or not str(gold).strip():
        raise EpisodeError(f"{where}: answer: got {name_of(gold)}, expected text or a number; mend the record")
    return str(gold).strip()


def _haystack(record: object, where: str) -> list[_Dated]:
    """The sessions by date."""
    keys = ("haystack_dates", "haystack_session_ids", "haystack_sessions")
    dates, ids, sessions = (field(record, key, list, where) for key in keys)
    if not len(dates) == len(ids) == len(sessions):
        raise EpisodeError(
            f"{where}: got {len(dates)} haystack_dates, {len(ids)} haystack_session_ids and {len(sessions)} "
            "haystack_sessions, expected as many of each"
        )
    found = []
    for number, (date, id, session) in enumerate(zip(dates, ids, sessions, strict=True)):
        place = f"{where}: haystack_sessions {number}"
        turns = [(turn, f"{place}: turn {at}") for at, turn in enumerate(checked(session, list, place))]
        found.append(
            _Dated(
                id=id,
                session=Session(
                    turns=tuple(_turn(*turn) for turn in turns), time=_iso(date, f"{where}: haystack_dates")
                ),
                marked=tuple(at for at, (turn, _) in enumerate(turns) if turn.get("has_answer") is True),
            )
        )
    return sorted(found, key=lambda each: each.session.time or "")


def _turn(turn: object, where: str) -> Turn:
    return Turn(speaker=field(turn, "role", str, where).capitalize(), text=field(turn, "content", str, where))


def _iso(date: object, where: str) -> str:
    """A time such as 2023/05/20 (Sat) 02:21 in ISO 8601."""
    text = _WEEKDAY.sub("", checked(date, str, where))
    return read_time(text, "%Y/%m/%d %H:%M", where).isoformat(timespec="minutes")
