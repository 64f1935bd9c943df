"""The shared records and their JSONL codec: what goes out comes back, and every complaint names file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.errors import EpisodeError, OutputError
from memalpha.records import (
    Chunk,
    Competency,
    Episode,
    Metric,
    Question,
    ToolResult,
    ToolStatus,
    episode_from_json,
    episode_to_json,
    read_episodes,
    write_episodes,
)

EPISODE = Episode(
    id="e1",
    chunks=(Chunk(text="Ann has a cat.\nBye.", time="2024-03-05"), Chunk(text="Bo sails.")),
    questions=(
        Question(
            text="Who sails?",
            answers=("Bo", "Bo Berg"),
            metric=Metric.EXACT,
            competency=Competency.CONFLICT_RESOLUTION,
            evidence=(1,),
        ),
    ),
    source="notes",
)
SHAPE: dict[str, Any] = {
    "id": "e1",
    "source": "notes",
    "chunks": [{"text": "Ann has a cat.\nBye.", "time": "2024-03-05"}, {"text": "Bo sails."}],
    "questions": [
        {
            "question": "Who sails?",
            "answers": ["Bo", "Bo Berg"],
            "metric": "exact",
            "competency": "conflict_resolution",
            "evidence": [1],
        }
    ],
}
LEAST: dict[str, Any] = {"chunks": ["Bo sails."], "questions": [{"question": "Who sails?", "answers": "Bo"}]}


def test_lines_are_the_stripped_ones_that_are_not_blank() -> None:
    assert Chunk(text="\n one \r\n\n\ttwo\n  \n").lines == ("one", "two")
    assert Chunk(text=" \n ").lines == ()


@pytest.mark.parametrize("status", ToolStatus)
def test_only_the_status_ok_is_ok(status: ToolStatus) -> None:
    assert ToolResult(status=status, message="").ok == (status == "ok")


def test_the_documented_shape() -> None:
    assert episode_to_json(EPISODE) == SHAPE
    assert episode_from_json(SHAPE, where="f:1") == EPISODE


def test_what_may_be_left_out() -> None:
    assert episode_from_json(LEAST, where="f.jsonl:3") == Episode(
        id="f.jsonl:3",
        chunks=(Chunk(text="Bo sails.", time=None),),
        questions=(
            Question(
                text="Who sails?",
                answers=("Bo",),
                metric=Metric.CONTAINS,
                competency=Competency.ACCURATE_RETRIEVAL,
                evidence=(),
            ),
        ),
        source="user",
    )


def test_a_file_holds_one_episode_a_line_and_blank_lines_count(tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    write_episodes(file, [EPISODE, EPISODE])
    assert len(file.read_bytes().splitlines()) == 2
    assert list(read_episodes(file)) == [EPISODE, EPISODE]
    file.write_text(f"\n{json.dumps(LEAST)}\n  \n{json.dumps(LEAST)}", encoding="utf-8")
    assert [episode.id for episode in read_episodes(file)] == [f"{file}:2", f"{file}:4"]


def test_text_is_written_as_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    write_episodes(file, [episode_from_json({**LEAST, "chunks": ["Zoë 🙂"]}, where="")])
    assert "Zoë 🙂" in file.read_text(encoding="utf-8")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(SHAPE).encode())
    assert list(read_episodes(file)) == [EPISODE]


texts = st.text(min_size=1).filter(lambda text: text.strip() != "")
questions = st.builds(
    Question,
    text=texts,
    answers=st.lists(texts, min_size=1, max_size=3).map(tuple),
    metric=st.sampled_from(Metric),
    competency=st.sampled_from(Competency),
    evidence=st.lists(st.just(0), max_size=1).map(tuple),
)
episodes = st.builds(
    Episode,
    id=st.text(),
    chunks=st.lists(st.builds(Chunk, text=texts, time=st.none() | st.text()), min_size=1, max_size=3).map(tuple),
    questions=st.lists(questions, min_size=1, max_size=3).map(tuple),
    source=st.text(),
)


@settings(max_examples=60, deadline=None)
@given(written=st.lists(episodes, max_size=3))
def test_whatever_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, written: list[Episode]) -> None:
    file = tmp_path_factory.mktemp("codec") / "e.jsonl"
    write_episodes(file, written)
    assert list(read_episodes(file)) == written


QUESTION = SHAPE["questions"][0]
LISTS = {"chunks": SHAPE["chunks"], "questions": SHAPE["questions"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "got what is not JSON in UTF-8 (Expecting property name"),
        ("[" * 100_000, "got what is not JSON in UTF-8 ("),
        ("1" * 5000, "got what is not JSON in UTF-8 ("),
        ("[]", "got list, expected a JSON object with chunks, questions"),
        ("3", "got int, expected a JSON object"),
        ({"chunks": ["x"]}, "the key 'questions' is missing; add it"),
        ({"questions": [QUESTION]}, "the key 'chunks' is missing; add it"),
        ({**SHAPE, "chunk": 1}, "got the unknown key 'chunk', expected chunks, id, questions, source"),
        ({**SHAPE, "id": 7}, "id: got int, expected text"),
        ({**SHAPE, "source": None}, "source: got NoneType, expected text"),
        ({**SHAPE, "chunks": "x"}, "chunks: got str, expected a list"),
        ({**SHAPE, "chunks": []}, "episode 'e1' has no chunks; give it at least one"),
        ({**SHAPE, "chunks": ["a", 3]}, "chunk 1: got int, expected a JSON object with text"),
        ({**SHAPE, "chunks": ["a", "\n "]}, "episode 'e1': chunk 1 is empty"),
        ({**SHAPE, "chunks": ["a", "half \ud83d"]}, "chunk 1: got half of a surrogate pair"),
        ({**SHAPE, "chunks": ["a", {"text": "\udc00"}]}, "chunk 1: text: got half of a surrogate pair"),
        ({**SHAPE, "chunks": ["a", {"time": "x"}]}, "chunk 1: the key 'text' is missing"),
        (
            {**SHAPE, "chunks": ["a", {"text": "x", "when": 1}]},
            "chunk 1: got the unknown key 'when', expected text, time",
        ),
        ({**SHAPE, "chunks": ["a", {"text": "x", "time": 2024}]}, "chunk 1: time: got int, expected text"),
        ({**SHAPE, "questions": {}}, "questions: got dict, expected a list"),
        ({**SHAPE, "questions": []}, "episode 'e1' has no questions; give it at least one, or leave it out"),
        ({**SHAPE, "questions": ["x"]}, "question 0: got str, expected a JSON object with answers, question"),
        ({**SHAPE, "questions": [{"question": "x"}]}, "question 0: the key 'answers' is missing"),
        ({**SHAPE, "questions": [QUESTION, {**QUESTION, "question": " "}]}, "episode 'e1': question 1 is empty"),
        ({**SHAPE, "questions": [{**QUESTION, "answers": []}]}, "question 0 has no answer or an empty one"),
        ({**SHAPE, "questions": [{**QUESTION, "answers": ["a", " "]}]}, "question 0 has no answer or an empty one"),
        ({**SHAPE, "questions": [{**QUESTION, "answers": [1]}]}, "question 0: answers: got int, expected text"),
        (
            {**SHAPE, "questions": [{**QUESTION, "metric": "bleu"}]},
            "metric: got 'bleu', expected one of contains, exact,",
        ),
        (
            {**SHAPE, "questions": [{**QUESTION, "metric": ["exact"]}]},
            "metric: got ['exact'], expected one of contains,",
        ),
        (
            {**SHAPE, "questions": [{**QUESTION, "competency": 1}]},
            "competency: got 1, expected one of accurate_retrieval",
        ),
        ({**SHAPE, "questions": [{**QUESTION, "evidence": [2]}]}, "question 0 names evidence chunk 2, expected 0 to 1"),
        (
            {**SHAPE, "questions": [{**QUESTION, "evidence": [-1]}]},
            "question 0 names evidence chunk -1, expected 0 to 1",
        ),
        (
            {**SHAPE, "questions": [{**QUESTION, "evidence": [True]}]},
            "evidence: got True, expected the index of a chunk",
        ),
        ({**SHAPE, "questions": [{**QUESTION, "evidence": [1.0]}]}, "evidence: got 1.0, expected the index of a chunk"),
        ({**SHAPE, "questions": [{**QUESTION, "evidence": 1}]}, "evidence: got int, expected a list"),
    ],
)
def test_every_complaint_names_file_and_line_in_one_sentence(tmp_path: Path, row: object, message: str) -> None:
    file = tmp_path / "e.jsonl"
    bad = row if isinstance(row, str) else json.dumps(row)
    file.write_text(f"{json.dumps(SHAPE)}\n{bad}\n", encoding="utf-8")
    reading = read_episodes(file)
    assert next(reading) == EPISODE
    with pytest.raises(EpisodeError) as caught:
        next(reading)
    assert str(caught.value).startswith(f"{file}:2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "e.jsonl"
    file.write_bytes(json.dumps(SHAPE).encode() + b"\n" + '{"id": "Zoë"}'.encode("latin-1"))
    with pytest.raises(EpisodeError, match=r":2: got what is not JSON in UTF-8 .*can't decode"):
        list(read_episodes(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"gone\.jsonl: cannot be read \(No such file"):
        list(read_episodes(tmp_path / "gone.jsonl"))
    with pytest.raises(EpisodeError, match="cannot be read"):
        list(read_episodes(tmp_path))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no/e\.jsonl could not be written \(No such file"):
        write_episodes(tmp_path / "no" / "e.jsonl", [EPISODE])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_record_with_any_value_in_any_place_is_read_or_refused_by_name(data: st.DataObject) -> None:
    row = json.loads(json.dumps(SHAPE))
    place = data.draw(st.sampled_from([row, row["chunks"][0], row["questions"][0]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values)
    try:
        episode = episode_from_json(row, where="f:1")
    except EpisodeError as error:
        assert str(error).startswith("f:1: ")
    else:
        assert episode_from_json(episode_to_json(episode), where="f:1") == episode
