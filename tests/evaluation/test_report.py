"""The three files of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from memalpha.episode import Trace
from memalpha.errors import EpisodeError, OutputError
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.report import LISTED_STEPS, markdown_table, write_report

METRICS = [
    {"step": step, "correctness": step / 100, **({"validation_score": 0.5} if step == 33 else {})}
    for step in range(1, 51)
]


@pytest.fixture
def given(rows: list[SystemScore], before: Trace, after: Trace) -> dict[str, Any]:
    return {
        "title": "A <run>",
        "rows": rows,
        "metrics": METRICS,
        "before": before,
        "after": after,
        "facts": {"commit": "abc123", "machine": "2 cores | 8 GiB"},
    }


def test_the_page_is_returned_and_has_two_companions(given: dict[str, Any], tmp_path: Path) -> None:
    page = write_report(tmp_path / "runs" / "x", **given)
    assert page == tmp_path / "runs" / "x" / "report.html"
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json", "report.md"]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_markdown(given: dict[str, Any], tmp_path: Path) -> None:
    text = write_report(tmp_path, **given).with_suffix(".md").read_text(encoding="utf-8")
    assert text.startswith("# A &lt;run&gt;\n\n- **Score**: On the same 16 episodes the mean score rose from")
    assert markdown_table(given["rows"]) in text
    assert "| machine | 2 cores \\| 8 GiB |" in text
    assert "| 1 | 0.010 |  |\n" in text
    assert "| 33 | 0.330 | 0.500 |\n" in text
    assert "| 50 | 0.500 |  |\n" in text
    assert (
        "| 1 | Where does Ann live? | Oslo | wrong: Ann and Bob talk. | right: Not Rome: Ann lives in Oslo. |" in text
    )
    learning = text.split("## Learning")[1].split("##")[0].strip().splitlines()
    assert len(learning) == 2 + LISTED_STEPS + 1
    assert "<script>" not in text


def test_the_json_holds_all_numbers(given: dict[str, Any], tmp_path: Path) -> None:
    given["metrics"] = [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 0.25}]
    data = json.loads(write_report(tmp_path, **given).with_suffix(".json").read_text(encoding="utf-8"))
    assert data["metrics"] == [{"step": 1, "loss": None}, {"step": 2, "loss": 0.25}]
    assert data["facts"] == given["facts"]
    assert [claim["figure"] for claim in data["headline"]] == ["0.200 → 0.500", "30%", "1 of 2"]
    assert [row["system"] for row in data["systems"]] == ["Warm start", "After RL", "RAG-Top2", "Sentence BM25"]
    assert data["systems"][1]["by_competency"] == {"accurate_retrieval": 0.5, "conflict_resolution": 0.5}
    episode = data["episode"]
    assert (episode["id"], episode["raw_tokens"]) == ("small <b>", 18)
    assert episode["before"] == {
        "score": 0.0,
        "sufficiency": 0.0,
        "memory_tokens": 4,
        "lines": {"stored": 1, "changed": 0, "ignored": 4},
        "refused_calls": 2,
        "answers": [{"text": "Ann and Bob talk.", "score": 0.0, "read": False}] * 2,
    }
    assert episode["after"]["lines"] == {"stored": 2, "changed": 1, "ignored": 2}
    assert episode["after"]["memory_tokens"] == 9


def test_two_episodes_are_not_compared(given: dict[str, Any], tmp_path: Path) -> None:
    given["before"] = replace(given["before"], episode=replace(given["before"].episode, id="other"))
    with pytest.raises(EpisodeError, match="'other' before and 'small <b>' after, expected the same one"):
        write_report(tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(given: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/report\.html could not be written"):
        write_report(tmp_path / "file", **given)


def test_a_report_without_training_steps(given: dict[str, Any], tmp_path: Path) -> None:
    given["metrics"] = []
    page = write_report(tmp_path, **given)
    assert "No training steps were recorded" in page.read_text(encoding="utf-8")
    assert "## Learning" not in page.with_suffix(".md").read_text(encoding="utf-8")
