"""A step of GRPO by TRL's trainer, for benchmarks/speed.py; needs the extra `bench`.

TRL wants one completion for each prompt of its data set; `_generate_and_score_completions` is the place where it takes
any rows. It samples by its own `generate`, scores by its own pass and runs its own loop, which waits there, in a thread
of its own, until the next rows are handed over.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import torch
from datasets import Dataset
from engines import Generating, generating, pad
from trl import GRPOConfig, GRPOTrainer

from memalpha.agent.local import LocalModel
from memalpha.agent.model import Sampling
from memalpha.rl.config import Precision, TrainConfig
from memalpha.rl.objective import LossConfig
from memalpha.rl.rows import Row

ROWS = 16
"""Of one backward pass."""
__all__ = ["Trl"]


class _Over(Exception):  # noqa: N818 -- nothing went wrong
    """No more rows will come."""


class _Trainer(GRPOTrainer):  # type: ignore[misc]
    """Takes rows where TRL would sample them."""

    rows: queue.Queue[Sequence[Row] | None]
    ready: queue.Queue[BaseException | None]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, torch.Tensor]:
        self.ready.put(None)
        rows = self.rows.get()
        if rows is None:
            raise _Over
        missing = -len(rows) % self.args.steps_per_generation
        masked = [*[1] * len(rows), *[0] * missing]
        return tensors([*rows, *rows[:missing]], masked)


def tensors(rows: Sequence[Row], counted: Sequence[int]) -> dict[str, torch.Tensor]:
    """What TRL's loss reads; rows that are not counted have no sampled token."""
    prompt_ids, prompt_mask = pad([row.prompt_ids for row in rows], start=True)
    completion_ids, completion_mask = pad([row.token_ids for row in rows], start=False)
    completion_mask *= torch.tensor(counted)[:, None]
    advantages, old = torch.zeros(completion_ids.shape), torch.zeros(completion_ids.shape)
    for at, row in enumerate(rows):
        advantages[at, : len(row.token_ids)] = torch.tensor(row.token_advantages or [row.advantage])
        old[at, : len(row.token_ids)] = torch.tensor(row.logprobs)
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": advantages,
        "old_per_token_logps": old,
        "num_items_in_batch": completion_mask.sum(),
    }


class _Sampled(Generating):
    """Sampled as TRL samples."""

    trainer: _Trainer

    def generate(self, prompts: list[list[int]], sampling: Sampling) -> list[list[int]]:
        if sampling.temperature == 0:  # TRL only ever samples
            return super().generate(prompts, sampling)
        found: list[list[int]] = self.trainer._generate_single_turn(prompts, None, {}, 1)[0]
        return found


class Trl:
    name = "TRL"

    def __init__(self, config: TrainConfig) -> None:
        optim, loaded = config.optim, generating(config.run.model)
        sampled = _Sampled(loaded.network, loaded.tokenizer, name=config.run.model)
        self.model: LocalModel = sampled
        self._folder = TemporaryDirectory()
        steps = config.rollout.episodes * config.rollout.group
        accumulated = max(1, 128 // (ROWS * optim.minibatches))
        clip = LossConfig()
        settings = GRPOConfig(
            output_dir=self._folder.name,
            per_device_train_batch_size=ROWS,
            gradient_accumulation_steps=accumulated,
            steps_per_generation=accumulated * optim.minibatches,
            num_generations=config.rollout.group,
            max_completion_length=config.rollout.max_new_tokens,
            temperature=config.rollout.temperature,
            top_k=0,
            loss_type="dapo",
            beta=0.0,
            epsilon=optim.clip_low,
            epsilon_high=optim.clip_high,
            delta=clip.dual_clip,
            learning_rate=optim.rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=optim.warm_up,
            adam_beta2=0.99,
            weight_decay=0.0,
            max_grad_norm=1.0,
            max_steps=1_000_000,
            bf16=config.engine.precision is Precision.BF16,
            use_cpu=True,
            gradient_checkpointing=False,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        self._trainer = _Trainer(
            model=self.model.network,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),  # never asked
            args=settings,
            train_dataset=Dataset.from_dict({"prompt": ["-"] * max(128, steps)}),
            processing_class=self.model.tokenizer,
        )
        sampled.trainer = self._trainer
        self._trainer.rows, self._trainer.ready = queue.Queue(), queue.Queue()
        self._thread = threading.Thread(target=self._train, args=(torch.get_num_threads(),), daemon=True)
        self._thread.start()
        self._wait()

    def score(self, rows: Sequence[Row]) -> Sequence[Row]:
        batch = tensors(rows, [1] * len(rows))
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        with torch.no_grad():
            logprobs, _, _ = self._trainer._get_per_token_logps_and_entropies(
                self.model.network, ids, mask, batch["completion_ids"].shape[1], batch_size=ROWS
            )
        return [
            replace(row, logprobs=tuple(values[: len(row.token_ids)]))
            for row, values in zip(rows, logprobs.tolist(), strict=True)
        ]

    def update(self, rows: Sequence[Row], *, seed: int) -> None:
        torch.manual_seed(seed)
        self._trainer.rows.put(rows)
        self._wait()

    def close(self) -> None:
        """End TRL's loop."""
        self._trainer.rows.put(None)
        self._thread.join()
        self._folder.cleanup()

    def _wait(self) -> None:
        error = self._trainer.ready.get()
        if error is not None:
            raise error

    def _train(self, threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            self._trainer.train()
        except _Over:
            return
        except BaseException as error:  # noqa: BLE001 -- raised again by whoever waits
            self._trainer.ready.put(error)
