"""Files of a run that goes on; what is damaged is in tests/cli/test_report.py, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.errors import CheckpointError
from memalpha.evaluation.run_files import read_metrics, read_settings


def test_the_rows_are_those_that_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert read_metrics(file) == []
    file.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo', encoding="utf-8")
    assert read_metrics(file) == [{"step": 1, "loss": 0.5}]
    assert file.read_text(encoding="utf-8").endswith('"lo')


def test_settings_are_tables(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"run": {"seed": 3}}', encoding="utf-8")
    assert read_settings(file) == {"run": {"seed": 3}}
    file.write_text('{"seed": 3}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="no tables of settings"):
        read_settings(file)
