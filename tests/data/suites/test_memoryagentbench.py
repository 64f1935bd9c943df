"""Rows of both published tables, worked by hand: one of each set of the four competencies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.release import write_release
from memalpha.data.suites.memoryagentbench import load
from memalpha.data.suites.suite import Limits
from memalpha.errors import EpisodeError
from memalpha.records import Chunk, Competency, Episode, Metric, Question

Write = Callable[[dict[str, Any]], Path]
RETRIEVAL, LEARNING, LONG_RANGE, CONFLICT = Competency
NAME = "memoryagentbench/data/{}-00000-of-00001.parquet"


def words(text: str) -> int:
    return len(text.split())


def by_set(folder: Path, **limits: int) -> dict[str, Episode]:
    found = load(folder, limits=Limits(**limits), count_tokens=words)
    return {episode.id.split(":")[1]: episode for episode in found}


def test_every_set_is_there_but_the_recommendations(folder: Path) -> None:
    assert set(by_set(folder)) == {
        "ruler_qa1_197K",
        "longmemeval_s*",
        "icl_nlu_8296shot_balance",
        "infbench_sum_eng_shots2",
        "detective_qa",
        "factconsolidation_sh_6k",
    }


@pytest.mark.parametrize(
    ("name", "competency", "metric", "answers"),
    [
        ("ruler_qa1_197K", RETRIEVAL, Metric.CONTAINS, ("green", "light green")),
        ("icl_nlu_8296shot_balance", LEARNING, Metric.LABEL, ("12",)),
        ("infbench_sum_eng_shots2", LONG_RANGE, Metric.ROUGE_L, ("Mira runs with a lamp.",)),
        ("detective_qa", LONG_RANGE, Metric.EXACT, ("B. butler",)),
        ("factconsolidation_sh_6k", CONFLICT, Metric.CONTAINS, ("Newport", "New Port")),
    ],
)
def test_each_set_has_its_competency_and_metric(
    folder: Path, name: str, competency: Competency, metric: Metric, answers: tuple[str, ...]
) -> None:
    question = by_set(folder)[name].questions[0]
    assert (question.competency, question.metric, question.answers) == (competency, metric, answers)


def test_documents_are_cut_at_sentence_ends(folder: Path) -> None:
    episode = by_set(folder, chunk_tokens=8)["ruler_qa1_197K"]
    assert episode.chunks == (
        Chunk(text="Document 1: Arby has a red bridge.", time="2024-01-01"),
        Chunk(text="Document 2: Bexo has a green bridge.", time="2024-01-02"),
    )


def test_an_example_stays_on_one_line_with_its_label_which_is_its_evidence(folder: Path) -> None:
    episode = by_set(folder, chunk_tokens=7)["icl_nlu_8296shot_balance"]
    assert [chunk.text for chunk in episode.chunks] == ["will it rain?; label: 12", "play on. louder; label: 1"]
    assert [question.evidence for question in episode.questions] == [(0,), (1,)]


def test_a_fact_stays_on_its_line_with_its_number(folder: Path) -> None:
    episode = by_set(folder, chunk_tokens=7)["factconsolidation_sh_6k"]
    assert [chunk.text for chunk in episode.chunks] == [
        "Here is a list of facts:",
        "99. The capital of Elbonia is Oldtown.",
        "100. The capital of Elbonia is Newport.",
    ]


def test_chats_are_dated_sessions_with_their_marked_messages_as_evidence(folder: Path) -> None:
    episode = by_set(folder, chunk_tokens=12)["longmemeval_s*"]
    assert episode.chunks == (
        Chunk(text="User: Hello there.\nUser: I am tired.\nAssistant: Why so?", time="2023-05-22T10:00"),
        Chunk(text="User: I study Botany all night.", time="2023-05-22T10:00"),
        Chunk(text="User: Is it raining?", time="2023-05-23T11:30"),
    )
    assert episode.questions == (
        Question(text="What do I study?", answers=("Botany",), evidence=(1,)),
        Question(
            text="Who won the race in Bexo?",
            answers=("You did not tell me who won that race.",),
            metric=Metric.TOKEN_F1,
        ),
    )


def test_the_processed_table_is_read_as_a_release_is(tmp_path: Path) -> None:
    row = {
        "instance_id": 4,
        "prompt": "Read on.",
        "chunks": json.dumps(["[Dialogue between User and Assistant on 2024-01-01]\nMira left. She ran on and on."]),
        "questions_and_answers": json.dumps([{"question": "Sum up.", "answer": "Mira, run"}]),
        "data_source": "infbench_sum_eng_shots2",
        "metadata": "{}",
        "num_chunks": 1,
        "num_questions": 1,
    }
    file = tmp_path / "test.json"
    file.write_text(json.dumps([row, row | {"data_source": "recsys_redial_full"}]), encoding="utf-8")
    [episode] = load(file, count_tokens=words)
    assert (episode.id, episode.source) == ("memoryagentbench:infbench_sum_eng_shots2:4", "memoryagentbench")
    assert [chunk.time for chunk in episode.chunks] == ["2024-01-01"]
    [question] = episode.questions
    assert question.answers == ("Mira", "run")
    assert (question.metric, question.competency) == (Metric.KEYWORDS, LONG_RANGE)
    [short] = load(file, limits=Limits(chunk_tokens=7), count_tokens=words)
    assert [words(chunk.text) for chunk in short.chunks] == [7, 7]


def test_a_release_of_ours_is_read_back(tmp_path: Path) -> None:
    episode = Episode(
        id="e",
        source="squad",
        chunks=(Chunk(text="Arby is red.", time="2024-01-01"),),
        questions=(Question(text="Which?", answers=("red",), evidence=(0,)),),
    )
    write_release(tmp_path / "test.parquet", [episode])
    [again] = load(tmp_path / "test.parquet", count_tokens=words)
    assert (again.chunks, again.questions, again.source) == (episode.chunks, episode.questions, "memoryagentbench")


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        (
            "Accurate_Retrieval",
            lambda row: row["questions"].append("And?"),
            "got 2 questions and 1 answers, expected as many of both",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row.update(context=" "),
            "episode 'memoryagentbench:ruler_qa1_197K:0' has no ",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row["metadata"].update(source="longmemeval_s*"),
            "context: got text that is no list of sessions (",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row.update(context="['May', []]", metadata=row["metadata"] | {"source": "longmemeval_s*"}),
            "context: session 0: got 'May', expected a time such as 2023/05/20 (Sat) 02:21",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row.update(context="3", metadata=row["metadata"] | {"source": "longmemeval_s*"}),
            "context: got int, expected a list",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row.update(context="[1, 2, 3]", metadata=row["metadata"] | {"source": "longmemeval_s*"}),
            "context: got a list of 3, expected a time before each session",
        ),
        (
            "Accurate_Retrieval",
            lambda row: row["metadata"].update(source=None),
            "metadata: source: got null, expected text",
        ),
        ("Accurate_Retrieval", lambda row: row.pop("questions"), "the key 'questions' is missing; add it"),
    ],
)
def test_a_bad_row_is_named_with_its_place(
    files: dict[str, Any], write: Write, split: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change(files[NAME.format(split)][0])
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load(folder, count_tokens=words))
    assert str(caught.value).startswith(f"{folder / NAME.format(split)}: row 0: {message}")


def test_a_folder_without_tables_is_named(tmp_path: Path) -> None:
    (tmp_path / "memoryagentbench").mkdir()
    with pytest.raises(EpisodeError, match="got a folder without Parquet files, expected those of MemoryAgentBench"):
        list(load(tmp_path, count_tokens=words))
