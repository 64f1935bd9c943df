"""A configuration in verl's words: what each of our fields becomes, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from memalpha.errors import ConfigError
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import EngineConfig, OptimConfig, Precision, RolloutConfig, RunConfig, Tracker, TrainConfig
from memalpha.rl.objective import Aggregation, LossKind
from memalpha.rl.verl.settings import refuse, settings

CONFIG = TrainConfig(
    run=RunConfig(model="Qwen/Qwen3-4B", steps=205, validate_every=50),
    rollout=RolloutConfig(episodes=32, group=8, max_new_tokens=2048, temperature=0.9),
    optim=OptimConfig(rate=1e-6, minibatches=85, warm_up=850, clip_low=0.2, clip_high=0.25),
    engine=EngineConfig(
        device="cuda",
        micro_batch_tokens=16384,
        gradient_checkpointing=True,
        nodes=4,
        gpus=8,
        trackers=(Tracker.WANDB,),
    ),
)
FOLDER = Path("/shared/runs/first/verl")


def test_every_table_by_hand() -> None:
    found = settings(CONFIG, FOLDER, episodes=30)
    assert found["defaults"] == ["ppo_trainer", "_self_"]
    assert found["memalpha"] == {"job": "/shared/runs/first/verl"}
    assert found["data"]["train_batch_size"] == 30
    assert (found["data"]["max_prompt_length"], found["data"]["max_response_length"]) == (14336, 2048)
    assert found["data"]["shuffle"] is False
    trainer = found["trainer"]
    assert (trainer["nnodes"], trainer["n_gpus_per_node"]) == (4, 8)
    assert (trainer["total_training_steps"], trainer["save_freq"], trainer["test_freq"]) == (205, 5, 50)
    assert trainer["logger"] == ["console", "wandb"]
    assert trainer["experiment_name"] == "first"
    actor, rollout = found["actor_rollout_ref"]["actor"], found["actor_rollout_ref"]["rollout"]
    assert (actor["clip_ratio_low"], actor["clip_ratio_high"], actor["clip_ratio_c"]) == (0.2, 0.25, 3.0)
    assert actor["optim"]["lr"] == 1e-6
    assert actor["optim"]["lr_warmup_steps"] == 10  # 850 updates, 85 a step
    assert actor["ppo_max_token_len_per_gpu"] == rollout["max_model_len"] == 16384
    assert actor["fsdp_config"]["model_dtype"] == "fp32"
    assert actor["fsdp_config"]["mixed_precision"]["param_dtype"] == "bf16"
    assert actor["use_kl_loss"] is False
    assert (rollout["n"], rollout["temperature"]) == (8, 0.9)
    assert rollout["agent"]["num_workers"] == 32
    model = found["actor_rollout_ref"]["model"]
    assert (model["path"], model["lora_rank"], model["enable_gradient_checkpointing"]) == ("Qwen/Qwen3-4B", 0, True)
    assert "address" not in found["ray_kwargs"]["ray_init"]


def test_what_is_corrected_where_the_sampler_computes_otherwise() -> None:
    same = settings(CONFIG, FOLDER, episodes=1)["algorithm"]["rollout_correction"]
    assert same == {"bypass_mode": True, "rollout_is": None}
    capped = replace(CONFIG, optim=replace(CONFIG.optim, importance_cap=2.5))
    other = settings(capped, FOLDER, episodes=1)["algorithm"]["rollout_correction"]
    assert other == {"bypass_mode": False, "rollout_is": "token", "rollout_is_threshold": 2.5}


def test_cispo_has_no_lower_bound() -> None:
    config = replace(CONFIG, optim=replace(CONFIG.optim, loss=LossKind.CISPO))
    actor = settings(config, FOLDER, episodes=1)["actor_rollout_ref"]["actor"]
    assert (actor["policy_loss"], actor["clip_ratio_low"]) == ({"loss_mode": "cispo"}, 1.0)


def test_lora_and_the_distance_to_the_reference() -> None:
    config = replace(
        CONFIG,
        optim=replace(CONFIG.optim, lora_rank=32, kl=0.01),
        engine=replace(CONFIG.engine, weights=Precision.BF16, precision=Precision.FP32),
    )
    found = settings(config, FOLDER, episodes=1)["actor_rollout_ref"]
    assert (found["model"]["lora_rank"], found["model"]["lora_alpha"]) == (32, 64)
    assert found["rollout"]["load_format"] == "safetensors"
    assert (found["actor"]["use_kl_loss"], found["actor"]["kl_loss_coef"]) == (True, 0.01)
    assert found["actor"]["fsdp_config"]["model_dtype"] == "bf16"
    assert found["actor"]["fsdp_config"]["mixed_precision"]["param_dtype"] == "fp32"


def test_a_shipped_model_is_its_folder_and_a_cluster_is_joined() -> None:
    config = replace(CONFIG, run=RunConfig(model="nano-warm"))
    found = settings(config, FOLDER, episodes=1, address="10.0.0.1:6379")
    assert Path(found["actor_rollout_ref"]["model"]["path"]).joinpath("config.json").is_file()
    assert found["ray_kwargs"]["ray_init"]["address"] == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            replace(
                CONFIG,
                optim=replace(CONFIG.optim, estimator=Estimator.BRANCHED),
                rollout=replace(CONFIG.rollout, branches=1),
            ),
            'optim.estimator is "branched"',
        ),
        (
            replace(CONFIG, optim=replace(CONFIG.optim, aggregation=Aggregation.PROMPT_MEAN)),
            'optim.aggregation is "prompt_mean"',
        ),
        (replace(CONFIG, engine=replace(CONFIG.engine, device="cpu")), 'engine.device is "cpu", expected "cuda"'),
        (
            replace(CONFIG, engine=replace(CONFIG.engine, micro_batch_tokens=2048)),
            "engine.micro_batch_tokens is 2048, expected more than rollout.max_new_tokens, 2048",
        ),
    ],
    ids=["branched", "prompt_mean", "device", "context"],
)
def test_what_verl_cannot_do_is_refused_in_one_sentence(config: TrainConfig, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse(config)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
