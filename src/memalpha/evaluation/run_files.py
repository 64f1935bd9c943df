"""The files of a training run, read while the run may still go on: nothing is changed, nothing is waited for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from memalpha.errors import CheckpointError


def read_settings(file: Path) -> dict[str, dict[str, Any]]:
    """The tables of a run.json; raises `CheckpointError`."""
    expected = "expected the folder of a training run, such as runs/demo"
    try:
        tables = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(
            f"{file.parent} is no run ({file.name}: {error.strerror or error}), {expected}; check the path"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{file} is damaged ({error}), {expected}; leave that run out") from error
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise CheckpointError(f"{file} holds no tables of settings, {expected}; leave that run out")
    return tables


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, one a step, none where there is no file; raises `CheckpointError`.

    A last line without its end is being written, or was cut by a kill, and is left out.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror or error}); check its rights") from error
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        rows.append(_row(line, f"{file}:{number}", after=rows[-1]["step"] if rows else 0))
    return rows


def _row(line: str, where: str, *, after: float) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if not row["step"] > after:
            raise ValueError(f"step {row['step']} after step {after}")
        if not all(isinstance(value, int | float) for value in row.values()):
            raise ValueError("a value is no number")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(
            f"{where} is damaged ({type(error).__name__}: {error}), expected the metrics of a step as one JSON object; "
            "mend that line or take it out"
        ) from error
    return dict(row)
