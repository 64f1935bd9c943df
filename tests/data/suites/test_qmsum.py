"""One meeting of five turns, worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.qmsum import load
from memalpha.data.suites.suite import Limits
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Metric, Question

FILE = "qmsum/test.jsonl.gz"


def words(text: str) -> int:
    return len(text.split())


def asked(text: str, answer: str, *evidence: int) -> Question:
    return Question(
        text=text,
        answers=(answer,),
        metric=Metric.ROUGE_L,
        competency=Competency.LONG_RANGE_UNDERSTANDING,
        evidence=evidence,
    )


def test_a_meeting_is_a_stream_and_spans_of_turns_are_evidence(folder: Path) -> None:
    [episode] = load(folder, limits=Limits(chunk_tokens=10), count_tokens=words)
    assert episode.id == "summary-qmsum:M1"
    assert episode.chunks == (
        Chunk(text="Bob: Shall we start now ?\nAnn: Yellow sells .", time="2024-01-01"),
        Chunk(text="Ann: I want yellow .", time="2024-01-02"),
        Chunk(text="Bob: Then we are done .", time="2024-01-03"),
    )
    assert episode.questions == (
        asked("Summarize the whole meeting.", "They chose a yellow remote control."),
        asked("What did Ann say about the colour?", "Ann wanted yellow because it sells.", 0, 1),
    )


def test_a_span_counts_both_of_its_ends(files: dict[str, Any], write: Callable[[dict[str, Any]], Path]) -> None:
    files[FILE][0]["specific_query_list"][0]["relevant_text_span"] = [["0", "0"], ["3", "4"]]
    [episode] = load(write(files), limits=Limits(chunk_tokens=6), count_tokens=words)
    assert [chunk.lines[0].split()[0] for chunk in episode.chunks] == ["Bob:", "Ann:", "Ann:", "Bob:"]
    assert episode.questions[1].evidence == (0, 3)


@pytest.mark.parametrize("span", [["2"], ["1", "5"], ["2", "1"], ["a", "b"], [1, 2], ["-1", "2"]])
def test_a_span_beyond_the_meeting_is_named(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path], span: list[object]
) -> None:
    files[FILE][0]["specific_query_list"][0]["relevant_text_span"] = [span]
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value) == (
        f"{folder / FILE}:1: specific_query_list 0: relevant_text_span: got {span}, expected the first and the last of "
        "5 turns; mend the record"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("meeting_transcripts"), "the key 'meeting_transcripts' is missing; add it"),
        (
            lambda record: record["meeting_transcripts"][2].pop("speaker"),
            "meeting_transcripts 2: the key 'speaker' is missing; add it",
        ),
        (
            lambda record: record["general_query_list"][0].update(answer=" "),
            "general_query_list 0: got an empty query or answer, expected both; leave it out",
        ),
        (
            lambda record: record["specific_query_list"][0].update(relevant_text_span="all"),
            "specific_query_list 0: relevant_text_span: got text, expected a list",
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
    assert str(caught.value) == f"{folder / FILE}:1: {message}"
