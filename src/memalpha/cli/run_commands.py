"""The commands that read a training run once there is one: `report` and `push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memalpha.cli.extras import need_training


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders; the first, with its seeds, is what others are held against.")
    ],
    window: Annotated[int, typer.Option(min=1, help="Steps at the end of each run that means are over.")] = 10,
    out: Annotated[Path | None, typer.Option(help="A folder for report.html, report.md and report.json.")] = None,
) -> None:
    """Compare training runs: where they stand with intervals, settings that differ, speed, alarms, and curves.

    Runs that differ in the seed alone are one group. Runs that still go on are compared as far as they have come.
    """
    need_training()
    from memalpha.cli.report import report_runs

    report_runs(runs, window=window, out=out)


def push(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    to: Annotated[
        str | None, typer.Option(help="Owner and name on the Hugging Face hub; HF_TOKEN may write there.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the export lies; the run's export/ if left out.")] = None,
    private: Annotated[bool, typer.Option(help="Makes a new repository that only its owner sees.")] = False,
) -> None:
    """Export a trained policy with a model card filled from its run, and upload it with --to.

    The export is a model folder that memalpha and transformers load. Without --to nothing leaves the machine.
    """
    need_training()
    from memalpha.cli.push import push_run

    push_run(run, to=to, folder=folder, private=private)
