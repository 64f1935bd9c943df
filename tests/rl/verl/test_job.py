"""The folder of a job: all that verl reads, and how its newest model is found."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from memalpha.data.parquet import read_rows
from memalpha.errors import CheckpointError, ConfigError
from memalpha.records import read_episodes
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import TrainConfig
from memalpha.rl.verl.job import EPISODES, HEAD, LAUNCH, WORKER, newest_policy, read_job, to_yaml, write_job
from memalpha.rl.verl.settings import AGENT, CHECKPOINTS, DRAFT, TRAINING, VALIDATION


def test_a_job_holds_all_that_verl_reads(verl_run: TrainConfig, tmp_path: Path) -> None:
    job = write_job(verl_run, tmp_path / "first")
    assert job.folder == tmp_path / "first" / "verl"
    assert read_job(job.folder) == RunFolder(path=tmp_path / "first").config() == verl_run
    episodes = tuple(read_episodes(job.folder / EPISODES))
    rows = [row for _, row in read_rows(job.folder / TRAINING)]
    assert [row["step"] for row in rows] == [0, 0, 1, 1]
    assert [row["prompt"] for row in rows] == [episodes[row["episode"]].id for row in rows]
    assert len([*read_rows(job.folder / VALIDATION)]) == 2
    draft = (job.folder / DRAFT).read_text(encoding="utf-8")
    assert f'train_files: "{job.folder / TRAINING}"' in draft
    assert "  train_batch_size: 2\n" in draft
    agent = (job.folder / AGENT).read_text(encoding="utf-8")
    assert agent.splitlines() == [
        '- name: "memalpha"',
        '  _target_: "memalpha.rl.verl.loop.EpisodeLoop"',
        f'  job: "{job.folder}"',
    ]
    assert job.command[1:] == (
        "-m",
        "verl.trainer.main_ppo",
        "--config-dir",
        str(job.folder),
        "--config-name",
        "job",
    )
    launch = (job.folder / LAUNCH).read_text(encoding="utf-8").splitlines()
    assert launch == ["#!/bin/sh", f"exec {shlex.join(job.command)}"]
    assert not (job.folder / HEAD).exists()


def test_several_machines_have_what_each_runs(verl_run: TrainConfig, tmp_path: Path) -> None:
    config = replace(verl_run, engine=replace(verl_run.engine, nodes=2, gpus=8))
    job = write_job(config, tmp_path / "first")
    head, worker = ((job.folder / name).read_text(encoding="utf-8").splitlines()[-1] for name in (HEAD, WORKER))
    assert head.endswith("/ray start --head --port 6379 --num-gpus 8")
    assert worker.endswith('/ray start --address "$1:6379" --num-gpus 8')


def test_without_held_out_episodes_verl_has_a_row_that_it_never_asks(verl_run: TrainConfig, tmp_path: Path) -> None:
    job = write_job(replace(verl_run, data=replace(verl_run.data, validation_episodes=0)), tmp_path / "first")
    assert len([*read_rows(job.folder / VALIDATION)]) == 1
    assert "  test_freq: -1\n" in (job.folder / DRAFT).read_text(encoding="utf-8")


def test_a_job_may_be_written_again_but_not_for_another_configuration(verl_run: TrainConfig, tmp_path: Path) -> None:
    first = write_job(verl_run, tmp_path / "first")
    RunFolder(path=tmp_path / "first").log_metrics({"step": 1})
    assert write_job(verl_run, tmp_path / "first") == first
    other = replace(verl_run, run=replace(verl_run.run, seed=1))
    with pytest.raises(CheckpointError, match=r"another configuration \(run.seed was 0 and is now 1\)"):
        write_job(other, tmp_path / "first")


def test_what_verl_cannot_do_writes_nothing(verl_run: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write_job(replace(verl_run, engine=replace(verl_run.engine, device="cpu")), tmp_path / "first")
    assert not (tmp_path / "first").exists()


def test_the_newest_model_is_found_where_it_is_whole(tmp_path: Path) -> None:
    assert newest_policy(tmp_path) is None
    policy = tmp_path / CHECKPOINTS / "global_step_4" / "actor" / "huggingface"
    policy.mkdir(parents=True)
    (tmp_path / CHECKPOINTS / "latest_checkpointed_iteration.txt").write_text("4", encoding="utf-8")
    with pytest.raises(CheckpointError, match="expected the model of verl's newest checkpoint"):
        newest_policy(tmp_path)
    (policy / "config.json").write_text("{}", encoding="utf-8")
    assert newest_policy(tmp_path) == policy


def test_yaml_by_hand() -> None:
    tree = {"a": {"b": 1, "c": {"d": [1, "x"]}}, "e": {}, "f": None, "g": True, "h": "1e-6 ${x}"}
    assert to_yaml(tree).splitlines() == [
        "a:",
        "  b: 1",
        "  c:",
        '    d: [1, "x"]',
        "e: {}",
        "f: null",
        "g: true",
        'h: "1e-6 ${x}"',
    ]
    assert to_yaml([{"name": "x", "n": 1}, {"name": "y"}]) == '- name: "x"\n  n: 1\n- name: "y"\n'


def test_scripts_can_be_read_by_all(verl_run: TrainConfig, tmp_path: Path) -> None:
    job = write_job(verl_run, tmp_path / "with space")
    assert os.access(job.folder / LAUNCH, os.R_OK)
    line = (job.folder / LAUNCH).read_text(encoding="utf-8").splitlines()[-1]
    assert shlex.split(line)[1:] == list(job.command)


def test_a_run_of_the_local_engine_is_not_gone_on_with(verl_run: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-000005").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"was begun by the local engine; leave --engine out to go on, or give"):
        write_job(verl_run, tmp_path)
