"""The commands as they are typed: good ones, and bad input as one sentence with status 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import memalpha
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import TrainConfig

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1])}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "memalpha", *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120)


def test_report_compares_the_runs_that_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = RunFolder(path=tmp_path / "runs" / name)
        folder.open(TrainConfig())
        folder.log_metrics({"step": 1, "correctness": 0.5})
    result = run("report", "runs/a", "runs/b", "--window", "3", "--out", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Means over the last 3 steps" in result.stdout
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["report", "runs/absent"], "runs/absent is no run"),
        (["push", "runs/absent", "--folder", "out"], "holds no policy yet"),
        (["push", "runs/absent"], "neither --to nor --folder"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(tmp_path: Path, arguments: list[str], part: str) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert part in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
