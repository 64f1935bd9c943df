"""Checks what a job needs before anything heavy starts, then runs it, here or on a Ray cluster that is up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from memalpha.errors import ConfigError, MissingExtraError, TrainingError
from memalpha.rl.config import TrainConfig
from memalpha.rl.frozen import open_frozen
from memalpha.rl.verl.job import HEAD, LAUNCH, WORKER, Job, newest_policy, write_job
from memalpha.text import first_line
from memalpha.writing import writing

PACKAGES = ("verl", "ray", "transfer_queue", "tensordict", "vllm")
"""What a job imports; the first four come with the extra, vLLM fits the machine's CUDA."""

CPUS_OF_GPU = 3
"""Which verl 0.9.1 asks Ray for with each GPU, since as many of its workers may share one."""

Run = Callable[[tuple[str, ...]], int]


def run_job(config: TrainConfig, run: Path, *, address: str | None = None, start: Run | None = None) -> Path:
    """Train on GPUs and return the folder of the trained model, which is `run`/policy.

    Raises what `write_job` raises; `MissingExtraError` or `ConfigError` for what is not there; `ModelError` for a
    reader that does not answer; `TrainingError` when verl fails. What was trained until then stays.
    """
    check(config, address)
    job = write_job(config, run, address=address)
    status = (start or _run)(job.command)
    if status != 0:
        raise TrainingError(
            f"verl ended with status {status}; its last lines say why. Start the same command again to go on from the "
            "last checkpoint"
        )
    policy = newest_policy(job.folder)
    if policy is None:
        raise TrainingError(f"verl ended without a checkpoint in {job.folder}; look at its output")
    with writing(run / "policy"):
        shutil.copytree(policy, run / "policy", dirs_exist_ok=True)
    return run / "policy"


def check(config: TrainConfig, address: str | None) -> None:
    """Raise at once for what is missing: packages, machines, GPUs, the reader."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"--engine verl needs {missing[0]}, which is not installed; run: "
            "pip install 'memalpha[train,verl]' vllm==0.24.0"
        )
    wanted = config.engine.nodes * config.engine.gpus
    if config.engine.nodes > 1 and address is None:
        raise ConfigError(
            f"engine.nodes is {config.engine.nodes} and no --address was given; write the job with --dry-run, start "
            f"Ray by its {HEAD} and {WORKER}, then give --address"
        )
    gpus, cpus = (torch.cuda.device_count(), os.cpu_count() or 1) if address is None else cluster_size(address)
    place = "this machine" if address is None else f"the cluster at {address}"
    if gpus < wanted:
        raise ConfigError(
            f"engine.nodes × engine.gpus is {wanted}, but {place} has {gpus} GPUs; lower engine.gpus, or add machines"
        )
    if cpus < wanted * CPUS_OF_GPU:
        raise ConfigError(
            f"verl takes {CPUS_OF_GPU} CPUs for each of {wanted} GPUs and would wait for ever, since {place} has "
            f"{cpus}; lower engine.gpus, or give it more CPUs"
        )
    open_frozen(config.reward)


def cluster_size(address: str) -> tuple[int, int]:
    """GPUs and CPUs of a Ray cluster; raises `ConfigError` when none is there."""
    import ray

    try:
        ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        resources = ray.cluster_resources()
        return int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = first_line(error)
        raise ConfigError(
            f"no Ray cluster answers at {address} ({reason}); start it by {HEAD} and {WORKER}, then give its address"
        ) from error
    finally:
        ray.shutdown()


def steps_by_hand(job: Job, config: TrainConfig) -> str:
    """How to start a job that was only written."""
    if config.engine.nodes == 1:
        return f"Start it with: sh {job.folder / LAUNCH}"
    return (
        f"On the first machine: sh {job.folder / HEAD}. On each of the other {config.engine.nodes - 1}: "
        f"sh {job.folder / WORKER} FIRST-MACHINE. Then on the first: sh {job.folder / LAUNCH}"
    )


def _run(command: tuple[str, ...]) -> int:
    return subprocess.run(command, check=False).returncode
