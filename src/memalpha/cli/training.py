"""What `train` does: the local loop, or a job for verl."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from memalpha.cli.progress import TrainingProgress
from memalpha.rl.config_file import load_config
from memalpha.rl.train import train


def run_training(run: Path, config: Path | None, overrides: Mapping[str, str]) -> None:
    """Train in this process."""
    loaded = load_config(config, overrides)
    with TrainingProgress() as progress:
        train(loaded, run, observer=progress)
    _tell(run)


def run_cluster_training(
    run: Path, config: Path | None, overrides: Mapping[str, str], *, address: str | None, dry_run: bool
) -> None:
    """Write a job for verl, and run it unless `dry_run`."""
    from memalpha.rl.verl.job import write_job
    from memalpha.rl.verl.launch import run_job, steps_by_hand

    loaded = load_config(config, overrides)
    if dry_run:
        job = write_job(loaded, run, address=address)
        typer.echo(f"The job is in {job.folder}. {steps_by_hand(job, loaded)}")
        return
    run_job(loaded, run, address=address)
    _tell(run)


def _tell(run: Path) -> None:
    typer.echo(f"The trained model is in {run / 'policy'}; look at it with: memalpha replay --model {run}")
