"""A configuration in verl's words (verl 0.9.1): pure, and needs nothing of verl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memalpha.agent.local import SHIPPED
from memalpha.errors import ConfigError
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import OptimConfig, TrainConfig
from memalpha.rl.learner import GRADIENT_NORM
from memalpha.rl.low_rank import SCALE
from memalpha.rl.objective import Aggregation, LossConfig, LossKind

NAME = "memalpha"
"""Of our agent loop and of our trainer in verl's registries."""
DRAFT = "job.yaml"
TRAINING, VALIDATION, AGENT, CHECKPOINTS = "train.parquet", "validation.parquet", "agent.yaml", "checkpoints"
"""Beside it in the folder of a job."""
_SERVER_MEMORY = 0.6
"""Share of a GPU's memory that the sampler may take; it gives it back for the update."""
_FLOOR = 0.2
"""The learning rate falls to this share, as it does in the local loop."""


def refuse(config: TrainConfig) -> None:
    """Raise `ConfigError` for what verl cannot do."""
    if config.optim.estimator is Estimator.BRANCHED:
        raise ConfigError(
            'optim.estimator is "branched", expected pooled, trajectory or per_step with --engine verl: a sample there '
            "knows nothing of its group; take one of those, or train with --engine local"
        )
    if config.optim.aggregation is not Aggregation.TOKEN_MEAN:
        raise ConfigError(
            f'optim.aggregation is "{config.optim.aggregation}", expected "token_mean" with --engine verl; take that, '
            "or train with --engine local"
        )
    if config.engine.device.split(":")[0] != "cuda":
        raise ConfigError(
            f'engine.device is "{config.engine.device}", expected "cuda" with --engine verl; set it, or train with '
            "--engine local"
        )
    if config.engine.micro_batch_tokens <= config.rollout.max_new_tokens:
        raise ConfigError(
            f"engine.micro_batch_tokens is {config.engine.micro_batch_tokens}, expected more than "
            f"rollout.max_new_tokens, {config.rollout.max_new_tokens}: with --engine verl it bounds a prompt with its "
            "completion"
        )


def settings(config: TrainConfig, folder: Path, *, episodes: int, address: str | None = None) -> dict[str, Any]:
    """What differs from verl's defaults, in its own tables.

    Args:
        config: Of the run.
        folder: Of the job; verl reads and writes there from every machine.
        episodes: Of one step, fewer than `rollout.episodes` where there are no more.
        address: Of a Ray cluster that runs already; None starts one on this machine.
    """
    validate = config.run.validate_every or -1
    return {
        "defaults": ["ppo_trainer", "_self_"],
        "hydra": {"run": {"dir": str(folder)}, "output_subdir": None},  # else it litters the working folder
        NAME: {"job": str(folder)},
        "data": {
            "train_files": str(folder / TRAINING),
            "val_files": str(folder / VALIDATION),
            "train_batch_size": episodes,
            "max_prompt_length": config.engine.micro_batch_tokens - config.rollout.max_new_tokens,
            "max_response_length": config.rollout.max_new_tokens,
            "shuffle": False,  # the schedule has an order of its own
            "dataloader_num_workers": 0,
        },
        "algorithm": {
            "adv_estimator": "grpo",  # ours are put in its place
            "rollout_correction": _correction(config.optim.importance_cap),
        },
        "actor_rollout_ref": {
            "model": _model(config),
            "actor": _actor(config),
            "rollout": _rollout(config, folder),
        },
        "trainer": {
            "v1": {"trainer_mode": NAME},
            "nnodes": config.engine.nodes,
            "n_gpus_per_node": config.engine.gpus,
            "total_epochs": 1,
            "total_training_steps": config.run.steps,
            "save_freq": config.engine.checkpoint_every,
            "test_freq": validate if config.data.validation_episodes else -1,
            "val_before_train": False,
            "max_actor_ckpt_to_keep": 2,
            "default_local_dir": str(folder / CHECKPOINTS),
            "project_name": NAME,
            "experiment_name": folder.parent.name,
            "logger": ["console", *config.engine.trackers],
        },
        "ray_kwargs": {"ray_init": _ray(folder, address)},
    }


def _correction(cap: float) -> dict[str, Any]:
    """Where the sampler computes otherwise, verl weighs each token; else its log-probabilities are the old ones."""
    if cap == 0:
        return {"bypass_mode": True, "rollout_is": None}
    return {"bypass_mode": False, "rollout_is": "token", "rollout_is_threshold": cap}


def _model(config: TrainConfig) -> dict[str, Any]:
    where = SHIPPED.get(config.run.model, Path(config.run.model))
    return {
        "path": str(where.resolve()) if where.is_dir() else config.run.model,
        "enable_gradient_checkpointing": config.engine.gradient_checkpointing,
        "lora_rank": config.optim.lora_rank,
        "lora_alpha": int(SCALE * config.optim.lora_rank) or 16,
        "target_modules": "all-linear",
    }


def _actor(config: TrainConfig) -> dict[str, Any]:
    optim, loss = config.optim, LossConfig()
    return {
        "strategy": "fsdp2",
        "fsdp_config": {
            "model_dtype": config.engine.weights.value,
            "mixed_precision": {
                "param_dtype": config.engine.precision.value,
                "reduce_dtype": "fp32",
                "buffer_dtype": "fp32",
            },
        },
        "optim": _optimiser(optim, config.run.steps),
        "grad_clip": GRADIENT_NORM,
        "policy_loss": {"loss_mode": "cispo" if optim.loss is LossKind.CISPO else "vanilla"},
        "clip_ratio_low": 1.0 if optim.loss is LossKind.CISPO else optim.clip_low,  # cispo has no lower bound here
        "clip_ratio_high": optim.clip_high,
        "clip_ratio_c": loss.dual_clip,
        "loss_agg_mode": "token-mean",
        "use_kl_loss": optim.kl > 0,
        "kl_loss_coef": optim.kl,
        "kl_loss_type": "low_var_kl",
        "use_dynamic_bsz": True,
        "ppo_max_token_len_per_gpu": config.engine.micro_batch_tokens,
        "checkpoint": {"save_contents": ["model", "optimizer", "extra", "hf_model"]},
    }


def _optimiser(optim: OptimConfig, steps: int) -> dict[str, Any]:
    return {
        "lr": optim.rate,
        "betas": [0.9, 0.99],
        "weight_decay": 0.0,
        "lr_warmup_steps": min(optim.warm_up // optim.minibatches, steps - 1),
        "lr_scheduler_type": "cosine",
        "min_lr_ratio": _FLOOR,
    }


def _rollout(config: TrainConfig, folder: Path) -> dict[str, Any]:
    return {
        "name": "vllm",
        "n": config.rollout.group,
        "temperature": config.rollout.temperature,
        "dtype": "bfloat16",
        "max_model_len": config.engine.micro_batch_tokens,
        "max_num_batched_tokens": max(8192, config.engine.micro_batch_tokens),
        "tensor_model_parallel_size": 1,
        "gpu_memory_utilization": _SERVER_MEMORY,
        "load_format": "safetensors" if config.optim.lora_rank else "dummy",
        "calculate_log_probs": True,
        "val_kwargs": {"n": 1, "temperature": 0, "do_sample": False},
        "agent": {
            "num_workers": max(1, config.engine.nodes * config.engine.gpus),
            "default_agent_loop": NAME,
            "agent_loop_config_path": str(folder / AGENT),
        },
    }


def _ray(folder: Path, address: str | None) -> dict[str, Any]:
    told = {"TENSORBOARD_DIR": str(folder.parent / "tensorboard")}
    start: dict[str, Any] = {"runtime_env": {"env_vars": told}}
    return start | ({"address": address} if address else {})
