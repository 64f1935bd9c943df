"""The real clients: TensorBoard's event files, Weights & Biases offline, MLflow in a file; also resumed."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from memalpha.errors import CheckpointError, MissingExtraError, OutputError
from memalpha.rl.config import EngineConfig, RunConfig, Tracker, TrainConfig
from memalpha.rl.trackers import Boards, ToldOnce, need_trackers, open_boards
from memalpha.rl.train import train


def row(step: int, correctness: float = 0.5) -> dict[str, float]:
    return {"step": step, "correctness": correctness, "rows": 8}


def config_of(*trackers: Tracker) -> TrainConfig:
    return TrainConfig(run=RunConfig(seed=3), engine=EngineConfig(trackers=trackers))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in anywhere, and nothing is set."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")
    logging.getLogger("mlflow").setLevel(logging.WARNING)


def tensorboard_curve(folder: Path, name: str) -> dict[int, float]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {event.step: round(event.value, 6) for event in events.Scalars(name)}


def wandb_sessions(folder: Path) -> list[tuple[str, list[dict[str, Any]], int]]:
    """Id, rows and exit code of each session that Weights & Biases kept."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        rows, name, code = [], "", -1
        for data in logged(file.read_bytes()):
            record = Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                name = record.run.run_id
            if record.HasField("exit"):
                code = record.exit.exit_code
            if record.HasField("history"):
                items = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
                rows.append(items)
        found.append((name, rows, code))
    return found


def logged(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB, in which a record may be cut in parts."""
    at, record = 7, b""  # what kind of file it is
    while at < len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, part = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield record
            record = b""


def mlflow_client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder.resolve().parent / 'mlflow.db'}")


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "trackers.json").read_text(encoding="utf-8")))


def test_tensorboard_forgets_the_steps_that_are_run_anew(tmp_path: Path) -> None:
    with open_boards(config_of(Tracker.TENSORBOARD), tmp_path, []) as boards:
        for step in (1, 2, 3):
            boards.write(row(step, 0.1 * step))
    with open_boards(config_of(Tracker.TENSORBOARD), tmp_path, [row(1)]) as boards:
        boards.write(row(2, 0.9))
    assert tensorboard_curve(tmp_path, "correctness") == {1: 0.1, 2: 0.9}
    assert tensorboard_curve(tmp_path, "rows") == {1: 8.0, 2: 8.0}


def test_wandb_without_an_account_keeps_the_run_in_its_folder(tmp_path: Path, offline: None) -> None:
    with pytest.raises(KeyboardInterrupt), open_boards(config_of(Tracker.WANDB), tmp_path, []) as boards:
        for step in (1, 2, 3):
            boards.write(row(step, 0.1 * step))
        raise KeyboardInterrupt
    # Resumed after step 1: the steps 2 and 3 are run anew, and only 4 is news.
    with open_boards(config_of(Tracker.WANDB), tmp_path, [row(1)]) as boards:
        for step in (2, 3, 4):
            boards.write(row(step, 0.1 * step))
    first, second = wandb_sessions(tmp_path)
    assert first[0] == second[0] == told(tmp_path)["wandb"]["run"]
    assert [(each["_step"], each["correctness"]) for each in first[1]] == [(1, 0.1), (2, 0.2), (3, pytest.approx(0.3))]
    assert [(each["_step"], each["correctness"]) for each in second[1]] == [(4, 0.4)]
    assert (first[2], second[2]) == (1, 0)


def test_wandb_says_how_to_go_on_when_it_does_not_open(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    def refuse(**settings: Any) -> None:
        raise wandb.errors.CommError("no such entity\nsecond line") from ConnectionError("refused")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(OutputError, match=r"did not open the run \(no such entity\).*WANDB_MODE=offline"):
        open_boards(config_of(Tracker.WANDB), tmp_path, [])


@pytest.mark.slow
def test_mlflow_keeps_runs_beside_each_other(tmp_path: Path, offline: None) -> None:
    folder = tmp_path / "first"
    with pytest.raises(KeyboardInterrupt), open_boards(config_of(Tracker.MLFLOW), folder, []) as boards:
        boards.write(row(1, 0.25))
        boards.write(row(2, 0.5))
        raise KeyboardInterrupt
    client, run = mlflow_client(folder), told(folder)["mlflow"]["run"]
    assert client.get_run(run).info.status == "KILLED"
    assert client.get_run(run).info.run_name == "first"
    assert client.get_run(run).data.params["run.seed"] == "3"
    assert client.get_run(run).data.params["optim.estimator"] == '"per_step"'
    # Gone on with after step 1, on another machine: the parameters stay those that the run began with.
    config = replace(config_of(Tracker.MLFLOW), engine=EngineConfig(threads=1, trackers=(Tracker.MLFLOW,)))
    with open_boards(config, folder, [row(1, 0.25)]) as boards:
        boards.write(row(2, 0.5))
        boards.write(row(3, 0.75))
    points = [(point.step, point.value) for point in client.get_metric_history(run, "correctness")]
    assert sorted(points) == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert client.get_run(run).info.status == "FINISHED"
    with open_boards(config, tmp_path / "second", [row(1), row(2)]):
        pass
    second = told(tmp_path / "second")["mlflow"]["run"]
    assert [point.step for point in client.get_metric_history(second, "correctness")] == [1, 2]
    assert client.get_run(second).info.experiment_id == client.get_run(run).info.experiment_id


def test_mlflow_says_how_to_go_on_when_it_is_out_of_reach(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(OutputError, match=r"MLflow at http://127.0.0.1:9 did not open the run .*engine.trackers"):
        open_boards(config_of(Tracker.MLFLOW), tmp_path / "run", [])


class Recorded:
    """A board that remembers what it was told."""

    def __init__(self, run: str = "r1") -> None:
        self.run = run
        self.steps: list[int] = []
        self.closed: list[bool] = []

    def write(self, metrics: Mapping[str, float]) -> None:
        self.steps.append(int(metrics["step"]))

    def close(self, *, whole: bool) -> None:
        self.closed.append(whole)


def test_a_tracker_added_later_is_told_the_steps_so_far(tmp_path: Path) -> None:
    board = Recorded()
    asked = []
    once = ToldOnce(tmp_path, Tracker.WANDB, [row(1), row(2)], lambda run: asked.append(run) or board)  # type: ignore[func-returns-value]
    once.write(row(3))
    assert (asked, board.steps) == ([None], [1, 2, 3])
    again = Recorded()
    ToldOnce(tmp_path, Tracker.WANDB, [row(1), row(2)], lambda run: asked.append(run) or again)  # type: ignore[func-returns-value]
    assert (asked, again.steps) == ([None, "r1"], [])
    other = Recorded("r2")
    ToldOnce(tmp_path, Tracker.MLFLOW, [row(1)], lambda run: other)
    assert told(tmp_path) == {"wandb": {"run": "r1", "told": 3}, "mlflow": {"run": "r2", "told": 1}}


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"wandb": 3}', '{"wandb": {"run": "a"}}', '{"wandb": {"run": 1, "told": "x"}}']
)
def test_a_damaged_memory_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "trackers.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"trackers.json is damaged .*remove it"):
        ToldOnce(tmp_path, Tracker.WANDB, [], lambda run: Recorded())


def test_every_board_is_told_and_closed() -> None:
    pair = [Recorded(), Recorded()]
    with Boards(pair) as boards:
        boards.write(row(1))
    with pytest.raises(ValueError, match="x"), Boards(pair):
        raise ValueError("x")
    assert [(board.steps, board.closed) for board in pair] == [([1], [True, False])] * 2


@pytest.mark.parametrize(
    ("tracker", "extra"), [(Tracker.TENSORBOARD, "train"), (Tracker.WANDB, "wandb"), (Tracker.MLFLOW, "mlflow")]
)
def test_a_missing_package_is_told_before_the_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: Tracker, extra: str
) -> None:
    need_trackers(tuple(Tracker))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("memalpha.rl.trackers.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf'names "{tracker}", .* pip install \'memalpha\[{extra}\]\''):
        train(config_of(tracker), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_tells_all_three(short_run: TrainConfig, tmp_path: Path, offline: None) -> None:
    engine = replace(short_run.engine, trackers=tuple(Tracker))
    folder = tmp_path / "run"
    train(replace(short_run, engine=engine), folder)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = {each["step"]: each["surprise_nats"] for each in rows}
    assert tensorboard_curve(folder, "surprise_nats") == pytest.approx(expected, abs=1e-6)
    [(_, kept, code)] = wandb_sessions(folder)
    assert ({each["_step"]: each["surprise_nats"] for each in kept}, code) == (expected, 0)
    points = mlflow_client(folder).get_metric_history(told(folder)["mlflow"]["run"], "surprise_nats")
    assert {point.step: point.value for point in points} == expected
