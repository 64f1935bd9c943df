"""What is kept of a trace, with numbers worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memalpha.agent.model import ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import Writer
from memalpha.episode import Trace, run_episode
from memalpha.errors import OutputError
from memalpha.records import Chunk, Episode, Question, ToolCall
from memalpha.rewards import EpisodeReward, RewardPreset, RewardWeights, RuleValidator, reward
from memalpha.traces import keep_best_and_worst, keep_trace

WEIGHTS = RewardWeights(compression=0.5, content=0.25)


def words(text: str) -> int:
    return len(text.split())


def call(name: str, **arguments: object) -> str:
    return render_call(ToolCall(name=name, arguments=arguments))


def run(*completions: str) -> tuple[Trace, EpisodeReward]:
    """Two chunks of five and five words, the answer in the first."""
    episode = Episode(
        id="tea",
        chunks=(Chunk(text="Ann's drink is mint tea.", time="2026-05-01"), Chunk(text="The sky was grey again.")),
        questions=(Question(text="What is Ann's drink?", answers=("mint tea",), evidence=(0,)),),
    )
    trace = run_episode(Writer(ScriptedModel(completions)), ExtractiveReader(), episode, count_tokens=words)
    return trace, reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=words)


GOOD = run(call("memory_insert", memory_type="semantic", lines=[1]), "")
BAD = run("", call("memory_delete", memory_type="semantic", memory_id=9))


def test_a_file_holds_what_a_replay_needs(tmp_path: Path) -> None:
    kept = json.loads(keep_trace(tmp_path, "step-000001-validation", *GOOD, WEIGHTS).read_text())
    assert (kept["raw_tokens"], kept["memory_tokens"], kept["score"]) == (10, 5, 1.0)
    assert kept["episode"]["chunks"][0] == {"text": "Ann's drink is mint tea.", "time": "2026-05-01"}
    assert kept["reward"] == {
        "correctness": 1.0,
        "compression": 0.5,
        "weights": {"compression": 0.5, "content": 0.25},
    }
    first, second = kept["steps"]
    assert "Ann's drink is mint tea." in first["prompt"][-1]["content"]
    assert [each["status"] for each in first["calls"]] == ["ok"]
    # r = r1 1 + r2 1 + 0.5 · r3 0.5 + 0.25 · r4 1
    assert [step["reward"]["total"] for step in kept["steps"]] == [2.5, 2.5]
    assert (first["reward"]["own_correctness"], second["reward"]["own_correctness"]) == (1.0, None)
    assert kept["operations"] == [
        {
            "number": 1,
            "action": "insert",
            "kind": "semantic",
            "id": 1,
            "before": None,
            "after": "Ann's drink is mint tea.",
            "undoes": None,
            "chunk": 0,
            "lines": [1],
        }
    ]
    assert kept["answers"] == [{"text": "Ann's drink is mint tea.", "shown": "Ann's drink is mint tea.", "score": 1.0}]


def test_a_refused_call_keeps_its_reason(tmp_path: Path) -> None:
    kept = json.loads(keep_trace(tmp_path, "a", *BAD, WEIGHTS).read_text())
    (refused,) = kept["steps"][1]["calls"]
    assert (refused["name"], refused["status"]) == ("memory_delete", "unknown_entry")
    assert "9" in refused["message"]


def test_of_a_group_the_best_and_the_worst_stay(tmp_path: Path) -> None:
    traces, rewards = zip(BAD, GOOD, GOOD, strict=True)
    keep_best_and_worst(tmp_path, "step-000007", traces, rewards, WEIGHTS)
    scores = {file.stem: json.loads(file.read_text())["score"] for file in (tmp_path / "traces").iterdir()}
    assert scores == {"step-000007-best": 1.0, "step-000007-worst": 0.0}


def test_of_samples_that_are_alike_one_stays(tmp_path: Path) -> None:
    traces, rewards = zip(GOOD, GOOD, strict=True)
    keep_best_and_worst(tmp_path, "s", traces, rewards, WEIGHTS)
    assert [file.name for file in (tmp_path / "traces").iterdir()] == ["s-best.json"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("world@500-seed-0-RAG Top2", "world-500-seed-0-RAG-Top2.json"), ("../../x", "x.json"), ("a/b", "a-b.json")],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, file: str) -> None:
    assert keep_trace(tmp_path, name, *GOOD, WEIGHTS) == tmp_path / "traces" / file


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "traces").write_text("")
    with pytest.raises(OutputError, match=r"traces/a\.json could not be written"):
        keep_trace(tmp_path, "a", *GOOD, WEIGHTS)
