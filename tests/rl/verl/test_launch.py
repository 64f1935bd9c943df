"""What a launch checks before anything heavy starts, and what it leaves behind."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from memalpha.errors import ConfigError, MissingExtraError, ModelError, TrainingError
from memalpha.rl.config import RewardConfig, TrainConfig
from memalpha.rl.verl import launch
from memalpha.rl.verl.job import write_job
from memalpha.rl.verl.launch import check, cluster_size, run_job, steps_by_hand
from memalpha.rl.verl.settings import CHECKPOINTS


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """All packages, and one GPU."""
    monkeypatch.setattr(launch, "find_spec", lambda name: object())
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("os.cpu_count", lambda: 4)


def test_a_package_that_is_missing_is_named(verl_run: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "find_spec", lambda name: None if name == "transfer_queue" else object())
    with pytest.raises(MissingExtraError, match=r"needs transfer_queue, .* pip install 'memalpha\[train,verl\]'"):
        check(verl_run, None)


@pytest.mark.usefixtures("everything")
def test_more_gpus_than_there_are_is_told_before_anything_starts(verl_run: TrainConfig, tmp_path: Path) -> None:
    many = replace(verl_run, engine=replace(verl_run.engine, gpus=8))
    started: list[object] = []
    with pytest.raises(ConfigError, match=r"engine.gpus is 8, but this machine has 1 GPUs"):
        run_job(many, tmp_path / "first", start=lambda command: started.append(command) or 0)
    assert not started
    assert not (tmp_path / "first").exists()


@pytest.mark.usefixtures("everything")
def test_several_machines_need_an_address(verl_run: TrainConfig) -> None:
    with pytest.raises(ConfigError, match=r"engine.nodes is 2 and no --address was given; .* head.sh and worker.sh"):
        check(replace(verl_run, engine=replace(verl_run.engine, nodes=2)), None)


@pytest.mark.usefixtures("everything")
def test_the_gpus_of_a_cluster_count(verl_run: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "cluster_size", lambda address: (4, 12))
    config = replace(verl_run, engine=replace(verl_run.engine, nodes=2, gpus=2))
    check(config, "auto")
    with pytest.raises(ConfigError, match=r"engine.gpus is 8, but the cluster at auto has 4 GPUs"):
        check(replace(config, engine=replace(config.engine, gpus=4)), "auto")
    monkeypatch.setattr(launch, "cluster_size", lambda address: (4, 11))
    with pytest.raises(ConfigError, match=r"takes 3 CPUs for each of 4 GPUs .* the cluster at auto has 11; lower"):
        check(config, "auto")


def test_a_cluster_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = ModuleType("ray")

    def refuse(**options: object) -> None:
        raise ConnectionError("nobody there\nat all")

    ray.__dict__.update(init=refuse, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 10.0.0.1:6379 \(nobody there\); start it"):
        cluster_size("10.0.0.1:6379")


@pytest.mark.usefixtures("everything")
def test_a_reader_that_does_not_answer_is_told(verl_run: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memalpha.agent.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setattr("memalpha.agent.endpoint._FIRST_WAIT_SECONDS", 0.0)
    config = replace(verl_run, reward=RewardConfig(reader="http://127.0.0.1:9/v1", reader_model="judge"))
    with pytest.raises(ModelError, match='the reader "judge" does not answer'):
        check(config, None)


@pytest.mark.usefixtures("everything")
def test_the_model_of_the_last_checkpoint_is_the_trained_one(verl_run: TrainConfig, tmp_path: Path) -> None:
    def trains(command: tuple[str, ...]) -> int:
        checkpoints = tmp_path / "first" / "verl" / CHECKPOINTS
        policy = checkpoints / "global_step_2" / "actor" / "huggingface"
        policy.mkdir(parents=True)
        (policy / "config.json").write_text('{"trained": true}', encoding="utf-8")
        (checkpoints / "latest_checkpointed_iteration.txt").write_text("2", encoding="utf-8")
        return 0

    policy = run_job(verl_run, tmp_path / "first", start=trains)
    assert policy == tmp_path / "first" / "policy"
    assert (policy / "config.json").read_text(encoding="utf-8") == '{"trained": true}'


@pytest.mark.usefixtures("everything")
def test_a_job_that_fails_is_told_and_stays(verl_run: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"verl ended with status 3; .* to go on from the last checkpoint"):
        run_job(verl_run, tmp_path / "first", start=lambda command: 3)
    assert (tmp_path / "first" / "verl" / "job.yaml").is_file()
    with pytest.raises(TrainingError, match="verl ended without a checkpoint"):
        run_job(verl_run, tmp_path / "first", start=lambda command: 0)


def test_how_a_job_is_started_by_hand(verl_run: TrainConfig, tmp_path: Path) -> None:
    job = write_job(verl_run, tmp_path / "first")
    assert steps_by_hand(job, verl_run) == f"Start it with: sh {job.folder}/launch.sh"
    three = replace(verl_run, engine=replace(verl_run.engine, nodes=3))
    assert "On each of the other 2: sh" in steps_by_hand(job, three)
