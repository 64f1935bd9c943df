"""`memalpha eval --suites`: names, seeds, a kill, and a folder of other settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import memalpha
from memalpha.cli.measure import Rivals, open_model
from memalpha.cli.sweep import AskedSuites, run_suites, weights_digest
from memalpha.errors import CheckpointError, ConfigError, EpisodeError
from memalpha.records import Chunk, Episode, Question, write_episodes

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1])}


def asked(names: str = "world@200", *, seeds: str = "0", episodes: int = 2, data: str = "world") -> AskedSuites:
    return AskedSuites(names=names, data=data, seeds=seeds, tokens=200, episodes=episodes, questions=3)


def evaluate(out: Path, suites: AskedSuites, systems: str = "rag-top2,memalpha", budget: float | None = None) -> None:
    run_suites("nano", suites, Rivals(names=systems), budget=budget, judge=False, threads=1, out=out)


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return sorted(({key: row[key] for key in row if key != "seconds"} for row in found), key=str)


def test_seeds_and_suites_are_lists() -> None:
    assert asked(seeds="0 1,2, 1").seed_numbers == [0, 1, 2]
    assert asked("world@200, a.jsonl").suites == ["world@200", "a.jsonl"]
    with pytest.raises(ConfigError, match="got --seeds 'a', expected numbers"):
        asked(seeds="a").seed_numbers  # noqa: B018
    with pytest.raises(ConfigError, match="'world' twice"):
        asked("world,world").suites  # noqa: B018


def test_all_suites_are_those_whose_files_are_there(tmp_path: Path) -> None:
    (tmp_path / "locomo").mkdir()
    (tmp_path / "locomo" / "locomo10.json").write_text("[]")
    assert asked("all", data=str(tmp_path)).suites == ["world", "locomo"]


def test_a_suite_may_be_a_file_or_the_world_in_a_length(tmp_path: Path) -> None:
    model = open_model("nano")
    file = tmp_path / "mine.jsonl"
    questions = tuple(Question(text=f"What is {number}?", answers=(str(number),)) for number in range(5))
    write_episodes(file, [Episode(id="a", chunks=(Chunk(text="x"),), questions=questions)])
    [mine] = asked().load(str(file), 0, model)
    assert (mine.id, len(mine.questions)) == ("a", 3)
    first, second = asked().load("world@300", 1, model)
    assert first.id.startswith("world-test-300-1000")
    assert len(second.questions) == 3
    with pytest.raises(
        ConfigError, match="got the suite 'absent', expected world, a file of episodes, or one of long-"
    ):
        asked().load("absent", 0, model)
    with pytest.raises(ConfigError, match="expected a length in tokens behind @, such as world@10000"):
        asked().load("world@long", 0, model)
    with pytest.raises(EpisodeError, match="the folder of data sets"):
        asked(data=str(tmp_path)).load("locomo", 0, model)


def test_an_evaluation_grows_and_refuses_other_settings(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match="got the system 'rag'"):
        evaluate(out, asked(), "rag")
    with pytest.raises(ConfigError, match="--judge without a server"):
        run_suites("nano", asked(), Rivals(names="rag-top2"), budget=None, judge=True, threads=1, out=out)
    assert not out.exists()
    evaluate(out, asked(), "rag-top2")
    assert len(rows(out, "questions.jsonl")) == 6
    evaluate(out, asked(seeds="0,1"), "no-memory,rag-top2")
    assert len(rows(out, "questions.jsonl")) == 24
    text = (out / "report.md").read_text()
    assert "4 episodes of" in text
    assert "| RAG-Top2 | No-Memory |" in text or "| No-Memory | RAG-Top2 |" in text
    with pytest.raises(CheckpointError, match=r"holds an evaluation with budget null, got 0\.5; give the same"):
        evaluate(out, asked(), budget=0.5)


def test_weights_are_told_apart() -> None:
    assert weights_digest(open_model("nano")) == weights_digest(open_model("nano"))
    assert weights_digest(open_model("nano")) != weights_digest(open_model("nano-warm"))


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_to_the_tables_of_a_whole_one(tmp_path: Path) -> None:
    options = ["--systems", "rag-top2,memalpha", "--suites", "world@200", "--seeds", "0,1", "--episodes", "3"]
    command = [sys.executable, "-m", "memalpha", "eval", *options, "--threads", "1", "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], env=ENVIRONMENT, check=True, capture_output=True, timeout=240)
    child = subprocess.Popen([*command, str(killed)], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    file, until = killed / "completions" / "memalpha.jsonl", time.monotonic() + 120
    while time.monotonic() < until and not file.exists():
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    questions = killed / "questions.jsonl"
    assert len(questions.read_text().splitlines()) < len(rows(whole, "questions.jsonl"))
    subprocess.run([*command, str(killed)], env=ENVIRONMENT, check=True, capture_output=True, timeout=240)
    for name in ("questions.jsonl", "memories.jsonl"):
        assert rows(killed, name) == rows(whole, name)

    def tables(folder: Path) -> list[object]:
        data = json.loads((folder / "report.json").read_text())
        for board in data["boards"]:
            for row in board["rows"]:
                del row["seconds"], row["read_seconds"]
        return [data[part] for part in ("boards", "overall", "contrasts")]

    assert tables(killed) == tables(whole)
