"""Haystacks of two sessions, worked by hand, and the ways in which the published file states its answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.longmemeval import load
from memalpha.data.suites.suite import ABSTENTIONS, Limits
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Episode, Metric, Question

FILE = "longmemeval/sample_s_full.jsonl.gz"
Write = Callable[[dict[str, Any]], Path]


def words(text: str) -> int:
    return len(text.split())


def build(files: dict[str, Any], write: Write, **changes: object) -> Episode:
    files[FILE][0] |= changes
    [episode] = load(write(files), limits=Limits(chunk_tokens=12), count_tokens=words)
    return episode


def test_sessions_are_read_by_date_and_the_marked_turn_is_the_evidence(files: dict[str, Any], write: Write) -> None:
    episode = build(files, write)
    assert episode == Episode(
        id="longmemeval:q1",
        source="longmemeval",
        chunks=(
            Chunk(text="User: What is Botany?\nAssistant: The study of plants.", time="2023-05-20T02:21"),
            Chunk(text="Assistant: - It is old.", time="2023-05-20T02:21"),
            Chunk(text="User: Hello there.\nUser: I am tired.\nAssistant: Why so?", time="2023-05-22T10:00"),
            Chunk(text="User: I study Botany all night.", time="2023-05-22T10:00"),
        ),
        questions=(Question(text="What do I study?", answers=("Botany",), evidence=(3,)),),
    )


def test_without_marks_the_answer_is_looked_for_in_the_named_sessions(files: dict[str, Any], write: Write) -> None:
    for turn in files[FILE][0]["haystack_sessions"][0]:
        del turn["has_answer"]
    assert build(files, write).questions[0].evidence == (3,)
    assert build(files, write, answer="Never said").questions[0].evidence == (2, 3)
    assert build(files, write, answer_session_ids=["s_other", "s_answer"]).questions[0].evidence == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("kind", "competency"),
    [
        ("single-session-user", Competency.ACCURATE_RETRIEVAL),
        ("single-session-assistant", Competency.ACCURATE_RETRIEVAL),
        ("single-session-preference", Competency.ACCURATE_RETRIEVAL),
        ("multi-session", Competency.ACCURATE_RETRIEVAL),
        ("temporal-reasoning", Competency.ACCURATE_RETRIEVAL),
        ("knowledge-update", Competency.CONFLICT_RESOLUTION),
    ],
)
def test_each_type_has_its_competency_and_time_its_date(
    files: dict[str, Any], write: Write, kind: str, competency: Competency
) -> None:
    [question] = build(files, write, question_type=kind).questions
    assert question.competency is competency
    today = " (Today is 2023-05-30.)" if kind == "temporal-reasoning" else ""
    assert question.text == f"What do I study?{today}"


@pytest.mark.parametrize(
    ("gold", "answers", "metric"),
    [
        (3, ("3",), Metric.CONTAINS),
        (3.5, ("3.5",), Metric.CONTAINS),
        (" 45 minutes each way ", ("45 minutes each way",), Metric.CONTAINS),
        ("7 days. 8 days (including the last day) is also acceptable.", ("7 days", "8 days"), Metric.CONTAINS),
        ("10 days ago. 11 days is also acceptable", ("10 days ago", "11 days"), Metric.CONTAINS),
        ("The user would prefer plants to stones.", ("The user would prefer plants to stones.",), Metric.TOKEN_F1),
    ],
)
def test_golds_are_read_as_they_are_stated(
    files: dict[str, Any], write: Write, gold: object, answers: tuple[str, ...], metric: Metric
) -> None:
    [question] = build(files, write, answer=gold).questions
    assert (question.answers, question.metric) == (answers, metric)


def test_an_abstention_has_no_evidence_and_may_be_put_in_any_way(files: dict[str, Any], write: Write) -> None:
    gold = "You did not mention this information. You mentioned Botany."
    [question] = build(files, write, question_id="q1_abs", answer=gold).questions
    assert question.answers == (gold, *ABSTENTIONS)
    assert (question.metric, question.evidence) == (Metric.CONTAINS, ())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question_type": "trivia"}, "question_type: got 'trivia', expected one of single-session-user, "),
        ({"answer": True}, "answer: got bool, expected text or a number; mend the record"),
        ({"answer": " "}, "answer: got text, expected text or a number; mend the record"),
        ({"answer": None}, "answer: got null, expected text or a number; mend the record"),
        (
            {"haystack_dates": []},
            "got 0 haystack_dates, 2 haystack_session_ids and 2 haystack_sessions, expected as many of each",
        ),
        (
            {"haystack_dates": ["May", "June"]},
            "haystack_dates: got the time 'May', expected the form '%Y/%m/%d %H:%M'; mend the record",
        ),
        ({"haystack_dates": [1, 2]}, "haystack_dates: got int, expected text"),
        ({"haystack_sessions": [1, 2]}, "haystack_sessions 0: got int, expected a list"),
        (
            {"haystack_sessions": [[], [3]]},
            "haystack_sessions 1: turn 0: got int, expected a JSON object with the key ",
        ),
        ({"answer_session_ids": "s_answer"}, "answer_session_ids: got text, expected a list"),
    ],
)
def test_a_bad_record_is_named_with_its_line(
    files: dict[str, Any], write: Write, changes: dict[str, object], message: str
) -> None:
    files[FILE].append(files[FILE][0] | changes)
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value).startswith(f"{folder / FILE}:2: {message}")


def test_the_published_array_is_read_like_lines(files: dict[str, Any], write: Write) -> None:
    files["longmemeval_s.json"] = files[FILE]
    folder = write(files)
    assert list(load(folder / "longmemeval_s.json")) == list(load(folder))
