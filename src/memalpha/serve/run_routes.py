"""Run folders over HTTP, to be looked at: what a training run or an evaluation came to so far, and its traces.

Everything is a GET, and nothing in a folder is changed, so that a run may go on meanwhile. Names of runs and traces are
looked up among those that are there: no path is made from what a client sends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from memalpha.errors import CheckpointError
from memalpha.evaluation.learning_pages import PANELS, Panel
from memalpha.evaluation.ledger import QuestionRow, read_rows
from memalpha.evaluation.plots import moving_mean, series, window_of
from memalpha.evaluation.run_files import read_metrics, read_settings
from memalpha.rl.alarms import raised
from memalpha.serve.openai_errors import RefusedError
from memalpha.traces import FOLDER


class RunKind(StrEnum):
    """What a folder holds."""

    TRAINING = "training"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a system came to on a suite in an evaluation."""

    system: str
    suite: str
    questions: int
    score: float
    """Mean over the questions, in [0, 1]."""
    sufficient: float
    """Share of the questions whose gold answer stood in what was read."""
    read_tokens: float
    """Mean over the questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The run folders that lie directly in one folder."""

    folder: Path

    def listed(self) -> list[dict[str, Any]]:
        """Every run with its kind, when it was last written to, and how many traces it keeps; the newest first."""
        rows = [
            {
                "name": name,
                "kind": _kind(run),
                "modified": _time(max(each.stat().st_mtime for each in (run, *run.glob("*.jsonl")))),
                "traces": sum(1 for _ in self._traces(run)),
            }
            for name, run in self._all()
        ]
        return sorted(rows, key=lambda row: (row["modified"], row["name"]), reverse=True)

    def metrics(self, name: str) -> dict[str, Any]:
        """Settings, learning curves and alarms of a training run; of an evaluation its settings and standings."""
        run = self._find(name)
        told: dict[str, Any] = {"name": name, "kind": _kind(run), "panels": [], "alarms": [], "standings": []}
        if _kind(run) is RunKind.EVALUATION:
            return told | {"standings": [asdict(each) for each in standings(run / "questions.jsonl")]}
        rows = read_metrics(run / "metrics.jsonl")
        return told | {
            "settings": _written(read_settings(run / "run.json")),
            "steps": rows[-1]["step"] if rows else 0,
            "panels": [drawn for panel in PANELS if (drawn := _panel(panel, rows))],
            "alarms": [{"step": alarm.step, "sentence": alarm.sentence} for alarm in raised(rows)],
        }

    def traces(self, name: str) -> list[dict[str, Any]]:
        """The traces of a run, by name."""
        files = sorted(self._traces(self._find(name)), key=lambda file: file.name)
        return [
            {"name": file.stem, "bytes": file.stat().st_size, "modified": _time(file.stat().st_mtime)} for file in files
        ]

    def trace(self, name: str, trace: str) -> Path:
        """The file of one trace."""
        run = self._find(name)
        for file in self._traces(run):
            if file.stem == trace:
                return file
        raise RefusedError(f"got the trace {trace!r}, expected one that {name} keeps; list them first", status=404)

    def _all(self) -> Iterator[tuple[str, Path]]:
        try:
            found = sorted(self.folder.iterdir())
        except OSError as error:
            raise CheckpointError(
                f"the folder of runs cannot be read ({error.strerror or error}); start the server with another --runs"
            ) from error
        for each in found:
            if not each.name.startswith(".") and (each / "run.json").is_file() and self._inside(each):
                yield each.name, each

    def _find(self, name: str) -> Path:
        run = dict(self._all()).get(name)
        if run is None:
            raise RefusedError(f"got the run {name!r}, expected one that is there; list them at /v1/runs", status=404)
        return run

    def _traces(self, run: Path) -> Iterator[Path]:
        """Files written whole; a draft begins with a dot."""
        for file in (run / FOLDER).glob("*.json"):
            if not file.name.startswith(".") and self._inside(file):
                yield file

    def _inside(self, path: Path) -> bool:
        """Whether a path stays below the folder when links are followed."""
        return path.resolve().is_relative_to(self.folder.resolve())


def run_routes(folder: Path) -> APIRouter:
    """GET /v1/runs and what lies below it, for the run folders that lie directly in `folder`.

    Whoever includes them says who may look; refusals are `RefusedError` (404) and `CheckpointError` (a damaged run).
    """
    routes, runs = APIRouter(prefix="/v1/runs", tags=["runs"]), Runs(folder=folder)

    @routes.get("")
    def listed() -> dict[str, Any]:
        """The runs of the folder that the server was started with, the newest first."""
        return {"runs": runs.listed()}

    @routes.get("/{name}/metrics")
    def metrics(name: str) -> dict[str, Any]:
        """Learning curves with their moving means, alarms and settings; of an evaluation the standings."""
        try:
            return runs.metrics(name)
        except CheckpointError as error:  # without the path, which is nothing to a client
            raise CheckpointError(str(error).replace(f"{folder}/", "")) from error

    @routes.get("/{name}/traces")
    def traces(name: str) -> dict[str, Any]:
        """Which episodes of a run can be replayed."""
        return {"traces": runs.traces(name)}

    @routes.get("/{name}/traces/{trace}")
    def trace(name: str, trace: str) -> FileResponse:
        """One episode chunk by chunk: calls, operations, reward terms, answers."""
        return FileResponse(runs.trace(name, trace), media_type="application/json")

    return routes


def standings(file: Path) -> list[Standing]:
    """Every system on every suite of an evaluation that may still go on, in the order in which they were asked."""
    asked: dict[tuple[str, str], list[QuestionRow]] = {}
    for row in read_rows(file, QuestionRow, mend=False):
        asked.setdefault((row.system, row.suite), []).append(row)
    return [
        Standing(
            system=system,
            suite=suite,
            questions=len(rows),
            score=sum(row.score for row in rows) / len(rows),
            sufficient=sum(row.sufficient for row in rows) / len(rows),
            read_tokens=sum(row.read_tokens for row in rows) / len(rows),
        )
        for (system, suite), rows in asked.items()
    ]


def _kind(run: Path) -> RunKind:
    asked = any((run / name).exists() for name in ("memories.jsonl", "questions.jsonl"))
    return RunKind.EVALUATION if asked else RunKind.TRAINING


def _panel(panel: Panel, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """One metric over the steps, None where the run has none of it; points have no moving mean."""
    steps, values = series(rows, panel.metric)
    if not steps:
        return None
    means = [] if panel.points else moving_mean(values, window_of(len(values)))
    return asdict(panel) | {
        "steps": [int(step) for step in steps],
        "values": [_short(value) for value in values],
        "means": [_short(mean) for mean in means],
    }


def _short(value: float) -> float:
    """Six digits, which is more than a curve shows."""
    return float(f"{value:.6g}")


def _written(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings in JSON, which has no number that is not finite."""
    return {
        table: {
            key: value if not isinstance(value, float) or math.isfinite(value) else str(value)
            for key, value in values.items()
        }
        for table, values in settings.items()
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
