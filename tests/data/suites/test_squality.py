"""Keywords of reference summaries, worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.squality import keywords, load
from memalpha.data.suites.suite import Limits
from memalpha.errors import EpisodeError
from memalpha.metrics import score
from memalpha.records import Chunk, Competency, Metric, Question


def words(text: str) -> int:
    return len(text.split())


STORY = frozenset("mira found lamp cave guard chased desert brother ships ship".split())


@pytest.mark.parametrize(
    ("question", "references", "expected"),
    [
        ("Plot?", ["Mira and the lamp.", "Mira, a lamp", "mira runs", "A LAMP"], ("lamp", "mira")),
        ("Plot?", ["mira lamp", "mira lamp", "cave", "cave"], ()),  # half is not most
        ("Who is Mira?", ["Mira guard", "Mira's guard", "mira, guard!"], ("guard",)),
        ("Plot?", ["found with her jug"] * 3, ("found",)),  # common, short, or not in the story
        ("Plot?", ["the ship's ship", "ship ships", "the ship, ships"], ("ship",)),
        ("Plot?", ["mira mira", "cave", "cave"], ("cave",)),  # a word counts once a reference
    ],
)
def test_keywords_are_what_most_references_share(question: str, references: list[str], expected: tuple[str]) -> None:
    assert keywords(question, references, STORY) == expected


def test_a_story_is_a_stream_of_dated_chunks_that_end_with_sentences(folder: Path) -> None:
    [episode] = load(folder, limits=Limits(chunk_tokens=9), count_tokens=words)
    assert episode.id == "summary-squality:7"
    assert episode.chunks == (
        Chunk(text="The Lamp\nMira found a lamp in the cave.", time="2024-01-01"),
        Chunk(text="The guard chased Mira through the desert.", time="2024-01-02"),
        Chunk(text="Her brother hid.", time="2024-01-03"),
    )
    assert episode.questions == (
        Question(
            text="What is the plot of the story?",
            answers=("cave", "desert", "guard", "lamp", "mira"),
            metric=Metric.KEYWORDS,
            competency=Competency.LONG_RANGE_UNDERSTANDING,
        ),
    )  # the other question has no three keywords


def test_a_reference_scores_by_what_it_shares_with_the_others(folder: Path, files: dict[str, Any]) -> None:
    [episode] = load(folder, count_tokens=words)
    [question] = episode.questions
    first = files["squality/test.jsonl.gz"][0]["questions"][0]["responses"][0]["response_text"]
    assert score(question.metric, first, question.answers) == 4 / 5  # without the desert


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("document"), "the key 'document' is missing; add it"),
        (lambda record: record["questions"][0].pop("responses"), "questions 0: the key 'responses' is missing; add it"),
        (
            lambda record: record["questions"][1].update(responses=[]),
            "questions 1: got no question or no response, expected both; leave it out",
        ),
        (
            lambda record: record["questions"][1]["responses"].append("text"),
            "questions 1: responses 2: got text, expected a JSON object with the key 'response_text'",
        ),
        (lambda record: record["metadata"].pop("passage_id"), "metadata: the key 'passage_id' is missing; add it"),
    ],
)
def test_a_bad_record_is_named_with_its_line(
    files: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    change(files["squality/test.jsonl.gz"][0])
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value) == f"{folder / 'squality/test.jsonl.gz'}:1: {message}"
