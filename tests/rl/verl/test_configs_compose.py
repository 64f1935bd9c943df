"""Every configuration for GPUs composes with verl's own and passes its checks."""

from dataclasses import replace
from pathlib import Path

import pytest

from memalpha.rl.config import DataConfig, RewardConfig, RunConfig, TrainConfig
from memalpha.rl.config_file import load_config
from memalpha.rl.verl.job import write_job

pytestmark = pytest.mark.verl

CONFIGS = Path(__file__).parents[3] / "configs"
FOR_VERL = sorted(path for path in CONFIGS.glob("*.toml") if load_config(path).engine.nodes > 1)


def test_there_are_configurations_for_clusters() -> None:
    assert {"paper-4b", "paper-4b-beta-0", "paper-4b-gamma-0"} <= {path.stem for path in FOR_VERL}


@pytest.mark.parametrize("path", FOR_VERL, ids=lambda path: path.stem)
def test_it_composes_and_passes_the_checks_of_verl(path: Path, quoting_qwen: Path, tmp_path: Path) -> None:
    from hydra import compose, initialize_config_dir
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import omega_conf_to_dataclass, validate_config

    config: TrainConfig = load_config(path)
    # Neither the weights nor the data of the paper are here: everything else is as it ships.
    config = replace(
        config,
        run=RunConfig(model=str(quoting_qwen), steps=1, validate_every=config.run.validate_every),
        data=DataConfig(tokens=500, validation_episodes=1),
        reward=RewardConfig(preset=config.reward.preset),
    )
    job = write_job(config, tmp_path / "run")
    with initialize_config_dir(str(job.folder), version_base=None):
        composed = compose("job", overrides=["hydra.searchpath=[pkg://verl.trainer.config]"])
    validate_config(composed, need_reference_policy(composed), need_critic(composed))
    actor = omega_conf_to_dataclass(composed.actor_rollout_ref.actor)
    rollout = omega_conf_to_dataclass(composed.actor_rollout_ref.rollout)
    omega_conf_to_dataclass(composed.actor_rollout_ref.model)
    assert actor.optim.lr == config.optim.rate
    assert (rollout.n, rollout.name) == (config.rollout.group, "vllm")
    assert composed.trainer.nnodes == config.engine.nodes
