"""A run as a job for verl: everything it needs in one folder, which every machine of a cluster must see.

runs/<name>/run.json        the configuration
runs/<name>/verl/
episodes.jsonl          every episode of the run, once
train.parquet           the schedule: which of them each step samples
validation.parquet      the ones held out
job.yaml                verl's settings
agent.yaml              our agent loop
launch.sh               starts it; for several machines also head.sh and worker.sh
checkpoints/            verl's own, written while it runs
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memalpha.data.parquet import write_rows
from memalpha.errors import CheckpointError
from memalpha.records import write_episodes
from memalpha.rl.checkpoint import JOB, RunFolder
from memalpha.rl.config import TrainConfig
from memalpha.rl.train import make_writer, open_source
from memalpha.rl.verl.schedule import Planned, plan
from memalpha.rl.verl.served import load_shape
from memalpha.rl.verl.settings import AGENT, CHECKPOINTS, DRAFT, NAME, TRAINING, VALIDATION, refuse, settings
from memalpha.writing import replace_file, writing

EPISODES = "episodes.jsonl"
LAUNCH, HEAD, WORKER = "launch.sh", "head.sh", "worker.sh"
PORT = 6379
"""Where Ray listens on the first machine."""
_COLUMNS = {field.name: str if field.type == "str" else int for field in dataclasses.fields(Planned)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was written."""

    folder: Path
    command: tuple[str, ...]
    """Starts it on this machine."""


def write_job(config: TrainConfig, run: Path, *, address: str | None = None) -> Job:
    """Write the job of a run, or write it anew to resume one.

    Raises `ConfigError` for what verl cannot do, `CheckpointError` for a run of another configuration, `EpisodeError`,
    `ModelError` or `OutputError`.
    """
    refuse(config)
    if RunFolder(path=run).latest() is not None:
        raise CheckpointError(
            f"{run} was begun by the local engine; leave --engine out to go on, or give another --name"
        )
    folder = (run / JOB).resolve()
    shape = load_shape(config.run.model)
    source = open_source(config).cut(make_writer(shape, config).config.passage_tokens, shape.counter)
    schedule = plan(config, source)
    RunFolder(path=run).open(config)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_episodes(folder / EPISODES, schedule.episodes)
    _write_rows(folder / TRAINING, schedule.training)
    _write_rows(folder / VALIDATION, schedule.validation or schedule.training[:1])  # verl wants one, and asks none
    each = len(schedule.training) // config.run.steps
    replace_file(folder / DRAFT, to_yaml(settings(config, folder, episodes=each, address=address)))
    replace_file(folder / AGENT, to_yaml([_agent(folder)]))
    command = (sys.executable, "-m", "verl.trainer.main_ppo", "--config-dir", str(folder), "--config-name", "job")
    _write_scripts(config, folder, command)
    return Job(folder=folder, command=command)


def read_job(folder: Path) -> TrainConfig:
    """The configuration of the run that a job belongs to; raises `CheckpointError`."""
    return RunFolder(path=folder.parent).config()


def newest_policy(folder: Path) -> Path | None:
    """The model folder of the newest whole checkpoint of a job; None before the first."""
    told = folder / CHECKPOINTS / "latest_checkpointed_iteration.txt"
    if not told.is_file():
        return None
    policy = folder / CHECKPOINTS / f"global_step_{told.read_text(encoding='utf-8').strip()}" / "actor" / "huggingface"
    if not (policy / "config.json").is_file():
        raise CheckpointError(
            f"{policy} is not there, expected the model of verl's newest checkpoint; start the same command again to "
            "go on from the one before it"
        )
    return policy


def to_yaml(node: Any) -> str:
    """Nested tables and lists of plain values as YAML."""
    return "\n".join(_lines(node)) + "\n"


def _lines(node: Any) -> Iterator[str]:
    """A mapping, or a list of mappings or plain values, line by line."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            inner = isinstance(value, Mapping) and bool(value)
            yield f"{key}:" if inner else f"{key}: {json.dumps(value)}"
            if inner:
                yield from (f"  {line}" for line in _lines(value))
    else:
        for value in node:
            first, *rest = _lines(value)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)


def _agent(folder: Path) -> dict[str, str]:
    return {"name": NAME, "_target_": "memalpha.rl.verl.loop.EpisodeLoop", "job": str(folder)}


def _write_rows(path: Path, planned: Sequence[Planned]) -> None:
    write_rows(path, _COLUMNS, (dataclasses.asdict(each) for each in planned))


def _write_scripts(config: TrainConfig, folder: Path, command: Sequence[str]) -> None:
    ray = [str(Path(sys.executable).with_name("ray")), "start"]
    gpus = ["--num-gpus", str(config.engine.gpus)]
    replace_file(folder / LAUNCH, _script(command))
    if config.engine.nodes > 1:
        replace_file(folder / HEAD, _script([*ray, "--head", "--port", str(PORT), *gpus]))
        replace_file(folder / WORKER, _script([*ray, "--address"], after=f' "$1:{PORT}" {shlex.join(gpus)}'))


def _script(command: Sequence[str], after: str = "") -> str:
    return f"#!/bin/sh\nexec {shlex.join(command)}{after}\n"
