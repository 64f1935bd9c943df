"""One update of fixed rows by verl's TrainingWorker with FSDP2 on gloo; prints loss and gradient norm as JSON.

Run by python for one rank, by torchrun for more: parity.py FOLDER-OF-A-JOB ROWS.json
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from tensordict import TensorDict
from verl.utils import tensordict_utils
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import TrainingWorkerConfig
from verl.workers.engine_workers import TrainingWorker
from verl.workers.utils.losses import ppo_loss

torch.set_num_threads(1)
OVERRIDES = [
    "actor_rollout_ref.rollout.name=cpu",
    "actor_rollout_ref.model.use_remove_padding=False",
    "+actor_rollout_ref.model.override_config.attn_implementation=sdpa",
    "actor_rollout_ref.actor.use_torch_compile=False",
    "actor_rollout_ref.actor.fsdp_config.use_torch_compile=False",
    "actor_rollout_ref.actor.optim.total_training_steps=2",
]


def nested(values: list[list[float]], dtype: torch.dtype) -> torch.Tensor:
    return torch.nested.as_nested_tensor([torch.tensor(each, dtype=dtype) for each in values], layout=torch.jagged)


def batch_of(rows: list[dict]) -> TensorDict:
    prompts, responses = [row["prompt_ids"] for row in rows], [row["token_ids"] for row in rows]
    whole = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
    ones = [[1] * len(response) for response in responses]
    fields = {
        "prompts": nested(prompts, torch.int64),
        "responses": nested(responses, torch.int64),
        "input_ids": nested(whole, torch.int64),
        "position_ids": nested([list(range(len(each))) for each in whole], torch.int64),
        "response_mask": nested(ones, torch.int64),
        "loss_mask": nested(ones, torch.int64),
        "old_log_probs": nested([row["logprobs"] for row in rows], torch.float32),
        "advantages": nested([row["advantages"] for row in rows], torch.float32),
    }
    return TensorDict(fields, batch_size=len(rows))


def main(folder: Path, rows: list[dict]) -> None:
    with initialize_config_dir(str(folder), version_base=None):
        config = compose("job", overrides=["hydra.searchpath=[pkg://verl.trainer.config]", *OVERRIDES])
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    model = omega_conf_to_dataclass(config.actor_rollout_ref.model)
    actor.model_config = model
    worker = TrainingWorker(
        TrainingWorkerConfig(
            model_type="language_model",
            model_config=model,
            engine_config=actor.engine,
            optimizer_config=actor.optim,
            checkpoint_config=actor.checkpoint,
        )
    )
    engine = worker.engine_config
    engine.use_dynamic_bsz = config.actor_rollout_ref.actor.use_dynamic_bsz
    engine.max_token_len_per_gpu = config.actor_rollout_ref.actor.ppo_max_token_len_per_gpu
    worker.reset()
    worker.set_loss_fn(partial(ppo_loss, config=actor))
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    data = batch_of(rows[rank::ranks])
    tensordict_utils.assign_non_tensor(
        data,
        global_batch_size=len(rows),
        mini_batch_size=len(rows),
        epochs=1,
        seed=0,
        temperature=config.actor_rollout_ref.rollout.temperature,
        calculate_entropy=False,
        distillation_use_topk=False,
        distillation_only=False,
    )
    metrics = tensordict_utils.get(worker.train_mini_batch(data), "metrics")
    if rank == 0:
        result = {"loss": metrics["loss"][0], "gradient_norm": metrics["grad_norm"][0]}
        sys.stdout.write(f"RESULT {json.dumps(result)}\n")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
