from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import memalpha
from memalpha.cli.app import app
from memalpha.data.world import make_episodes
from memalpha.records import write_episodes

COMMANDS = ("demo", "train", "eval", "replay", "report", "push", "serve-model")
TINY = ["--set", "run.steps=2", "--set", "rollout.episodes=1", "--set", "rollout.group=2", "--set", "data.tokens=200"]
FAST = [*TINY, "--set", "engine.threads=1", "--set", "data.validation_episodes=1", "--set", "engine.checkpoint_every=1"]


# An absolute path, so that the package is found from other folders as well.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1])}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memalpha", *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"memalpha {command}" in result.output


def test_help_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "fastapi", "uvicorn")
    code = f"import sys, memalpha.cli.app; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["train", "--set", "run.stepz=3"], "unknown key 'stepz'"),
        (["train", "--set", "run.steps"], "expected table.key=value"),
        (["train", "--config", "absent.toml"], "cannot be read"),
        (["train", "--data", "absent.jsonl"], "absent.jsonl"),
        (["eval", "--model", "absent", "--episodes", "1"], "no model could be loaded"),
        (["eval", "--budget", "2", "--episodes", "1"], "--budget 2"),
        (["replay", "--tokens", "3"], "3 tokens"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], part: str) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert part in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_half_valid_episode_file_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    write_episodes(file, make_episodes(1, seed=0, tokens=200))
    file.write_text(file.read_text() + '{"chunks": [], "questions": []}\n')
    result = run("train", "--data", str(file), *FAST, cwd=tmp_path)
    assert result.returncode == 2
    assert f"{file}:2" in result.stderr
    assert not (tmp_path / "runs" / "train" / "checkpoints").exists()


def test_train_eval_and_replay_on_own_episodes(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    write_episodes(file, make_episodes(3, seed=0, tokens=200))
    trained = run("train", "--data", str(file), "--name", "mine", *FAST, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "step 2" in trained.stdout
    assert (tmp_path / "runs" / "mine" / "policy" / "model.safetensors").exists()
    scored = run(
        "eval", "--model", "runs/mine", "--data", str(file), "--threads", "1", "--out", "table.md", cwd=tmp_path
    )
    assert scored.returncode == 0, scored.stderr
    assert "RAG-Top2" in (tmp_path / "table.md").read_text()
    shown = run("replay", "--model", "runs/mine", "--data", str(file), "--threads", "1", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "User:" in shown.stdout


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_metrics_of_one_that_was_not(tmp_path: Path) -> None:
    import json

    settings = [*FAST, "--set", "run.steps=4"]
    whole = run("train", "--name", "whole", *settings, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-m", "memalpha", "train", "--name", "killed", *settings]
    child = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics = tmp_path / "runs" / "killed" / "metrics.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and (not metrics.exists() or len(metrics.read_text().splitlines()) < 2):
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    resumed = run("train", "--name", "killed", *settings, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    timings = {"rollout_seconds", "update_seconds", "sampled_tokens_per_second"}

    def rows(name: str) -> list[dict[str, float]]:
        lines = (tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()
        return [{key: value for key, value in json.loads(line).items() if key not in timings} for line in lines]

    assert rows("killed") == rows("whole")
