"""verl's own `main_ppo` on a CPU with our agent loop and our trainer: FSDP2 on gloo, one machine and two."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from memalpha.rl.config import TrainConfig
from memalpha.rl.verl.job import Job, write_job

pytestmark = [pytest.mark.verl, pytest.mark.timeout(900)]

Runs = Callable[..., subprocess.CompletedProcess[str]]
ON_A_CPU = (
    "actor_rollout_ref.rollout.name=cpu",
    "actor_rollout_ref.rollout.dtype=float32",
    "actor_rollout_ref.rollout.agent.num_workers=1",
    "actor_rollout_ref.model.use_remove_padding=False",
    "+actor_rollout_ref.model.override_config.attn_implementation=sdpa",
    "actor_rollout_ref.actor.use_torch_compile=False",
    "actor_rollout_ref.actor.fsdp_config.use_torch_compile=False",
    "trainer.device=cpu",
    "reward.num_workers=1",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
)
"""What a CPU needs otherwise; everything else is as it is for GPUs."""
NUMPY = re.compile(r"np\.\w+\(")
TWO_NODES = """
import subprocess, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 8, "num_gpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=8, num_gpus=1)
try:
    sys.exit(subprocess.run([*sys.argv[1:], f"+ray_kwargs.ray_init.address={cluster.address}"]).returncode)
finally:
    cluster.shutdown()
"""


def train(config: TrainConfig, run: Path, on_a_cpu: Runs, *, nodes: int = 1) -> tuple[Job, str]:
    """The job, and what verl said."""
    job = write_job(config, run)
    seen = {"SEEN_BY_THE_LOSS": str(run / "seen")}
    if nodes == 1:
        here = ("+ray_kwargs.ray_init.num_gpus=2", "ray_kwargs.ray_init.num_cpus=16")
        ended = on_a_cpu([*job.command[1:], *ON_A_CPU, *here, "+ray_kwargs.ray_init.include_dashboard=False"], seen)
    else:
        ended = on_a_cpu(["-c", TWO_NODES, *job.command, *ON_A_CPU], seen)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said[-6000:]
    return job, said


def steps_of(said: str) -> list[dict[str, float]]:
    """The metrics that verl printed, step by step."""
    found = []
    for line in said.splitlines():
        if "step:" in line and "actor/grad_norm:" in line:
            pairs = [part.split(":", 1) for part in line[line.index("step:") :].split(" - ")]
            found.append({name: float(NUMPY.sub("", value).rstrip(")")) for name, value in pairs})
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def check(job: Job, said: str, config: TrainConfig, run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    printed = steps_of(said)
    assert len(printed) == 2
    for line, shown in zip(lines, printed, strict=True):
        # Every chunk of every sample came back, and those that teach were learned from.
        assert 0 < line["rows"] <= shown["memalpha/sampled_rows"]
        assert shown["memalpha/sampled_rows"] == line["sampled_rows"] == chunks(job, int(line["step"]) - 1) * 4
        assert shown["training/rollout_probs_diff_max"] < 1e-5  # the sampler's are the trainer's, after each update
        assert shown["critic/advantages/max"] > 0 > shown["critic/advantages/min"]
        assert shown["actor/ppo_kl"] == pytest.approx(0.0, abs=1e-6)  # one update a step: nothing has moved yet
        assert line["gradient_norm"] > 0
    assert "validation_score" in lines[-1]
    seen = [row for file in run.glob("seen-*") for each in file.read_text().splitlines() for row in json.loads(each)]
    taught = [row for row in seen if row]  # the others are padding
    assert len(taught) == sum(line["rows"] for line in lines)
    assert len({row[-1] for row in taught}) > 4  # more than a sample each: every step has its own
    assert any(len(set(row)) > 1 for row in taught)  # and calls are credited apart
    before, after = weights(Path(config.run.model)), weights(job.folder / "checkpoints/global_step_2/actor/huggingface")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def chunks(job: Job, step: int) -> int:
    """Of the episodes of one step, those that are read."""
    from memalpha.data.parquet import read_rows
    from memalpha.records import read_episodes

    episodes = tuple(read_episodes(job.folder / "episodes.jsonl"))
    rows: list[dict[str, Any]] = [row for _, row in read_rows(job.folder / "train.parquet")]
    return sum(len(episodes[row["episode"]].chunks) - row["stored"] for row in rows if row["step"] == step)


def test_two_ranks_learn_from_every_chunk_and_the_sampler_follows(
    verl_run: TrainConfig, tmp_path: Path, on_a_cpu: Runs
) -> None:
    config = replace(verl_run, engine=replace(verl_run.engine, gpus=2))
    job, said = train(config, tmp_path / "run", on_a_cpu)
    check(job, said, config, tmp_path / "run")


def test_two_machines_do_the_same(verl_run: TrainConfig, tmp_path: Path, on_a_cpu: Runs) -> None:
    config = replace(verl_run, engine=replace(verl_run.engine, nodes=2))
    job, said = train(config, tmp_path / "run", on_a_cpu, nodes=2)
    check(job, said, config, tmp_path / "run")


def test_this_test_reads_what_verl_prints() -> None:
    line = "(TaskRunner) step:1 - actor/grad_norm:0.5 - critic/advantages/max:np.float64(1.5) - n:np.int32(2)"
    assert steps_of(line) == [{"step": 1.0, "actor/grad_norm": 0.5, "critic/advantages/max": 1.5, "n": 2.0}]
