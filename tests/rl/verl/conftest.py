"""A short run in verl's hands, on a CPU."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from memalpha.rl.config import DataConfig, EngineConfig, OptimConfig, Precision, RolloutConfig, RunConfig, TrainConfig

HERE = Path(__file__).parent
ON_A_CPU = {
    "VERL_PLATFORM": "cpu",
    "VERL_ENGINE_DEVICE": "cuda",  # the engine that verl registers for GPUs
    "VERL_USE_EXTERNAL_MODULES": "cpu_platform",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "RAY_DEDUP_LOGS": "0",
    "RAY_worker_niceness": "0",  # else whatever runs beside the test goes first
}


@pytest.fixture(scope="session")
def verl_run(quoting_qwen: Path) -> TrainConfig:
    """Two steps of two episodes with four samples each; the trainer's log-probabilities are computed beside those of
    the sampler."""
    return TrainConfig(
        run=RunConfig(model=str(quoting_qwen), steps=2, validate_every=2),
        data=DataConfig(tokens=200, validation_episodes=2),
        rollout=RolloutConfig(episodes=2, group=4, max_new_tokens=24),
        optim=OptimConfig(rate=1e-2, warm_up=0, minibatches=1, importance_cap=2.0),
        engine=EngineConfig(
            device="cuda",
            threads=1,
            precision=Precision.FP32,
            micro_batch_tokens=1024,
            checkpoint_every=1,
            trackers=(),
        ),
    )


@pytest.fixture(scope="session")
def on_a_cpu() -> Callable[[Sequence[str]], subprocess.CompletedProcess[str]]:
    """Runs Python with verl on a CPU."""

    def run(
        arguments: Sequence[str], more: Mapping[str, str] | None = None, timeout: float = 840
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(HERE / "cpu"), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, *arguments],
            env=os.environ | ON_A_CPU | {"PYTHONPATH": path} | dict(more or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
