"""Rows as they were published become episodes, our episodes become such rows, and nothing is lost on the way."""

import json
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from memalpha.data.release import COLUMNS, episode_from_row, read_release, row_of, rule_of, write_release
from memalpha.errors import EpisodeError
from memalpha.metrics import score
from memalpha.records import Chunk, Competency, Episode, Metric, Question

PUBLISHED: dict[str, Any] = {
    "instance_id": 7,
    "prompt": "Read on.",
    "chunks": json.dumps(
        [
            "[Dialogue between User and Assistant on 2024-01-01 00:00]\n<User>Note:\nOrla is in Oslo.\n<Assistant>Yes.",
            "[Dialogue at timestamp 2023/05/20 (Sat) 02:21]\nUser: I moved to Porto.",
            "",
            "No date here.",
        ]
    ),
    "questions_and_answers": json.dumps(
        [
            {"question": "Where does Orla live?", "answer": "Oslo", "evidence_idx": 0},
            {"question": "Where do I live?", "answer": ["Porto", "Oporto"]},
            {"question": " ", "answer": "nobody asked"},
            {"question": "Unanswered?", "answer": ""},
        ]
    ),
    "data_source": "squad",
    "metadata": "{}",
    "num_chunks": 4,
    "num_questions": 4,
}
OWN = Episode(
    id="mine",
    source="nlu",
    chunks=(
        Chunk(text="Sample: wake me; label: 3", time="2024-01-01"),
        Chunk(text="[Dialogue between User and Assistant on 2024-01-02]\nSample: stop; label: 4", time="2024-01-02"),
        Chunk(text="Sample: go; label: 5"),
    ),
    questions=(
        Question(
            text="Sample: wake us; which label?",
            answers=("3",),
            metric=Metric.LABEL,
            competency=Competency.TEST_TIME_LEARNING,
            evidence=(0,),
        ),
    ),
)


def test_a_published_row_is_read_as_it_stands() -> None:
    episode = episode_from_row(PUBLISHED, where="f: row 0", name="train.parquet")
    assert (episode.id, episode.source) == ("train.parquet:7", "squad")
    texts = json.loads(PUBLISHED["chunks"])
    assert [(chunk.text, chunk.time) for chunk in episode.chunks] == [
        (texts[0], "2024-01-01T00:00"),
        (texts[1], "2023-05-20T02:21"),
        (texts[3], None),
    ]
    assert episode.questions == (
        Question(text="Where does Orla live?", answers=("Oslo",)),
        Question(text="Where do I live?", answers=("Porto", "Oporto")),
    )


@pytest.mark.parametrize(
    ("source", "answer", "answers", "metric", "competency"),
    [
        ("hotpotqa", "Elva", ("Elva",), Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL),
        ("perltqa", "Grand Canyon; sister", ("Grand Canyon", "sister"), Metric.KEYWORDS, Competency.ACCURATE_RETRIEVAL),
        ("perltqa", "sister", ("sister",), Metric.KEYWORDS, Competency.ACCURATE_RETRIEVAL),
        ("booksum", "Ann, the fire", ("Ann", "the fire"), Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING),
        ("infbench_sum_eng_shots2", ["fog, sea"], ("fog", "sea"), Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING),
        (
            "infbench_sum_eng_shots2",
            ["fog", "sea"],
            ("fog", "sea"),
            Metric.KEYWORDS,
            Competency.LONG_RANGE_UNDERSTANDING,
        ),
        ("pubmed-rct", 3, ("3",), Metric.LABEL, Competency.TEST_TIME_LEARNING),
        ("icl_trec_coarse_6600shot_balance", "4", ("4",), Metric.LABEL, Competency.TEST_TIME_LEARNING),
        ("lme_train", "two weeks", ("two weeks",), Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL),
        ("longmemeval_s*", "a b c d e", ("a b c d e",), Metric.TOKEN_F1, Competency.ACCURATE_RETRIEVAL),
        ("ruler_qa1_197K", ["x", ["y", "x"]], ("x", "y"), Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL),
        ("factconsolidation_mh_6k", ["x"], ("x",), Metric.CONTAINS, Competency.CONFLICT_RESOLUTION),
        ("anything", "x", ("x",), Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL),
    ],
)
def test_the_source_decides_how_golds_are_read_and_scored(
    source: str, answer: object, answers: tuple[str, ...], metric: Metric, competency: Competency
) -> None:
    row = {**PUBLISHED, "data_source": source, "questions_and_answers": [{"question": "?", "answer": answer}]}
    [question] = episode_from_row(row, where="f: row 0").questions
    assert (question.answers, question.metric, question.competency) == (answers, metric, competency)
    told = "; ".join(answers) if metric is Metric.KEYWORDS else answers[0]
    assert score(question.metric, told, question.answers) == 1.0


def test_a_published_file_is_read_row_by_row(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([PUBLISHED, {**PUBLISHED, "instance_id": 8}]), file)
    assert [episode.id for episode in read_release(file)] == ["train.parquet:7", "train.parquet:8"]


def test_what_we_write_is_what_the_reference_reads() -> None:
    row = row_of(OWN, 5)
    assert list(row) == list(COLUMNS)
    assert {name: type(value) for name, value in row.items()} == dict(COLUMNS)
    assert json.loads(str(row["chunks"])) == [
        "[Dialogue between User and Assistant on 2024-01-01]\nSample: wake me; label: 3",
        "[Dialogue between User and Assistant on 2024-01-02]\nSample: stop; label: 4",
        "Sample: go; label: 5",
    ]
    assert json.loads(str(row["questions_and_answers"])) == [
        {"question": "Sample: wake us; which label?", "answer": "3"}
    ]
    assert (row["instance_id"], row["data_source"], row["num_chunks"], row["num_questions"]) == (5, "ttl_train", 3, 1)


@pytest.mark.parametrize(
    ("source", "metric", "competency", "name", "gold"),
    [
        ("squad", Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL, "squad", ["a, b", "c"]),
        ("longmemeval", Metric.CONTAINS, Competency.ACCURATE_RETRIEVAL, "lme_train", ["a, b", "c"]),
        ("trec", Metric.LABEL, Competency.TEST_TIME_LEARNING, "ttl_train", ["a, b", "c"]),
        ("csabstruct", Metric.LABEL, Competency.TEST_TIME_LEARNING, "ttl_train", ["a, b", "c"]),
        ("booksum", Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING, "booksum", "a  b, c"),
        ("squality", Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING, "booksum", "a  b, c"),
        ("perltqa", Metric.KEYWORDS, Competency.ACCURATE_RETRIEVAL, "perltqa", "a, b; c"),
        ("beam", Metric.KEYWORDS, Competency.ACCURATE_RETRIEVAL, "perltqa", "a, b; c"),
        ("diary", Metric.CONTAINS, Competency.CONFLICT_RESOLUTION, "accurate_retrieval", ["a, b", "c"]),
        (
            "icl_nlu_8296shot_balance",
            Metric.LABEL,
            Competency.TEST_TIME_LEARNING,
            "icl_nlu_8296shot_balance",
            ["a, b", "c"],
        ),
    ],
)
def test_the_reference_is_told_a_name_it_knows_and_golds_in_its_shape(
    source: str, metric: Metric, competency: Competency, name: str, gold: object
) -> None:
    question = Question(text="?", answers=("a, b", "c"), metric=metric, competency=competency)
    row = row_of(Episode(id="e", source=source, chunks=(Chunk(text="x"),), questions=(question,)), 0)
    assert row["data_source"] == name
    assert json.loads(str(row["questions_and_answers"]))[0]["answer"] == gold
    assert episode_from_row(row, where="f: row 0").questions == (question,)


def test_the_reference_reads_our_files_as_it_reads_its_own(tmp_path: Path) -> None:
    """By its two ways: a data frame for evaluation, a data set for training; both parse the JSON of two columns."""
    file = tmp_path / "own.parquet"
    write_release(file, [OWN])
    frame = pandas.read_parquet(file)
    assert frame["data_source"].tolist() == ["ttl_train"]
    rows = [dict(frame.iloc[0])]
    cache = tmp_path / "cache"
    rows.extend(load_dataset("parquet", data_files=str(file), split="train", cache_dir=str(cache)))
    for row in rows:
        assert len(json.loads(row["chunks"])) == row["num_chunks"] == 3
        [asked] = json.loads(row["questions_and_answers"])
        assert (asked["question"], asked["answer"]) == ("Sample: wake us; which label?", "3")
        assert json.loads(row["metadata"])["memalpha"]["source"] == "nlu"


def test_our_own_come_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "own.parquet"
    assert write_release(file, [OWN, OWN]) == 2
    assert list(read_release(file)) == [OWN, OWN]


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
TIME = st.none() | st.sampled_from(["2024-01-01", "2024-01-01T10:00", "spring"])
HEADED = st.tuples(st.sampled_from(["", "[Dialogue between User and Assistant on 2024-01-01]\n"]), TEXT).map("".join)
QUESTION = st.builds(
    Question,
    text=TEXT,
    answers=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    metric=st.sampled_from(Metric),
    competency=st.sampled_from(Competency),
    evidence=st.sampled_from([(), (0,)]),
)
EPISODE = st.builds(
    Episode,
    id=st.text(st.characters(codec="utf-8"), max_size=5),
    source=st.sampled_from(["squad", "nlu", "beam", "icl_x", ""]),
    chunks=st.lists(st.builds(Chunk, text=HEADED, time=TIME), min_size=1, max_size=3).map(tuple),
    questions=st.lists(QUESTION, min_size=1, max_size=3).map(tuple),
)


@given(EPISODE)
def test_every_episode_comes_back_whole(episode: Episode) -> None:
    assert episode_from_row(row_of(episode, 0), where="f: row 0") == episode


def test_what_was_published_and_is_written_again_keeps_its_chunks() -> None:
    episode = episode_from_row(PUBLISHED, where="f: row 0")
    row = row_of(episode, 0)
    assert json.loads(str(row["chunks"])) == [chunk.text for chunk in episode.chunks]
    assert episode_from_row(row, where="f: row 0") == episode


def test_more_than_a_hundred_questions_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    many = Episode(id="many", chunks=OWN.chunks, questions=OWN.questions * 101)
    with pytest.raises(EpisodeError, match="episode 'many': got 101 questions, expected at most 100"):
        write_release(tmp_path / "x.parquet", [OWN, many])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunks": None}, "chunks: got null, expected a list"),
        (
            {"chunks": "["},
            "chunks: got text that is not JSON (Expecting value: line 1 column 2 (char 1)); build the file again",
        ),
        ({"chunks": "{}"}, "chunks: got a JSON object, expected a list"),
        ({"chunks": "[1]"}, "chunks 0: got int, expected text"),
        ({"chunks": "[]"}, "episode 'release:7' has no chunks; give it at least one"),
        ({"questions_and_answers": '["x"]'}, "question 0: got text, expected a JSON object with the key 'question'"),
        ({"questions_and_answers": '[{"question": "x"}]'}, "question 0: the key 'answer' is missing; add it"),
        (
            {"questions_and_answers": '[{"question": "x", "answer": {}}]'},
            "question 0: answer: got a JSON object, expected text, a number or a list of these",
        ),
        (
            {"questions_and_answers": '[{"question": "x", "answer": ""}]'},
            "episode 'release:7' has no questions; give it at least one, or leave it out",
        ),
        ({"data_source": 3}, "data_source: got int, expected text"),
        ({"metadata": '{"memalpha": 3}'}, "metadata: memalpha: got int, expected a JSON object"),
        ({"metadata": '{"memalpha": {}}'}, "metadata: the key 'chunks' is missing; add it"),
        (
            {"metadata": '{"memalpha": {"chunks": [], "questions": []}}'},
            "metadata: got 0 chunks, expected 4 as in the row; build it again",
        ),
    ],
)
def test_a_row_of_the_wrong_shape_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EpisodeError) as caught:
        episode_from_row({**PUBLISHED, **change}, where="f: row 3")
    assert str(caught.value) == f"f: row 3: {message}"


def test_a_missing_column_is_named() -> None:
    row = {key: value for key, value in PUBLISHED.items() if key != "chunks"}
    with pytest.raises(EpisodeError, match=r"^f: row 3: the key 'chunks' is missing; add it$"):
        episode_from_row(row, where="f: row 3")


@pytest.mark.parametrize("source", ["squad", "icl_banking77_5900shot_balance", "ruler_qa2_421K", "unheard of"])
def test_every_source_has_a_rule(source: str) -> None:
    assert rule_of(source).competency in Competency
