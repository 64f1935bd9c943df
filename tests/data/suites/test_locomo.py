"""Two sessions of two friends, worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.locomo import load
from memalpha.data.suites.suite import Limits
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Episode, Metric, Question

FILE = "locomo/locomo10.json"


def words(text: str) -> int:
    return len(text.split())


def test_sessions_are_read_in_their_order_and_the_named_turns_are_evidence(folder: Path) -> None:
    [episode] = load(folder, limits=Limits(chunk_tokens=9), count_tokens=words)
    assert episode == Episode(
        id="locomo:conv-1",
        source="locomo",
        chunks=(
            Chunk(text="Ann: Hi Bob!\nAnn: I ran a race yesterday.", time="2023-05-08T13:56"),
            Chunk(text="Bob: Look at this.", time="2023-05-08T13:56"),
            Chunk(text="Bob: (Shares a photo of a boat.)", time="2023-05-08T13:56"),
            Chunk(text="Bob: I sold the boat.", time="2023-06-02T09:05"),
        ),
        questions=(
            Question(text="When did Ann run a race?", answers=("7 May 2023",), metric=Metric.TOKEN_F1, evidence=(0,)),
            Question(text="How many boats did Bob sell?", answers=("1",), metric=Metric.TOKEN_F1, evidence=(1, 2, 3)),
            # Of an inference the gold is what comes before the reason; D11:26 is no turn.
            Question(text="Would Bob sail?", answers=("No",), metric=Metric.TOKEN_F1),
        ),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("qa"), "the key 'qa' is missing; add it"),
        (lambda record: record["qa"][1].pop("answer"), "qa 1: the key 'answer' is missing; add it"),
        (
            lambda record: record["qa"][1].update(answer=[]),
            "qa 1: answer: got a list, expected text or a number; mend the record",
        ),
        (lambda record: record["qa"][0].update(evidence=[3]), "qa 0: evidence: got int, expected text"),
        (lambda record: record["qa"][0].update(category="2"), "qa 0: category: got text, expected int"),
        (
            lambda record: record["conversation"].pop("session_2_date_time"),
            "conversation: the key 'session_2_date_time' is missing; add it",
        ),
        (
            lambda record: record["conversation"].update(session_2_date_time="noon"),
            "conversation: session_2_date_time: got the time 'noon', expected the form '%I:%M %p on %d %B, %Y'; "
            "mend the record",
        ),
        (
            lambda record: record["conversation"]["session_10"].append({"speaker": "Ann", "dia_id": "D10:2"}),
            "conversation: session_10: turn 1: the key 'text' is missing; add it",
        ),
        (
            lambda record: record["conversation"].update(session_3="x"),
            "conversation: session_3: got text, expected a list",
        ),
    ],
)
def test_a_bad_record_is_named_with_its_place(
    files: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    change(files[FILE][0])
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value) == f"{folder / FILE}:1: item 0: {message}"
