"""A chat of two batches with questions of every kind, worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.beam import load
from memalpha.data.suites.suite import ABSTENTIONS, Limits
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Metric

FILE = "beam_100k/test.jsonl.gz"
LONG_GOLD = "You said that you wrote tests but also that you never wrote any."
RETRIEVAL, LONG_RANGE, CONFLICT = (
    Competency.ACCURATE_RETRIEVAL,
    Competency.LONG_RANGE_UNDERSTANDING,
    Competency.CONFLICT_RESOLUTION,
)


def words(text: str) -> int:
    return len(text.split())


def test_batches_are_dated_sessions_without_the_marks_of_the_generator(folder: Path) -> None:
    [episode] = load(folder, limits=Limits(chunk_tokens=8), count_tokens=words)
    assert episode.id == "beam:3"
    assert episode.chunks == (
        Chunk(text="User: I have 60 tests.\nAssistant: Good.", time="2024-03-15"),
        Chunk(text="Assistant: Keep going.", time="2024-03-15"),
        Chunk(text="User: I wrote no tests ever.\nAssistant: Oh.", time="2024-03-15"),
        Chunk(text="User: By now it is 75 tests.", time="2024-04-02"),
        Chunk(text="Assistant: Nice.", time="2024-04-02"),
    )


@pytest.mark.parametrize(
    ("text", "answers", "metric", "competency", "evidence"),
    [
        (
            "Who paid?",
            ("The chat has no information about that.", *ABSTENTIONS),
            Metric.CONTAINS,
            RETRIEVAL,
            (),
        ),
        ("How many at first?", ("60",), Metric.CONTAINS, RETRIEVAL, (0,)),
        ("How many more?", ("15",), Metric.CONTAINS, RETRIEVAL, (0, 3)),
        ("How many days?", ("18 days",), Metric.CONTAINS, RETRIEVAL, (0,)),
        ("How many tests are there?", ("75 tests",), Metric.CONTAINS, CONFLICT, (3,)),
        ("Did I write tests?", (LONG_GOLD,), Metric.TOKEN_F1, CONFLICT, (0, 2)),
        ("In which order?", ("First 60, then 75.",), Metric.ROUGE_L, LONG_RANGE, (0, 3)),
        ("Sum up.", ("Tests grew to 75.",), Metric.ROUGE_L, LONG_RANGE, (0, 3)),
    ],
)
def test_each_kind_of_question_is_scored_in_its_way(
    folder: Path,
    text: str,
    answers: tuple[str, ...],
    metric: Metric,
    competency: Competency,
    evidence: tuple[int, ...],
) -> None:
    [episode] = load(folder, limits=Limits(chunk_tokens=8), count_tokens=words)
    assert len(episode.questions) == 8
    [question] = [each for each in episode.questions if each.text == text]
    assert (question.answers, question.metric, question.competency) == (answers, metric, competency)
    assert question.evidence == evidence


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("chat"), "the key 'chat' is missing; add it"),
        (lambda record: record["chat"][1].update(turns=3), "chat 1: turns: got int, expected a list"),
        (lambda record: record["chat"][0]["turns"].append("x"), "chat 0: turns 2: got text, expected a list"),
        (lambda record: record["chat"][0]["turns"][1][0].pop("id"), "chat 0: turns 1: the key 'id' is missing; add it"),
        (
            lambda record: record["chat"][0]["turns"][0][0].update(time_anchor="soon"),
            "chat 0: got the time 'soon', expected the form '%B-%d-%Y'; mend the record",
        ),
        (
            lambda record: record["probing_questions"].update(riddles=[]),
            "probing_questions: got 'riddles', expected information_extraction, ",
        ),
        (
            lambda record: record["probing_questions"]["summarization"][0].pop("ideal_summary"),
            "summarization 0: the key 'ideal_summary' is missing; add it",
        ),
        (
            lambda record: record["probing_questions"]["summarization"][0].update(source_chat_ids=[99]),
            "summarization 0: source_chat_ids: got 99, expected ids of messages; mend the record",
        ),
        (
            lambda record: record["probing_questions"]["summarization"][0].update(source_chat_ids=["4"]),
            "summarization 0: source_chat_ids: got text, expected int",
        ),
    ],
)
def test_a_bad_record_is_named_with_its_line(
    files: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    change(files[FILE][0])
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value).startswith(f"{folder / FILE}:1: {message}")
