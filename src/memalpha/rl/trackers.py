"""Who is told the metrics of a run beside metrics.jsonl: TensorBoard, Weights & Biases, MLflow, behind one protocol.

A resumed run goes on where it was told before. TensorBoard forgets the steps that are run anew. The other two cannot,
and are told each step once: the same numbers would come again, timings aside. Steps that a tracker has not heard of,
because it was added later or was out of reach, are told from metrics.jsonl when the run starts.

Their packages are imported when a run asks for them. Without an account or a server, both keep their files beside the
runs: Weights & Biases in runs/<name>/wandb, MLflow in runs/mlflow.db.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from memalpha.errors import CheckpointError, MissingExtraError, OutputError
from memalpha.rl.config import Tracker, TrainConfig
from memalpha.rl.config_file import to_tables
from memalpha.writing import replace_file, writing

PROJECT = "memalpha"
"""Under which runs are kept by trackers that keep many."""

_NEEDS = {
    Tracker.TENSORBOARD: ("train", ("tensorboard",)),
    Tracker.WANDB: ("wandb", ("wandb",)),
    Tracker.MLFLOW: ("mlflow", ("mlflow", "sqlalchemy", "alembic")),
}
"""The extra and the packages of each tracker."""


class Board(Protocol):
    """One run as a tracker keeps it; it was opened with the configuration."""

    def write(self, metrics: Mapping[str, float]) -> None:
        """The metrics of one step, `step` among them; raises `OutputError`."""

    def close(self, *, whole: bool) -> None:
        """The run is over: `whole`, or interrupted and to be gone on with. Raises `OutputError`."""


class Boards:
    """All boards of a run; leaving the context closes them."""

    def __init__(self, boards: Sequence[Board]) -> None:
        self._boards = boards

    def __enter__(self) -> Boards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for board in self._boards:
            board.close(whole=kind is None)

    def write(self, metrics: Mapping[str, float]) -> None:
        """Tell every one of them a step."""
        for board in self._boards:
            board.write(metrics)


def need_trackers(trackers: Sequence[Tracker]) -> None:
    """Raise `MissingExtraError` for a tracker whose packages are not installed."""
    for tracker in trackers:
        extra, packages = _NEEDS[tracker]
        missing = [name for name in packages if find_spec(name) is None]
        if missing:
            raise MissingExtraError(
                f'engine.trackers names "{tracker}", which needs {missing[0]}, which is not installed; '
                f"run: pip install 'memalpha[{extra}]'"
            )


def open_boards(config: TrainConfig, folder: Path, past: Sequence[Mapping[str, float]]) -> Boards:
    """The boards of `engine.trackers` for the run in `folder`, whose steps so far are `past`.

    Raises `OutputError` for a tracker that does not open, and `CheckpointError` for a damaged trackers.json.
    """
    done = int(past[-1]["step"]) if past else 0
    openers: dict[Tracker, Callable[[], Board]] = {
        Tracker.TENSORBOARD: lambda: TensorBoardBoard(folder / "tensorboard", done=done),
        Tracker.WANDB: lambda: ToldOnce(folder, Tracker.WANDB, past, lambda run: WandbBoard(config, folder, run)),
        Tracker.MLFLOW: lambda: ToldOnce(folder, Tracker.MLFLOW, past, lambda run: MlflowBoard(config, folder, run)),
    }
    boards: list[Board] = []
    try:
        for tracker in dict.fromkeys(config.engine.trackers):
            boards.append(openers[tracker]())
    except BaseException:
        for board in boards:
            board.close(whole=False)
        raise
    return Boards(boards)


class TensorBoardBoard:
    """Event files in a folder; a viewer leaves out the steps after `done` that stood there before."""

    def __init__(self, folder: Path, *, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        with writing(folder):
            self._writer = SummaryWriter(str(folder), purge_step=done + 1)

    def write(self, metrics: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        with writing(self._folder):
            for name, value in _values(metrics).items():
                self._writer.add_scalar(name, value, int(metrics["step"]))
            self._writer.flush()

    def close(self, *, whole: bool) -> None:
        """Close the file."""
        with writing(self._folder):
            self._writer.close()


class KeptRun(Board, Protocol):
    """A board of a tracker that keeps runs under ids of its own."""

    @property
    def run(self) -> str:
        """The id, by which the run is found again."""


class ToldOnce:
    """A board that is told each step once; trackers.json keeps its run and the last step that it was told."""

    def __init__(
        self,
        folder: Path,
        tracker: Tracker,
        past: Sequence[Mapping[str, float]],
        open_run: Callable[[str | None], KeptRun],
    ) -> None:
        """`open_run` is given the id of the run, None for a new one."""
        self._file, self._tracker = folder / "trackers.json", tracker
        run, self._told = self._remembered()
        self._board = open_run(run)
        self._remember()
        for metrics in past:
            self.write(metrics)

    def write(self, metrics: Mapping[str, float]) -> None:
        """Pass on a step that is new."""
        if metrics["step"] > self._told:
            self._board.write(metrics)
            self._told = int(metrics["step"])
            self._remember()

    def close(self, *, whole: bool) -> None:
        """Close the board."""
        self._board.close(whole=whole)

    def _remembered(self) -> tuple[str | None, int]:
        known = self._read().get(self._tracker)
        if known is None:
            return None, 0
        try:
            return str(known["run"]), int(known["told"])
        except (LookupError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def _remember(self) -> None:
        known = {**self._read(), self._tracker.value: {"run": self._board.run, "told": self._told}}
        replace_file(self._file, json.dumps(known, indent=2) + "\n")

    def _read(self) -> dict[str, Any]:
        if not self._file.exists():
            return {}
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"{self._file} is damaged ({type(error).__name__}: {error}), expected a run and a step for each tracker; "
            "remove it to begin new runs there"
        )


class WandbBoard:
    """A run of Weights & Biases; without an account it is kept in the run folder, for `wandb sync`."""

    def __init__(self, config: TrainConfig, folder: Path, run: str | None) -> None:
        import wandb

        # What the user has set decides; only where nothing is set and nobody is logged in nothing leaves the machine.
        decided = bool(os.environ.get("WANDB_MODE")) or wandb.login(prompt=False, verify=False)
        self._folder = folder / "wandb"
        mend = "run wandb login, or set WANDB_MODE=offline to keep the run on this machine"
        with writing(self._folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _telling(wandb.Error, "Weights & Biases did not open the run", mend):
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT") or PROJECT,
                id=run or uuid.uuid4().hex[:12],
                name=folder.resolve().name,
                dir=str(folder),
                config=to_tables(config),
                resume="allow",
                mode=None if decided else "offline",
                allow_val_change=True,
                settings=wandb.Settings(silent=True, console="off"),
            )

    @property
    def run(self) -> str:
        """Chosen here."""
        return str(self._run.id)

    def write(self, metrics: Mapping[str, float]) -> None:
        """Hand over one row; the client sends it in its own time and tries again while the network is away."""
        with writing(self._folder):
            self._run.log(_values(metrics), step=int(metrics["step"]))

    def close(self, *, whole: bool) -> None:
        """Wait until all is sent or on disk."""
        with writing(self._folder):
            self._run.finish(exit_code=0 if whole else 1)


class MlflowBoard:
    """A run of MLflow, at MLFLOW_TRACKING_URI where that is set."""

    def __init__(self, config: TrainConfig, folder: Path, run: str | None) -> None:
        from mlflow import MlflowClient

        beside = folder.resolve().parent
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{beside / 'mlflow.db'}"
        with self._telling("open the run"):
            beside.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=self._uri)
            self.run = run or self._new(config, folder.resolve().name, artifacts=(beside / "mlflow").as_uri())
            self._client.update_run(self.run, status="RUNNING")

    def write(self, metrics: Mapping[str, float]) -> None:
        """Send one batch."""
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(metrics["step"])
        with self._telling(f"take step {step}"):
            batch = [Metric(name, value, now, step) for name, value in _values(metrics).items()]
            self._client.log_batch(self.run, metrics=batch)

    def close(self, *, whole: bool) -> None:
        """Say how it ended."""
        with self._telling("close the run"):
            self._client.set_terminated(self.run, "FINISHED" if whole else "KILLED")

    def _new(self, config: TrainConfig, name: str, *, artifacts: str) -> str:
        from mlflow.entities import Param

        known = self._client.get_experiment_by_name(PROJECT)
        experiment = known.experiment_id if known else self._client.create_experiment(PROJECT, artifacts)
        run = str(self._client.create_run(experiment, run_name=name).info.run_id)
        tables = to_tables(config).items()
        params = [Param(f"{table}.{key}", json.dumps(value)) for table, keys in tables for key, value in keys.items()]
        self._client.log_batch(run, params=params)
        return run

    def _telling(self, what: str) -> AbstractContextManager[None]:
        from mlflow.exceptions import MlflowException

        mend = "start the same command again when it answers, or take it out of engine.trackers"
        return _telling(MlflowException, f"MLflow at {self._uri} did not {what}", mend)


@contextmanager
def _telling(refusals: type[Exception], what: str, mend: str) -> Iterator[None]:
    """Turn a refusal of a tracker's client into one clear `OutputError`."""
    try:
        yield
    except refusals as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200].rstrip(". ")
        raise OutputError(f"{what} ({reason}); nothing earlier was lost, {mend}") from error


def _values(metrics: Mapping[str, float]) -> dict[str, float]:
    """Everything but the step."""
    return {name: float(value) for name, value in metrics.items() if name != "step"}
