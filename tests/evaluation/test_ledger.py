"""The folder of an evaluation: what is kept, what a kill leaves, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from memalpha.errors import CheckpointError, OutputError
from memalpha.evaluation.ledger import Ledger, MemoryRow, QuestionRow, digest
from memalpha.records import Chunk, Competency, Episode, Metric, Question

MEMORY = MemoryRow(
    system="rag-top2",
    suite="s",
    seed=0,
    episode="e",
    digest="d",
    raw_tokens=10,
    memory_tokens=5,
    written_tokens=7,
    seconds=0.5,
)
QUESTION = QuestionRow(
    system="rag-top2",
    suite="s",
    seed=0,
    episode="e",
    number=3,
    competency=Competency.CONFLICT_RESOLUTION,
    metric=Metric.TOKEN_F1,
    answer="naïve\n\u2028\ud800",
    score=0.5,
    judged=None,
    sufficient=True,
    read_tokens=9,
    seconds=1.0,
)
SETTINGS = {"model": "nano", "tokens": 500}


def filled(folder: Path) -> Ledger:
    ledger = Ledger(folder, SETTINGS)
    ledger.add_memory(MEMORY)
    ledger.add_question(QUESTION)
    ledger.add_question(replace(QUESTION, number=4, judged=True))
    return ledger


def test_rows_are_there_again(tmp_path: Path) -> None:
    filled(tmp_path / "run")
    again = Ledger(tmp_path / "run", SETTINGS)
    assert again.memories == {("rag-top2", "s", 0, "e"): MEMORY}
    assert again.questions == {
        ("rag-top2", "s", 0, "e", 3): QUESTION,
        ("rag-top2", "s", 0, "e", 4): replace(QUESTION, number=4, judged=True),
    }


def test_a_memory_is_kept_once(tmp_path: Path) -> None:
    filled(tmp_path).add_memory(replace(MEMORY, seconds=9.0))
    assert Ledger(tmp_path, SETTINGS).memories["rag-top2", "s", 0, "e"].seconds == 0.5


@pytest.mark.parametrize("left", [1, 20, 100])
def test_a_line_that_a_kill_cut_is_taken_away(tmp_path: Path, left: int) -> None:
    filled(tmp_path)
    file = tmp_path / "questions.jsonl"
    first, second, _ = file.read_bytes().split(b"\n")
    file.write_bytes(first + b"\n" + second[:left])
    ledger = Ledger(tmp_path, SETTINGS)
    assert list(ledger.questions.values()) == [QUESTION]
    ledger.add_question(replace(QUESTION, number=5))
    assert [number for *_, number in Ledger(tmp_path, SETTINGS).questions] == [3, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "high"}, "got score 'high'"),
        ({"judged": 1}, "got judged 1"),
        ({"number": True}, "got number True"),
        ({"metric": "bleu"}, "'bleu' is not a valid Metric"),
        ({"more": 1}, "expected the keys answer, competency"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    filled(tmp_path)
    file = tmp_path / "questions.jsonl"
    first, second, _ = file.read_text().split("\n")
    file.write_text(f"{first}\n{json.dumps(json.loads(second) | change)}\n")
    with pytest.raises(CheckpointError, match=rf"questions\.jsonl:2 is damaged \({message}"):
        Ledger(tmp_path, SETTINGS)
    file.write_text(f"{{\n{second}\n")
    with pytest.raises(CheckpointError, match=r"questions\.jsonl:1 is damaged"):
        Ledger(tmp_path, SETTINGS)


def test_other_settings_are_refused_in_one_sentence(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(CheckpointError) as refused:
        Ledger(tmp_path, SETTINGS | {"tokens": 600})
    assert str(refused.value) == (
        f"{tmp_path} holds an evaluation with tokens 500, got 600; give the same to go on with it, or another folder "
        "to start anew"
    )
    with pytest.raises(CheckpointError, match="with judge null, got"):
        Ledger(tmp_path, SETTINGS | {"judge": "qwen"})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json cannot be read"):
        Ledger(tmp_path, SETTINGS)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"run\.json could not be written"):
        Ledger(tmp_path / "file", SETTINGS)
    ledger = filled(tmp_path / "run")
    (tmp_path / "run" / "questions.jsonl").unlink()
    (tmp_path / "run" / "questions.jsonl").mkdir()
    with pytest.raises(OutputError, match="nothing earlier was lost"):
        ledger.add_question(QUESTION)


def test_an_episode_is_known_by_all_of_it() -> None:
    episode = Episode(id="e", chunks=(Chunk(text="x"),), questions=(Question(text="?!", answers=("y",)),))
    assert digest(episode) == digest(replace(episode))
    others = [replace(episode, id="f"), replace(episode, chunks=(Chunk(text="x", time="2024-01-01"),))]
    assert len({digest(each) for each in (episode, *others)}) == 3
