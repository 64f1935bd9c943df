"""BEAM (arXiv:2510.27246): long dated chats between a user and an assistant, with probing questions of ten kinds.

Read as JSON Lines, a chat a line, with `chat` and `probing_questions` as its authors publish them. Published scores are
a model's verdicts on the parts of an answer; here short golds are to be contained, longer ones compared by F1,
summaries and orders by ROUGE-L, so that no model is needed. Left out: the questions that only tell whether an
instruction or a preference is followed, which have no gold answer.
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
from memalpha.data.raw import checked, field, read_records
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

FILES = ("beam_100k/test.jsonl.gz",)

_MARK = re.compile(r"\s*->->\s*[\d,\s]*$")
"""What the authors' generator left behind messages."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How questions of one kind are read."""

    competency: Competency
    gold: str
    """Key of the gold answer."""
    metric: Metric | None = None
    """None goes by the length of the gold."""
    evidence: str = ""
    """Which of several groups of messages holds the answer; all when empty."""


KINDS = {
    "information_extraction": _Kind(Competency.ACCURATE_RETRIEVAL, "answer"),
    "multi_session_reasoning": _Kind(Competency.ACCURATE_RETRIEVAL, "answer"),
    "temporal_reasoning": _Kind(Competency.ACCURATE_RETRIEVAL, "answer"),
    "abstention": _Kind(Competency.ACCURATE_RETRIEVAL, "ideal_response", Metric.CONTAINS),
    "knowledge_update": _Kind(Competency.CONFLICT_RESOLUTION, "answer", evidence="updated_info"),
    "contradiction_resolution": _Kind(Competency.CONFLICT_RESOLUTION, "ideal_answer"),
    "event_ordering": _Kind(Competency.LONG_RANGE_UNDERSTANDING, "answer", Metric.ROUGE_L),
    "summarization": _Kind(Competency.LONG_RANGE_UNDERSTANDING, "ideal_summary", Metric.ROUGE_L),
}
WITHOUT_GOLD = frozenset({"instruction_following", "preference_following"})


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`beam`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "beam")
    rng = random.Random(seed)
    for where, record in chosen(read_records(own_file(path, FILES[0])), limits.episodes, rng):
        sessions, ids = read_sessions(record, where)
        chunks, held = session_chunks(sessions, limits.chunk_tokens or CHUNK_TOKENS, count_tokens or nano_counter())
        chunks_of = {
            id: turn for names, turns in zip(ids, held, strict=True) for id, turn in zip(names, turns, strict=True)
        }
        questions = list(_questions(record, chunks_of, [chunk.text for chunk in chunks], where))
        with naming(where):
            episode = Episode(
                id=f"beam:{field(record, 'chat_id', object, where)}",
                chunks=chunks,
                questions=tuple(chosen(questions, limits.questions, rng)),
                source="beam",
            )
        yield episode


def read_sessions(record: object, where: str) -> tuple[list[Session], list[list[int]]]:
    """One session a batch, from the date that its messages name, and the ids of its messages."""
    sessions: list[Session] = []
    ids: list[list[int]] = []
    for number, batch in enumerate(field(record, "chat", list, where)):
        place = f"{where}: chat {number}"
        groups = enumerate(field(batch, "turns", list, place))
        messages = [
            (message, f"{place}: turns {at}")
            for at, group in groups
            for message in checked(group, list, f"{place}: turns {at}")
        ]
        dates = [
            message["time_anchor"]
            for message, _ in messages
            if isinstance(message, dict) and message.get("time_anchor")
        ]
        time = read_time(checked(dates[0], str, place), "%B-%d-%Y", place).date().isoformat() if dates else None
        sessions.append(Session(turns=tuple(_turn(*message) for message in messages), time=time))
        ids.append([field(message, "id", int, at) for message, at in messages])
    return sessions, ids


def _turn(message: object, where: str) -> Turn:
    text = _MARK.sub("", field(message, "content", str, where))
    return Turn(speaker=field(message, "role", str, where).capitalize(), text=text)


def _questions(record: object, chunks_of: dict[int, range], texts: Sequence[str], where: str) -> Iterator[Question]:
    for name, group in field(record, "probing_questions", dict, where).items():
        if name in WITHOUT_GOLD:
            continue
        if name not in KINDS:
            raise EpisodeError(
                f"{where}: probing_questions: got {name!r}, expected {', '.join((*KINDS, *WITHOUT_GOLD))}"
            )
        kind = KINDS[name]
        for number, asked in enumerate(checked(group, list, f"{where}: {name}")):
            place = f"{where}: {name} {number}"
            gold = field(asked, kind.gold, str, place).strip()
            answers = (gold, *ABSTENTIONS) if name == "abstention" else (gold,)
            named = named_messages(asked, kind.evidence, place)
            unknown = [id for id in named if id not in chunks_of]
            if unknown:
                raise EpisodeError(
                    f"{place}: source_chat_ids: got {unknown[0]}, expected ids of messages; mend the record"
                )
            yield Question(
                text=field(asked, "question", str, place).strip(),
                answers=answers,
                metric=kind.metric or metric_of(answers),
                competency=kind.competency,
                evidence=holding(answers, texts, (index for id in named for index in chunks_of[id])),
            )


def named_messages(asked: object, group: str, where: str) -> list[int]:
    """The ids of the messages that the answer follows from: a list, or lists by group."""
    given = asked.get("source_chat_ids") if isinstance(asked, dict) else None
    if given is None:
        return []
    if isinstance(given, dict):
        lists = [field(given, key, list, f"{where}: source_chat_ids") for key in given if group in ("", key)]
        given = [id for ids in lists for id in ids]
    ids = checked(given, list, f"{where}: source_chat_ids")
    # Messages that belong to one step of an order stand in a list of their own.
    flat = [id for each in ids for id in (each if isinstance(each, list) else [each])]
    return [checked(id, int, f"{where}: source_chat_ids") for id in flat]
