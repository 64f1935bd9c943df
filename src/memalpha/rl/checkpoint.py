"""A resumable run directory: what is there is whole, because a checkpoint appears by one rename.

    run.json                    the configuration, fixed at the start of the run
    metrics.jsonl               one line a step
    alarms.jsonl                what went wrong (`memalpha.rl.alarms`), a line each
    traces/                     episodes to look at (`memalpha.traces`), of the steps that are validated
    checkpoints/step-000010/    policy/ (or low_rank.safetensors), optimiser.pt, state.json, checksums.json
    policy/                     the model after the last step, a folder that transformers reads

A process killed while writing leaves a folder whose name starts with "writing-", which nothing reads.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from memalpha.agent.local import LocalModel, load_local
from memalpha.errors import CheckpointError, ConfigError, ModelError
from memalpha.rl.alarms import Alarm, raised
from memalpha.rl.config import Precision, TrainConfig
from memalpha.rl.config_file import from_tables, to_tables
from memalpha.rl.learner import Learner
from memalpha.writing import replace_file, sync, write_whole, writing

KEPT = 2
"""Checkpoints that stay; older ones are removed once a newer one is whole."""
CHECKSUMS = "checksums.json"
DTYPES = {Precision.FP32: "float32", Precision.BF16: "bfloat16"}
"""Names by which torch knows them."""
ALARMS = "alarms.jsonl"
JOB = "verl"
"""The folder of what is written for verl."""
LOW_RANK = "low_rank.safetensors"
"""In place of a policy, where only low-rank matrices are trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """Reads and writes one run directory."""

    path: Path

    @property
    def by_verl(self) -> bool:
        """Whether verl has begun to train it; its checkpoints are of no use to the local engine, nor the other way."""
        return (self.path / JOB / "checkpoints").is_dir()

    def open(self, config: TrainConfig) -> None:
        """Create the folder, or check that it belongs to the same configuration; raises `CheckpointError`.

        A run that has not finished a step, say for a mistyped model, is no run yet.
        """
        file = self.path / "run.json"
        if not file.exists() or (self.latest() is None and not self.metrics()):
            replace_file(file, json.dumps(to_tables(config), indent=2, ensure_ascii=False) + "\n")
            return
        difference = _difference(to_tables(self.config()), to_tables(config))
        if difference:
            raise CheckpointError(
                f"{self.path} holds a run with another configuration ({difference}); "
                "give the same one to resume it, or another --name to start anew"
            )

    def config(self) -> TrainConfig:
        """The configuration of the run; raises `CheckpointError`."""
        file = self.path / "run.json"
        try:
            return from_tables(json.loads(file.read_text(encoding="utf-8")), where=file.name)
        except (OSError, ValueError, ConfigError) as error:
            raise CheckpointError(
                f"{file} cannot be read ({error}), expected the configuration of a run; mend it, or start anew "
                "under another --name"
            ) from error

    def save(self, learner: Learner, step: int) -> None:
        """Write the checkpoint of a finished step; it is there whole or not at all. Raises `OutputError`."""
        folder = self.path / "checkpoints"
        draft = folder / f"writing-{step:06d}"
        with writing(draft):
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            if learner.low_rank is None:
                learner.save(draft / "policy")
            else:
                save_file(learner.low_rank.state(), draft / LOW_RANK)
            # Through an open file, since torch's own writer hides why it failed.
            with (draft / "optimiser.pt").open("wb") as out:
                torch.save(learner.optimiser.state_dict(), out)
            state = {"step": step, "updates": learner.updates}
            (draft / "state.json").write_text(json.dumps(state) + "\n", encoding="utf-8")
            (draft / CHECKSUMS).write_text(json.dumps(_checksums(draft), indent=2) + "\n", encoding="utf-8")
            for file in _files(draft):
                sync(file)
            shutil.rmtree(self.folder(step), ignore_errors=True)
            draft.replace(self.folder(step))
            sync(folder)
        for old in self._steps()[:-KEPT]:
            shutil.rmtree(self.folder(old), ignore_errors=True)

    def latest(self) -> int | None:
        """The step of the newest checkpoint, None without one."""
        steps = self._steps()
        return steps[-1] if steps else None

    def folder(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.path / "checkpoints" / f"step-{step:06d}"

    def load_policy(self, step: int, config: TrainConfig) -> LocalModel:
        """The policy of a checkpoint, all of whose files are as they were written; raises `CheckpointError`.

        With low-rank matrices it is the model that the run began with, and `restore` puts them back.
        """
        folder = self.folder(step)
        try:
            written = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
            if written != (found := _checksums(folder)):
                wrong = sorted(name for name in {*written, *found} if written.get(name) != found.get(name))
                raise ValueError(f"{wrong[0]} is not as it was written")
            return open_policy(config, config.run.model if (folder / LOW_RANK).exists() else folder / "policy")
        except (OSError, ValueError, TypeError, AttributeError, ModelError) as error:
            raise _damaged(folder, error) from error

    def restore(self, learner: Learner, step: int) -> None:
        """Put optimiser and counters back; the weights come from `load_policy`. Raises `CheckpointError`."""
        folder = self.folder(step)
        try:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if learner.low_rank is not None:
                learner.low_rank.load(load_file(folder / LOW_RANK))
            learner.optimiser.load_state_dict(torch.load(folder / "optimiser.pt", weights_only=True))
            learner.updates = int(state["updates"])
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, EOFError, pickle.PickleError) as error:
            raise _damaged(folder, error) from error

    def log_metrics(self, metrics: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl; raises `OutputError`."""
        file = self.path / "metrics.jsonl"
        with writing(file), file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(metrics) + "\n")

    def log_alarms(self, alarms: Sequence[Alarm]) -> None:
        """Add a line each to alarms.jsonl; raises `OutputError`."""
        file = self.path / ALARMS
        with writing(file), file.open("a", encoding="utf-8") as out:
            out.write(_alarm_lines(alarms))

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl that are whole; a line cut by a kill is left out."""
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        rows = []
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    def forget_after(self, step: int) -> None:
        """Drop the metrics and the alarms of steps that will be run again."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        file = self.path / "metrics.jsonl"
        with writing(file):
            write_whole(file, "".join(json.dumps(row) + "\n" for row in kept))
            write_whole(self.path / ALARMS, _alarm_lines(raised(kept)))

    def _steps(self) -> list[int]:
        names = [each.name.removeprefix("step-") for each in (self.path / "checkpoints").glob("step-*")]
        return sorted(int(name) for name in names if name.isdecimal())


def open_policy(config: TrainConfig, where: str | Path) -> LocalModel:
    """The model `where` names, on the device and in the format that the configuration names."""
    engine = config.engine
    return load_local(where, device=engine.device, dtype=DTYPES[engine.weights], sample_tokens=engine.sample_tokens)


def _alarm_lines(alarms: Sequence[Alarm]) -> str:
    return "".join(json.dumps(asdict(alarm)) + "\n" for alarm in alarms)


def _damaged(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {folder} is damaged ({type(error).__name__}: {error}); remove that folder to resume from the "
        "one before it, or start anew under another --name"
    )


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every other file; weights have no checksum of their own, so that a flipped bit would go unseen."""
    sums = {}
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        if name != CHECKSUMS:
            with file.open("rb") as opened:
                sums[name] = hashlib.file_digest(opened, "sha256").hexdigest()
    return sums


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The first setting that differs, in words; empty when there is none.

    The number of steps may grow, and what a run runs on may change.
    """
    for table, values in new.items():
        if table == "engine":
            continue
        for key, value in values.items():
            before = old.get(table, {}).get(key)
            if json.dumps(before) != json.dumps(value) and (table, key) != ("run", "steps"):
                return f"{table}.{key} was {before!r} and is now {value!r}"
    return ""
