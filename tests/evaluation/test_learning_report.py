"""The three files tell the same, of whole runs and of one that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memalpha.errors import ConfigError
from memalpha.evaluation.learning import PastRun
from memalpha.evaluation.learning_report import learning_markdown, write_learning_report


def past(name: str, level: float, *, seed: int = 0, rate: float = 1e-3, steps: int = 4, **more: Any) -> PastRun:
    rows = [
        {
            "step": step,
            "correctness": level + 0.1 * (step % 2),
            "memory_share": 0.5,
            "rollout_seconds": 1800.0,
            "update_seconds": 0.0,
            "sampled_tokens_per_second": 10.0,
        }
        for step in range(1, steps + 1)
    ]
    settings = {"run.seed": seed, "run.steps": 4, "optim.rate": rate, "writer.budgets": [], "engine.device": "cpu"}
    return PastRun(name=name, settings=settings, metrics=rows, **more)


RUNS = [
    past("base-0", 0.2),
    past("base-1", 0.4, seed=1),
    past("quick|0", 0.5, rate=2e-3, steps=3, alarms=[(3, "The <writer> is silent.")]),
]


def lines(text: str, heading: str) -> list[str]:
    """The rows of the table under a heading."""
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("|")][2:]


def test_markdown_tells_where_runs_stand_how_they_differ_and_what_went_wrong() -> None:
    text = learning_markdown(RUNS, window=2)
    first, second = lines(text, "Where they stand")
    # Means 0.25 and 0.45: standard error 0.1, times 12.706.
    assert first.startswith("| base (seeds 0, 1) | 0.350 \\[-0.921, 1.621\\] | 0.500 ")
    assert second.startswith("| quick\\|0 | 0.550 \\[0.500, 0.600\\] |")
    # As far as both have come, steps 2 and 3: 0.3 more at each.
    [score, kept] = lines(text, "Against base (seeds 0, 1)")
    assert score == "| quick\\|0 | Score in training | +0.300 \\[+0.300, +0.300\\] | 1.000 | 2 steps of one seed |"
    assert kept == "| quick\\|0 | Memory kept | +0.000 \\[+0.000, +0.000\\] | 1.000 | 2 steps of one seed |"
    assert lines(text, "Settings that differ") == ["| optim.rate | 0.001 | 0.002 |"]
    assert [line.split(" | ")[:3] for line in lines(text, "Seed by seed")] == [
        ["| base-0", "0", "0.250"],
        ["| base-1", "1", "0.450"],
    ]
    assert lines(text, "How quickly")[2] == "| quick\\|0 | 3 of 4 | 1.50 | 1800.0 | 10 | cpu |"
    assert lines(text, "Alarms") == ["| quick\\|0 | 3 | The &lt;writer&gt; is silent. |"]


def test_one_run_has_nothing_to_be_held_against() -> None:
    text = learning_markdown(RUNS[:1])
    assert "## Against" not in text
    assert "## Settings that differ" not in text
    assert "None of the runs raised one." in text


def test_no_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="got no run to report on"):
        learning_markdown([])


def test_the_three_files_are_written(tmp_path: Path) -> None:
    page = write_learning_report(tmp_path / "out", RUNS, window=2)
    assert page == tmp_path / "out" / "report.html"
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8") == learning_markdown(RUNS, window=2)
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    base, quick = data["groups"]
    assert base["metrics"]["correctness"]["score"] == pytest.approx(0.35)
    assert base["metrics"]["gradient_norm"] is None
    assert [run["name"] for run in base["runs"]] == ["base-0", "base-1"]
    assert quick["runs"][0]["alarms"] == [{"step": 3, "sentence": "The <writer> is silent."}]
    assert quick["runs"][0]["seconds"] == 5400.0
    assert len(quick["runs"][0]["metrics"]) == 3
    assert [(each["metric"], each["p"]) for each in data["differences"]] == [
        ("correctness", 1.0),
        ("memory_share", 1.0),
    ]
