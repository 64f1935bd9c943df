"""What `memalpha report` does: reads run folders, whole and half-finished ones, and compares what they came to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from memalpha.errors import CheckpointError
from memalpha.evaluation.learning import PastRun
from memalpha.evaluation.learning_report import learning_markdown, write_learning_report
from memalpha.rl.alarms import raised
from memalpha.rl.config import TrainConfig
from memalpha.rl.config_file import to_tables


def report_runs(folders: Sequence[Path], *, window: int, out: Path | None, console: Console | None = None) -> None:
    """Print the comparison, as Markdown where there is no terminal, and write it where `out` says."""
    console = console or Console()
    runs = [read_run(folder, name) for folder, name in zip(folders, run_names(folders), strict=True)]
    text = learning_markdown(runs, window=window)
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        console.file.write(text)
    if out is not None:
        console.print(f"The report is in {write_learning_report(out, runs, window=window)}", soft_wrap=True)


def read_run(folder: Path, name: str) -> PastRun:
    """What a run folder holds; settings that it does not name are the defaults. Raises `CheckpointError`."""
    defaults = default_settings()
    tables = {name.partition(".")[2]: name for name in defaults}
    written = _flat(_read_settings(folder / "run.json"))
    # What stands in another table than it belongs to, as in runs of other versions, is the same setting.
    moved = {tables.get(name.partition(".")[2], name): value for name, value in written.items() if name not in defaults}
    settings = defaults | moved | {name: value for name, value in written.items() if name in defaults}
    metrics = _read_metrics(folder / "metrics.jsonl")
    alarms = [(alarm.step, alarm.sentence) for alarm in raised(metrics)]
    return PastRun(name=name, settings=settings, metrics=metrics, alarms=alarms)


def default_settings() -> dict[str, Any]:
    """The defaults as a run.json would hold them."""
    return _flat(json.loads(json.dumps(to_tables(TrainConfig()))))


def run_names(folders: Sequence[Path]) -> list[str]:
    """The names of run folders; of those with the same name the folder that holds them as well."""
    paths = [folder.resolve() for folder in folders]
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else "/".join(path.parts[-2:]) for name, path in zip(names, paths, strict=True)
    ]


def _read_settings(file: Path) -> dict[str, Any]:
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


def _read_metrics(file: Path) -> list[dict[str, Any]]:
    """The rows; a last line without its end is being written, or was cut by a kill, and is left out."""
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
    if not rows:
        raise CheckpointError(f"{file.parent} has finished no step yet, expected a run with one; wait, or leave it out")
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


def _flat(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}
