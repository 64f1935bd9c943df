"""The table in which Mem-α published its training and test data (arXiv:2509.25911): episodes in, episodes out.

One row is one episode; `chunks` and `questions_and_answers` are JSON in text columns. The column `data_source` decides
how the reference implementation asks and scores, so that it holds one of the names known there; what the table has no
column for (dates, metrics, evidence, our own name of the source) stands in `metadata`. The processed MemoryAgentBench
is published in the same table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memalpha.data.answers import metric_of, split_keywords
from memalpha.data.parquet import read_rows, write_rows
from memalpha.data.raw import checked, field, name_of
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Episode, Metric, Question, episode_from_json, episode_to_json

COLUMNS: Mapping[str, type] = {
    "instance_id": int,
    "prompt": str,
    "chunks": str,
    "questions_and_answers": str,
    "data_source": str,
    "metadata": str,
    "num_chunks": int,
    "num_questions": int,
}
"""Name and kind of each column, in order."""

MOST_QUESTIONS = 100
"""Of one row; the reference implementation stops at more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the questions of one `data_source` are scored."""

    competency: Competency
    metric: Metric | None
    """None leaves it to the length of the gold: a judge decides in the paper."""
    mark: str = ""
    """What stands between the keywords of one gold."""


_RETRIEVAL = Rule(competency=Competency.ACCURATE_RETRIEVAL, metric=Metric.CONTAINS)
_JUDGED = Rule(competency=Competency.ACCURATE_RETRIEVAL, metric=None)
_LABELS = Rule(competency=Competency.TEST_TIME_LEARNING, metric=Metric.LABEL)
_SUMMARY = Rule(competency=Competency.LONG_RANGE_UNDERSTANDING, metric=Metric.KEYWORDS, mark=",")
_CONFLICT = Rule(competency=Competency.CONFLICT_RESOLUTION, metric=Metric.CONTAINS)

RULES: Mapping[str, Rule] = {
    "squad": _RETRIEVAL,
    "hotpotqa": _RETRIEVAL,
    "perltqa": Rule(competency=Competency.ACCURATE_RETRIEVAL, metric=Metric.KEYWORDS, mark=";"),
    "lme_train": _JUDGED,
    "longmemeval": _JUDGED,
    "pubmed-rct": _LABELS,
    "ttl_train": _LABELS,
    "icl_": _LABELS,
    "booksum": _SUMMARY,
    "infbench_sum": _SUMMARY,
    "infbench_qa": Rule(competency=Competency.LONG_RANGE_UNDERSTANDING, metric=Metric.CONTAINS),
    "ruler_": _RETRIEVAL,
    "eventqa": _RETRIEVAL,
    "factconsolidation": _CONFLICT,
    "cr_train": _CONFLICT,
}
"""By the beginning of `data_source`; any other one is accurate retrieval, scored by `contains`."""

_PUBLISHED_AS = {
    "longmemeval": "lme_train",
    "nlu": "ttl_train",
    "trec": "ttl_train",
}
_PROMPTS = {
    Competency.ACCURATE_RETRIEVAL: "Read the dialogues and keep what questions about them may ask for.",
    Competency.TEST_TIME_LEARNING: "Read the labelled samples and keep what tells their labels apart.",
    Competency.LONG_RANGE_UNDERSTANDING: "Read the parts of one long text and keep what a summary of it needs.",
    Competency.CONFLICT_RESOLUTION: "Read the statements and keep what holds now; later ones replace earlier ones.",
}
_HEADER = "[Dialogue between User and Assistant on {time}]"
_DATED = re.compile(
    r"\[Dialogue (?:between User and Assistant on|at timestamp) *"
    r"(?P<day>\d{4}[-/]\d{2}[-/]\d{2})(?: *\(\w+\))?(?:[ T](?P<minute>\d{2}:\d{2}))?[^\]\n]*\]"
)


def read_release(path: Path) -> Iterator[Episode]:
    """The episodes of one file, in order; raises `EpisodeError` that names file and row."""
    for where, row in read_rows(path):
        yield episode_from_row(row, where=where, name=path.name)


def write_release(path: Path, episodes: Iterable[Episode]) -> int:
    """Write episodes as one file that `read_release` and the reference implementation read; gives their number.

    Raises `OutputError`, or `EpisodeError` for what the table cannot hold; then nothing is written.
    """
    return write_rows(path, COLUMNS, (row_of(episode, number) for number, episode in enumerate(episodes)))


def row_of(episode: Episode, number: int) -> dict[str, object]:
    """The row of one episode; dates open the chunks, as the reference implementation knows them."""
    if len(episode.questions) > MOST_QUESTIONS:
        raise EpisodeError(
            f"episode {episode.id!r}: got {len(episode.questions)} questions, expected at most {MOST_QUESTIONS} in a "
            "row of a release; ask fewer"
        )
    source = _data_source(episode)
    texts = [f"{_header(chunk.time)}\n{chunk.text}" if _lacks_date(chunk) else chunk.text for chunk in episode.chunks]
    asked = [{"question": each.text, "answer": _gold(each, rule_of(source))} for each in episode.questions]
    return {
        "instance_id": number,
        "prompt": _PROMPTS[episode.questions[0].competency],
        "chunks": json.dumps(texts, ensure_ascii=False),
        "questions_and_answers": json.dumps(asked, ensure_ascii=False),
        "data_source": source,
        "metadata": json.dumps({"memalpha": _kept(episode)}, ensure_ascii=False),
        "num_chunks": len(texts),
        "num_questions": len(asked),
    }


def episode_from_row(row: object, *, where: str, name: str = "release") -> Episode:
    """Read one row; `where` (file and row) opens every error, `name` the id of an episode that has none."""
    texts = [
        checked(text, str, f"{where}: chunks {index}") for index, text in enumerate(_json(row, "chunks", list, where))
    ]
    asked = _json(row, "questions_and_answers", list, where)
    if '"memalpha"' in str(field(row, "metadata", object, where) if _given(row, "metadata") else ""):
        kept = field(_json(row, "metadata", dict, where), "memalpha", dict, f"{where}: metadata")
        return _restored(kept, texts, asked, where)
    source = field(row, "data_source", str, where) if _given(row, "data_source") else "release"
    rule = rule_of(source)
    questions = [_question(each, rule, f"{where}: question {index}") for index, each in enumerate(asked)]
    try:
        return Episode(
            id=f"{name}:{field(row, 'instance_id', object, where)}" if _given(row, "instance_id") else where,
            # Cutting at sentence ends leaves an empty chunk where the first sentence is over the limit.
            chunks=tuple(Chunk(text=text, time=_time(text)) for text in texts if text.strip()),
            questions=tuple(question for question in questions if question is not None),
            source=source,
        )
    except EpisodeError as error:
        raise EpisodeError(f"{where}: {error}") from error


def rule_of(data_source: str) -> Rule:
    """How questions of this `data_source` are scored."""
    return next((rule for start, rule in RULES.items() if data_source.startswith(start)), _RETRIEVAL)


def _data_source(episode: Episode) -> str:
    """The name by which the reference implementation asks and scores as we do."""
    name = _PUBLISHED_AS.get(episode.source, episode.source)
    if any(name.startswith(start) for start in RULES):
        return name
    first = episode.questions[0]
    if first.metric is Metric.LABEL:
        return "ttl_train"
    if first.metric is Metric.KEYWORDS:
        return "booksum" if first.competency is Competency.LONG_RANGE_UNDERSTANDING else "perltqa"
    return "accurate_retrieval"


def _gold(question: Question, rule: Rule) -> str | list[str]:
    if rule.mark:
        return f"{rule.mark} ".join(answer.replace(rule.mark, " ") for answer in question.answers)
    return question.answers[0] if len(question.answers) == 1 else list(question.answers)


def _kept(episode: Episode) -> dict[str, Any]:
    """All of an episode that no column holds."""
    whole = episode_to_json(episode)
    return {
        "id": episode.id,
        "source": episode.source,
        "chunks": [{"time": chunk.time, "header": _lacks_date(chunk)} for chunk in episode.chunks],
        "questions": [{key: value for key, value in each.items() if key != "question"} for each in whole["questions"]],
    }


def _restored(kept: object, texts: list[str], asked: list[Any], where: str) -> Episode:
    """The episode that `row_of` was given."""
    place = f"{where}: metadata"
    dates, questions = field(kept, "chunks", list, place), field(kept, "questions", list, place)
    for name, own, there in (("chunks", dates, texts), ("questions", questions, asked)):
        if len(own) != len(there):
            raise EpisodeError(f"{place}: got {len(own)} {name}, expected {len(there)} as in the row; build it again")
    chunks = []
    for index, (text, date) in enumerate(zip(texts, dates, strict=True)):
        time = field(date, "time", object, f"{place}: chunks {index}")
        added = field(date, "header", bool, f"{place}: chunks {index}")
        chunks.append({"text": text.removeprefix(f"{_header(time)}\n") if added else text, "time": time})
    whole = [
        {**checked(own, dict, place), "question": field(there, "question", str, f"{where}: question {index}")}
        for index, (own, there) in enumerate(zip(questions, asked, strict=True))
    ]
    named = {key: field(kept, key, str, place) for key in ("id", "source")}
    return episode_from_json({**named, "chunks": chunks, "questions": whole}, where=where)


def _question(asked: object, rule: Rule, where: str) -> Question | None:
    """None for a question without text or gold, which the reference implementation passes over as well."""
    text = field(asked, "question", str, where)
    key = "answers" if _given(asked, "answers") and not _given(asked, "answer") else "answer"
    golds = _golds(field(asked, key, object, where), f"{where}: {key}")
    if rule.mark and len(golds) == 1:
        golds = split_keywords(golds[0], rule.mark)
    if not text.strip() or not golds:
        return None
    metric = metric_of(golds) if rule.metric is None else rule.metric
    return Question(text=text, answers=golds, metric=metric, competency=rule.competency)


def _golds(given: object, where: str) -> tuple[str, ...]:
    """Each gold once, as text; labels may be numbers, and a gold a list in a list."""
    if given is None:
        return ()
    if isinstance(given, str | int | float) and not isinstance(given, bool):
        return (str(given).strip(),) if str(given).strip() else ()
    if isinstance(given, list):
        return tuple(dict.fromkeys(gold for each in given for gold in _golds(each, where)))
    raise EpisodeError(f"{where}: got {name_of(given)}, expected text, a number or a list of these")


def _json(row: object, key: str, kind: type, where: str) -> Any:
    """The value of a column that holds JSON as text, or that value itself."""
    given = field(row, key, object, where)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise EpisodeError(f"{where}: {key}: got text that is not JSON ({error}); build the file again") from error
    return checked(given, kind, f"{where}: {key}")


def _given(row: object, key: str) -> bool:
    return isinstance(row, dict) and row.get(key) is not None


def _header(time: object) -> str:
    return _HEADER.format(time=time)


def _lacks_date(chunk: Chunk) -> bool:
    """Whether a date is known that the text itself does not open with."""
    return chunk.time is not None and _DATED.match(chunk.text) is None


def _time(text: str) -> str | None:
    """The date that opens a chunk, ISO 8601; None where none can be read."""
    match = _DATED.match(text)
    if match is None:
        return None
    day = match["day"].replace("/", "-")
    return f"{day}T{match['minute']}" if match["minute"] else day
