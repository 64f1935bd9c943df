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
from memalpha.evaluation.run_files import read_metrics, read_settings
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
    written = _flat(read_settings(folder / "run.json"))
    # What stands in another table than it belongs to, as in runs of other versions, is the same setting.
    moved = {tables.get(name.partition(".")[2], name): value for name, value in written.items() if name not in defaults}
    settings = defaults | moved | {name: value for name, value in written.items() if name in defaults}
    metrics = read_metrics(folder / "metrics.jsonl")
    if not metrics:
        raise CheckpointError(f"{folder} has finished no step yet, expected a run with one; wait, or leave it out")
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


def _flat(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}
