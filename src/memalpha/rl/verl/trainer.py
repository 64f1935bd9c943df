"""verl's trainer with our advantages: the synchronous one, given rows that teach something and an advantage a token.

verl loads this module through the entry point group `verl.plugins`; needs verl.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
import transfer_queue as tq
from omegaconf import DictConfig
from tensordict import TensorDict
from transfer_queue import KVBatchMeta
from verl.trainer.ppo.v1.trainer_base import register_trainer
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.metric import reduce_metrics
from verl.utils.py_functional import rename_dict

from memalpha.errors import TrainingError
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.rows import Row
from memalpha.rl.verl.groups import FAILED, FIELD, deal, learn_from, measures, token_advantages
from memalpha.rl.verl.settings import NAME

_NAMES = {
    "actor/pg_loss": "loss",
    "actor/pg_clipfrac": "clip_share",
    "actor/ppo_kl": "approx_kl",
    "actor/grad_norm": "gradient_norm",
    "timing_s/gen": "rollout_seconds",
    "timing_s/update_actor": "update_seconds",
    "val-core/memalpha/reward/mean@1": "validation_score",
    "val-aux/memalpha/memory_share/mean@1": "validation_memory_share",
}
"""Metrics that verl knows by another name than the local loop."""


@register_trainer(NAME)
class EpisodeTrainer(PPOTrainerSync):  # type: ignore[misc] # verl has no types of its own
    """Rows and advantages by `memalpha.rl.rows`; sampling, updates, weights and checkpoints are verl's."""

    def __init__(self, config: DictConfig) -> None:
        """Read the run that the job belongs to."""
        self._run = RunFolder(path=Path(config.memalpha.job).parent)
        self._settings = self._run.config()
        self._rows: dict[str, Row] = {}
        self._parts = 0
        """Optimiser updates of this step; 0 when nothing teaches."""
        self._told: dict[str, float] = {}
        super().__init__(config)

    def _build_replay_buffer(self) -> Any:
        self.trainer_mode = "sync"  # decides between the buffers by this name
        return super()._build_replay_buffer()

    def on_train_begin(self) -> None:
        """Forget the metrics of steps that are run again."""
        self._run.forget_after(self.global_steps - 1)
        super().on_train_begin()

    def _balance_batch(self, batch: KVBatchMeta, metrics: dict[str, Any], **kwargs: Any) -> KVBatchMeta:
        """Keep the rows that teach, and deal them to ranks and updates."""
        fields = _extra_fields(batch)
        self._rows = learn_from(
            fields,
            self._settings,
            progress=(self.global_steps - 1) / self._settings.run.steps,
            groups=self.config.data.train_batch_size,
        )
        taught = [key for key in batch.keys if self._rows[key].teaches]
        groups = {row.group for row in self._rows.values()}
        self._told = measures(fields) | {
            "sampled_rows": float(len(self._rows)),
            "rows": float(len(taught)),
            "dropped_groups": float(len(groups - {self._rows[key].group for key in taught})),
        }
        batch, idle = _split(batch, set(taught)) if taught else (batch, [])
        if idle:
            tq.kv_clear(keys=idle, partition_id=batch.partition_id)
        ranks = max(self.actor_rollout_wg._query_dispatch_info("actor")) + 1
        self._parts = max(1, min(self._settings.optim.minibatches, len(taught) // ranks)) if taught else 0
        batch = super()._balance_batch(batch, metrics, **kwargs)
        self._shuffle(batch, ranks)
        return batch

    def _get_required_batch_multiple(self, dp_size: int) -> int:
        return dp_size * max(1, self._parts)

    def _shuffle(self, batch: KVBatchMeta, ranks: int) -> None:
        """Shuffle the rows of each rank, then deal them to the updates."""
        rng = random.Random(self.global_steps)
        width = len(batch) // ranks
        order = [at for rank in range(ranks) for at in rng.sample(range(rank * width, (rank + 1) * width), width)]
        batch.reorder(order)
        batch.reorder(deal([bool(tag.get("is_padding")) for tag in batch.tags], ranks, max(1, self._parts)))

    def _compute_advantage(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """Everything that verl computes there, with our advantages in place of its own."""
        batch = super()._compute_advantage(batch, metrics)
        values = [
            token_advantages(self._rows[key]) if key in self._rows else [0.0] * tag["response_len"]
            for key, tag in zip(batch.keys, batch.tags, strict=True)
        ]
        nested = torch.nested.as_nested_tensor([torch.tensor(each) for each in values], layout=torch.jagged)
        fields = TensorDict({"advantages": nested, "returns": nested}, batch_size=len(batch))
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)

    def _update_actor(self, batch: KVBatchMeta, metrics: dict[str, Any]) -> KVBatchMeta:
        """The configured number of optimiser updates, however many rows there are."""
        if self._parts == 0:
            return batch
        actor = self.config.actor_rollout_ref.actor
        batch.extra_info.update(
            {
                "calculate_entropy": actor.calculate_entropy,
                "distillation_use_topk": False,
                "distillation_only": False,
                "global_batch_size": len(batch) // self._parts,
                "mini_batch_size": len(batch) // self._parts,
                "epochs": actor.ppo_epochs,
                "seed": actor.data_loader_seed,
                "dataloader_kwargs": {"shuffle": False},
                "temperature": self.config.actor_rollout_ref.rollout.temperature,
            }
        )
        output = rename_dict(self.actor_rollout_wg.update_actor(batch)["metrics"], "actor/")
        output["perf/mfu/actor"] = output.pop("actor/mfu")
        metrics.update(reduce_metrics(output))
        return batch

    def _compute_metrics(self, batch: KVBatchMeta, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Our own among verl's, and a line of metrics.jsonl as the local loop writes it."""
        super()._compute_metrics(batch, metrics, *args, **kwargs)
        named = {ours: float(metrics[theirs]) for theirs, ours in _NAMES.items() if theirs in metrics}
        self._run.log_metrics({"step": self.global_steps} | self._told | named)
        metrics.update({f"{NAME}/{name}": value for name, value in self._told.items()})

    def _val_metrics_update(
        self, sources: Any, uids: Any, infos: dict[str, list[Any]], *args: Any, **kwargs: Any
    ) -> Any:
        reasons = [each for each in infos.pop(FAILED, []) if each]
        if reasons:
            raise TrainingError(f"a sample failed in validation: {reasons[0]}; the last checkpoint is whole")
        return super()._val_metrics_update(sources, uids, infos, *args, **kwargs)


def _extra_fields(batch: KVBatchMeta) -> dict[str, Any]:
    """By key, our part of what the agent loop added to its row."""
    if not batch.keys:
        return {}
    found = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"])
    return {key: each[FIELD] for key, each in zip(batch.keys, found.pop("extra_fields").tolist(), strict=True)}


def _split(batch: KVBatchMeta, kept: set[str]) -> tuple[KVBatchMeta, list[str]]:
    """The batch with some of its rows, and the keys of the others."""
    pairs = [(key, tag) for key, tag in zip(batch.keys, batch.tags, strict=True) if key in kept]
    left = KVBatchMeta(
        keys=[key for key, _ in pairs],
        tags=[tag for _, tag in pairs],
        partition_id=batch.partition_id,
        fields=batch.fields,
        extra_info=batch.extra_info,
    )
    return left, [key for key in batch.keys if key not in kept]
