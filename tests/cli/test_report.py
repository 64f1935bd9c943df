"""Run folders as they are found: whole, half-finished, of an older version, damaged."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from memalpha.cli.report import read_run, report_runs, run_names
from memalpha.errors import CheckpointError
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import OptimConfig, RunConfig, TrainConfig

ROWS = [
    {"step": step, "correctness": 0.1 * step, "write_rate": 0.0, "rollout_seconds": 1.0, "update_seconds": 1.0}
    for step in range(1, 7)
]


def make_run(folder: Path, rows: list[dict[str, float]] | None = None, *, rate: float = 1e-3, seed: int = 0) -> Path:
    run = RunFolder(path=folder)
    run.open(TrainConfig(run=RunConfig(seed=seed), optim=OptimConfig(rate=rate)))
    for row in ROWS if rows is None else rows:
        run.log_metrics(row)
    return folder


def test_a_run_is_read_with_its_settings_steps_and_alarms(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "one", rate=0.5, seed=3), "x")
    assert (run.steps, run.seconds) == (6, 12.0)
    assert (run.settings["optim.rate"], run.settings["run.seed"], run.settings["run.steps"]) == (0.5, 3, 40)
    assert run.settings["writer.budgets"] == []
    [(step, sentence)] = run.alarms
    assert step == 5
    assert "gone silent" in sentence


def test_runs_of_an_older_version_have_the_defaults_of_what_they_do_not_name(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    (folder / "run.json").write_text('{"run": {"seed": 7}}', encoding="utf-8")
    run = read_run(folder, "x")
    assert (run.settings["run.seed"], run.settings["rollout.group"]) == (7, 8)


def test_a_setting_that_has_moved_to_another_table_is_the_same_setting(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    (folder / "run.json").write_text('{"run": {"seed": 7, "threads": 1, "gone": 5}}', encoding="utf-8")
    run = read_run(folder, "x")
    assert run.settings["engine.threads"] == 1
    assert "run.threads" not in run.settings
    assert run.settings["run.gone"] == 5


def test_a_last_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as out:
        out.write('{"step": 7, "corr')
    assert read_run(folder, "x").steps == 6


@given(cut=st.integers(min_value=0, max_value=sum(len(json.dumps(row)) + 1 for row in ROWS)))
def test_a_file_cut_anywhere_gives_the_steps_that_are_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = make_run(tmp_path_factory.mktemp("cut"))
    file = folder / "metrics.jsonl"
    file.write_bytes(file.read_bytes()[:cut])
    whole = file.read_bytes().count(b"\n")
    if whole:
        assert read_run(folder, "x").steps == whole
    else:
        with pytest.raises(CheckpointError, match="has finished no step yet"):
            read_run(folder, "x")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"step": 7, "x"', "JSONDecodeError"),
        ("[1]", "TypeError"),
        ('{"correctness": 1}', "KeyError"),
        ('{"step": 3}', "step 3 after step 6"),
        ('{"step": 7, "x": "y"}', "a value is no number"),
        ('{"step": "7"}', "TypeError"),
        ("null", "TypeError"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    folder = make_run(tmp_path)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as out:
        out.write(line + "\n" + json.dumps({"step": 9}) + "\n")
    with pytest.raises(CheckpointError, match=rf"metrics.jsonl:7 is damaged .*{reason}"):
        read_run(folder, "x")


@pytest.mark.parametrize(
    ("text", "part"), [(None, "is no run"), ("{", "is damaged"), ("[]", "no tables"), ('{"run": 1}', "no tables")]
)
def test_what_is_no_run_is_named(tmp_path: Path, text: str | None, part: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"{part}.*expected the folder of a training run"):
        read_run(tmp_path, "x")


def test_names_are_those_of_the_folders_and_longer_where_two_are_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_names([Path("runs/a"), Path("b"), Path("other/a/")]) == ["runs/a", "b", "other/a"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run_names([Path(), Path("..")]) == ["here", tmp_path.name]


def test_the_comparison_is_printed_and_written(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a"), make_run(tmp_path / "b", rate=0.5)]
    plain, drawn = io.StringIO(), io.StringIO()
    report_runs(runs, window=3, out=None, console=Console(file=plain, width=100))
    assert plain.getvalue().startswith("# Training runs\n")
    assert "| optim.rate | 0.001 | 0.5 |" in plain.getvalue()
    report_runs(runs, window=3, out=tmp_path / "out", console=Console(file=drawn, width=160, force_terminal=True))
    assert "optim.rate" in drawn.getvalue()
    assert "| --- |" not in drawn.getvalue()
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]
