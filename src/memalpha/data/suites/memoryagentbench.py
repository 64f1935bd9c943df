"""MemoryAgentBench (arXiv:2507.05257), all four competencies, in either of its two published tables.

The authors' Parquet files hold whole contexts, which are cut here at sentence ends; Mem-α's processed files
(`memalpha.data.release`) hold chunks. Metrics are those of arXiv:2509.25911, and of the benchmark where that left a set
out: `contains` for documents, events and facts, the label for examples, keywords for the processed summaries and
ROUGE-L for the authors', whole answers for DetectiveQA; LongMemEval goes without a judge, as in its own suite. Left
out: movie recommendations, whose golds are numbers of a file of their own.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.answers import metric_of
from memalpha.data.dialogues import Session, Turn, read_time, session_chunks
from memalpha.data.passages import dated, limit_chunks, pack, places
from memalpha.data.raw import checked, field, read_records
from memalpha.data.release import Rule, episode_from_row, rule_of
from memalpha.data.suites import icl
from memalpha.data.suites.suite import CHUNK_TOKENS, NO_LIMITS, Limits, chosen, locate, naming, refuse_length
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Episode, Metric, Question
from memalpha.text import sentences

FILES = ("memoryagentbench/",)

RULES = {
    "infbench_sum": Rule(competency=Competency.LONG_RANGE_UNDERSTANDING, metric=Metric.ROUGE_L),
    "detective_qa": Rule(competency=Competency.LONG_RANGE_UNDERSTANDING, metric=Metric.EXACT),
}
"""By the beginning of `source`: sets of the authors' table whose golds Mem-α's table has not, or not as they are."""

LINE_BY_LINE = ("icl_", "factconsolidation")
"""Contexts whose lines are examples or facts; all others are text, whose lines may be wrapped."""

_WITHOUT = "recsys"
_CHATS = "longmemeval"
_EXAMPLES = "icl_"
_LABEL = re.compile(r"\s*\n\s*(?=label:)", re.IGNORECASE)
_TIME = re.compile(r"(\d{4}/\d{2}/\d{2})\s*(?:\([^)]*\))?\s*(\d{2}:\d{2})")


def load(
    path: Path,
    *,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    count_tokens: Callable[[str], int] | None = None,
) -> Iterator[Episode]:
    """`memoryagentbench`: a suite's loader, see `memalpha.data.suites.suite.Loader`."""
    refuse_length(limits, "memoryagentbench")
    count = count_tokens or nano_counter()
    rng = random.Random(seed)
    rows = (row for file in _files(path) for row in read_records(file) if not _source(*row).startswith(_WITHOUT))
    for where, row in chosen(rows, limits.episodes, rng):
        build = _whole if _is_whole(row) else _processed
        episode = build(row, where, limits.chunk_tokens, count)
        yield replace(episode, questions=tuple(chosen(episode.questions, limits.questions, rng)))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    folder = locate(path, FILES[0])
    found = sorted(folder.rglob("*.parquet"))
    if not found:
        raise EpisodeError(f"{folder}: got a folder without Parquet files, expected those of MemoryAgentBench in it")
    return found


def _is_whole(row: object) -> bool:
    return isinstance(row, dict) and "context" in row


def _source(where: str, row: object) -> str:
    if _is_whole(row):
        return field(field(row, "metadata", dict, where), "source", str, f"{where}: metadata")
    return field(row, "data_source", str, where)


def _processed(row: object, where: str, chunk_tokens: int | None, count: Callable[[str], int]) -> Episode:
    """A row of Mem-α's table; its chunks stay as they are unless a limit is asked for."""
    episode = replace(
        episode_from_row(row, where=where, name=f"memoryagentbench:{_source(where, row)}"), source="memoryagentbench"
    )
    return limit_chunks(episode, chunk_tokens, count) if chunk_tokens else episode


def _whole(row: object, where: str, chunk_tokens: int | None, count: Callable[[str], int]) -> Episode:
    """A row of the authors' table."""
    source = _source(where, row)
    rule = next((rule for start, rule in RULES.items() if source.startswith(start)), rule_of(source))
    learning = rule.competency is Competency.TEST_TIME_LEARNING
    limit = chunk_tokens or (icl.CHUNK_TOKENS if learning else CHUNK_TOKENS)
    context = field(row, "context", str, where)
    asked = _asked(row, where)
    evidence: list[tuple[int, ...]] = [()] * len(asked)
    if source.startswith(_CHATS):
        chunks, chunks_of = _chats(context, limit, count, f"{where}: context")
        evidence = [_marked(row, number, chunks_of, where) for number in range(len(asked))]
    else:
        texts, _ = pack([_lines(source, context)], limit, count)
        chunks = dated(texts)
        if source.startswith(_EXAMPLES):
            evidence = [places(f"label: {golds[0]}", texts) for _, golds in asked]
    with naming(where):
        return Episode(
            id=f"memoryagentbench:{source}:{where.rsplit(' ', 1)[-1]}",
            chunks=chunks,
            questions=tuple(
                Question(
                    text=text,
                    answers=golds,
                    metric=rule.metric or metric_of(golds),
                    competency=rule.competency,
                    evidence=held,
                )
                for (text, golds), held in zip(asked, evidence, strict=True)
            ),
            source="memoryagentbench",
        )


def _asked(row: object, where: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each question with its golds."""
    questions, answers = (field(row, key, list, where) for key in ("questions", "answers"))
    if len(questions) != len(answers):
        raise EpisodeError(
            f"{where}: got {len(questions)} questions and {len(answers)} answers, expected as many of both"
        )
    return [
        (
            checked(text, str, f"{where}: questions {number}").strip(),
            tuple(
                checked(gold, str, f"{where}: answers {number}").strip()
                for gold in checked(golds, list, f"{where}: answers {number}")
            ),
        )
        for number, (text, golds) in enumerate(zip(questions, answers, strict=True))
    ]


def _lines(source: str, context: str) -> list[str]:
    """Sentences of a text; or each line, an example on one line with its label."""
    if source.startswith(LINE_BY_LINE):
        lines = _LABEL.sub("; ", context).splitlines() if source.startswith(_EXAMPLES) else context.splitlines()
        return [" ".join(line.split()) for line in lines if line.strip()]
    return sentences(context)


def _chats(
    context: str, limit: int, count: Callable[[str], int], where: str
) -> tuple[tuple[Chunk, ...], dict[str, range]]:
    """The chunks of a context that is a list of times and sessions in turn, written out; and those of each message."""
    try:
        given = ast.literal_eval(context)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise EpisodeError(f"{where}: got text that is no list of sessions ({error}); fetch the file again") from error
    items = checked(given, list, where)
    if len(items) % 2:
        raise EpisodeError(f"{where}: got a list of {len(items)}, expected a time before each session")
    sessions = []
    for number, (time, session) in enumerate(zip(items[::2], items[1::2], strict=True)):
        place = f"{where}: session {number}"
        match = _TIME.search(checked(time, str, place))
        if match is None:
            raise EpisodeError(f"{place}: got {time[:60]!r}, expected a time such as 2023/05/20 (Sat) 02:21")
        at = read_time(f"{match[1]} {match[2]}", "%Y/%m/%d %H:%M", place)
        turns = tuple(
            Turn(speaker=field(turn, "role", str, place).capitalize(), text=field(turn, "content", str, place))
            for turn in checked(session, list, place)
        )
        sessions.append(Session(turns=turns, time=at.isoformat(timespec="minutes")))
    chunks, held = session_chunks(sessions, limit, count)
    return chunks, {
        turn.text: chunks_of
        for session, ranges in zip(sessions, held, strict=True)
        for turn, chunks_of in zip(session.turns, ranges, strict=True)
    }


def _marked(row: object, number: int, chunks_of: dict[str, range], where: str) -> tuple[int, ...]:
    """The chunks of the messages that `haystack_sessions` marks for one question; none where it is silent."""
    where = f"{where}: metadata: haystack_sessions"
    metadata = row["metadata"] if isinstance(row, dict) else {}
    haystacks = checked(metadata.get("haystack_sessions") or [], list, where)
    found: set[int] = set()
    for haystack in haystacks[number : number + 1]:
        for session in checked(haystack, list, where):
            for turn in checked(session, list, where):
                if field(turn, "has_answer", object, where) is True:
                    found.update(chunks_of.get(field(turn, "content", str, where), ()))
    return tuple(sorted(found))
