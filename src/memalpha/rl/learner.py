"""The policy and its optimiser: rows in, one or more updates, metrics out.

The update runs the decoder once over prompt and completion and asks for logits of the sampled positions only; the
log-probabilities of the sampling policy are those recorded when sampling. A loss or gradient that is not finite raises
before any weight moves.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from memalpha.agent.device import memory_limit
from memalpha.agent.local import LocalModel
from memalpha.errors import ConfigError, TrainingError
from memalpha.rl.batch import MicroBatch, micro_batches, padding_share
from memalpha.rl.config import EngineConfig, OptimConfig, Precision
from memalpha.rl.loss import LossOutput, denominators, policy_loss, truncated_weights
from memalpha.rl.low_rank import LowRank
from memalpha.rl.objective import LossConfig
from memalpha.rl.rows import Row

GRADIENT_NORM = 1.0
"""Gradients are scaled down to this norm."""
_MENDS = " (or set engine.gradient_checkpointing=true) and start the run again: it resumes"
STOP_KL = 0.08
"""Nats a token: a policy this far from the one that sampled learns no more from the same rows (PPO's early stop)."""


class Learner:
    """Trains the network of a `LocalModel` in place, so that the next sample is drawn from the updated policy."""

    def __init__(
        self,
        model: LocalModel,
        optim: OptimConfig,
        *,
        engine: EngineConfig | None = None,
        temperature: float = 1.0,
        reference: LocalModel | None = None,
    ) -> None:
        """Prepare the optimiser.

        Args:
            model: The policy.
            optim: How it learns.
            engine: What it runs on.
            temperature: At which the rows were sampled; what is trained is the distribution they were drawn from.
            reference: What `optim.kl` keeps near, None is the policy as it is now; a frozen copy is kept.
        """
        self.model = model
        self.optim = optim
        self.engine = engine or EngineConfig()
        self.temperature = temperature
        self.updates = 0
        self._rate = optim.rate
        # Weights that were mapped from a file lie in memory as they lie there, and how they lie decides how kernels
        # round: in memory of its own a policy that was saved and loaded again goes on to the last digit.
        for parameter in model.network.parameters():
            parameter.data = parameter.data.clone()
        self.low_rank = LowRank(model.network, optim.lora_rank) if optim.lora_rank else None
        self._trained = self.low_rank.parameters() if self.low_rank else list(model.network.parameters())
        self.optimiser = torch.optim.AdamW(self._trained, lr=optim.rate, betas=(0.9, 0.99), weight_decay=0.0)
        if self.engine.gradient_checkpointing:
            # The newer of the two names, where transformers has it.
            enable = getattr(
                model.network, "activation_checkpointing_enable", model.network.gradient_checkpointing_enable
            )
            enable({"use_reentrant": False})
        self._loss = LossConfig(
            kind=optim.loss,
            aggregation=optim.aggregation,
            clip_low=optim.clip_low,
            clip_high=optim.clip_high,
            kl_weight=optim.kl,
        )
        # With low-rank matrices the initial policy is the network without them.
        apart = optim.kl > 0 and self.low_rank is None
        self._reference = copy.deepcopy((reference or model).network).requires_grad_(False) if apart else None

    def update(self, rows: Sequence[Row], *, seed: int, progress: float = 0.0) -> dict[str, float]:
        """At most `optim.minibatches` optimiser updates over the rows; raises `TrainingError` at what is not finite.

        `progress` is the share of the run that is over, in [0, 1]: the learning rate falls with it to a fifth.
        """
        self._rate = self.optim.rate * (1.0 - 0.8 * progress)
        if not rows:
            return {}
        order = list(range(len(rows)))
        random.Random(seed).shuffle(order)
        parts = [order[at :: self.optim.minibatches] for at in range(self.optim.minibatches)]
        metrics: list[dict[str, float]] = []
        with memory_limit("learning", f"lower engine.micro_batch_tokens, now {self.engine.micro_batch_tokens}{_MENDS}"):
            told = self.corrected(rows) if self.optim.importance_cap else rows
            for part in parts:
                if part:
                    metrics.append(self._update_once([told[at] for at in part]))
                    if metrics[-1]["approx_kl"] > STOP_KL:
                        break
        means = {name: sum(each[name] for each in metrics) / len(metrics) for name in metrics[0]}
        # Before the first update moves a weight, nothing but the way of computing tells trainer and sampler apart.
        mismatch = _distance(rows, told) if self.optim.importance_cap else metrics[0]["distance"]
        del means["distance"]
        return means | {"ratio_max": max(each["ratio_max"] for each in metrics), "mismatch_nats": mismatch}

    def save(self, folder: Path) -> None:
        """Write the policy as a model folder, low-rank matrices added to the weights."""
        if self.low_rank is None:
            self.model.network.save_pretrained(folder)
        else:
            self.share(lambda weights: self.model.network.save_pretrained(folder, state_dict=dict(weights)))
        self.model.tokenizer.save_pretrained(folder)

    def share(self, take: Callable[[Iterable[tuple[str, Tensor]]], None]) -> None:
        """Hand all weights by name to whoever samples from them or keeps them, low-rank matrices added.

        They are lent for the call only: copy what is to stay.
        """
        if self.low_rank is None:
            take(self.model.network.state_dict().items())
        else:
            with self.low_rank.merged():
                take(self.low_rank.weights())

    def corrected(self, rows: Sequence[Row]) -> list[Row]:
        """The rows as if the trainer had sampled them: its own log-probabilities, and advantages that make up for it.

        Each token's advantage counts by `truncated_weights`, cut at `optim.importance_cap`.
        """
        found: dict[int, Row] = {}
        for batch in micro_batches(rows, token_budget=self.engine.micro_batch_tokens):
            with torch.no_grad():
                trainer_NC = self._logprobs(self.model.network, batch).cpu()
            weights_NC = truncated_weights(trainer_NC, batch.logprobs_NC, cap=self.optim.importance_cap)
            advantages_NC = weights_NC * batch.advantages_NC
            for n, at in enumerate(batch.rows):
                sampled = slice(len(rows[at].token_ids))
                logprobs, advantages = trainer_NC[n, sampled].tolist(), advantages_NC[n, sampled].tolist()
                found[at] = replace(rows[at], logprobs=tuple(logprobs), token_advantages=tuple(advantages))
        return [found[at] for at in range(len(rows))]

    def _update_once(self, rows: Sequence[Row]) -> dict[str, float]:
        batches = micro_batches(rows, token_budget=self.engine.micro_batch_tokens)
        divisors_N = denominators(
            torch.tensor([len(row.token_ids) for row in rows]),
            aggregation=self.optim.aggregation,
            group_N=torch.tensor([row.group for row in rows]),
        )
        self.optimiser.zero_grad()
        outputs = []
        for batch in batches:
            output = self._loss_of(batch, divisors_N)
            torch.autograd.backward(output.loss)
            outputs.append(output)
        norm = torch.nn.utils.clip_grad_norm_(self._trained, GRADIENT_NORM)
        if not torch.isfinite(norm):
            self.optimiser.zero_grad()
            raise TrainingError(
                f"the gradient norm is {float(norm)} at update {self.updates + 1}, which changed no weight; start "
                "a new run with a lower optim.rate, and with the policy folder of the last checkpoint as run.model"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate * min(1.0, (self.updates + 1) / max(1, self.optim.warm_up))
        self.optimiser.step()
        self.updates += 1
        return {
            "loss": sum(float(each.loss.detach()) for each in outputs),
            "clip_share": sum(float(each.clip_share) for each in outputs),
            "approx_kl": sum(float(each.approx_kl) for each in outputs),
            "distance": sum(float(each.distance) for each in outputs),
            "ratio_max": max(float(each.ratio_max) for each in outputs),
            "gradient_norm": float(norm),
            "padding_share": padding_share(batches),
        }

    def _loss_of(self, batch: MicroBatch, divisors_N: Tensor) -> LossOutput:
        device = self.model.network.device
        with _checkpointing(self.model.network):
            logprobs_NC = self._logprobs(self.model.network, batch)
        return policy_loss(
            logprobs_NC,
            batch.logprobs_NC.to(device),
            batch.advantages_NC.to(device),
            batch.mask_NC.to(device),
            config=self._loss,
            reference_NL=self._reference_logprobs(batch) if self.optim.kl > 0 else None,
            denominator=divisors_N[list(batch.rows)].to(device),
        )

    @torch.no_grad()
    def _reference_logprobs(self, batch: MicroBatch) -> Tensor:
        if self._reference is not None:
            return self._logprobs(self._reference, batch)
        with self.low_rank.disabled() if self.low_rank else nullcontext():
            return self._logprobs(self.model.network, batch)

    def _logprobs(self, network: torch.nn.Module, batch: MicroBatch) -> Tensor:
        return sampled_logprobs(network, batch, self.engine.precision, self.temperature)


@contextmanager
def _checkpointing(network: torch.nn.Module) -> Iterator[None]:
    """Layers compute activations again in the backward pass, if they were told to; they do so only in training mode.

    What they are made of stays in evaluation mode, without dropout.
    """
    layers = [each for each in network.modules() if isinstance(each, GradientCheckpointingLayer)]
    for each in layers:
        each.training = each.gradient_checkpointing
    yield
    for each in layers:
        each.training = False


def _distance(rows: Sequence[Row], others: Sequence[Row]) -> float:
    """Mean absolute difference of the log-probabilities of the same tokens, in nats a token."""
    mine, theirs = ([each for row in part for each in row.logprobs] for part in (rows, others))
    return sum(abs(one - other) for one, other in zip(mine, theirs, strict=True)) / len(mine)


def sampled_logprobs(
    network: torch.nn.Module, batch: MicroBatch, precision: Precision, temperature: float = 1.0
) -> Tensor:
    """Log-probabilities [N, C] of the sampled tokens under `network` at `temperature`, in float32; 0 where padded.

    The network stays in evaluation mode, as it was when sampling: dropout would make the ratio to the sampling policy
    another one than 1.
    """
    decoder, head = _decoder_and_head(network)
    device = next(network.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision is Precision.BF16)
    mask_NC = batch.mask_NC.to(device).bool()
    with autocast:
        hidden_NLD = decoder(
            input_ids=batch.ids_NL.to(device), attention_mask=batch.attention_NL.to(device), use_cache=False
        ).last_hidden_state
        rows_NC = torch.arange(len(batch.rows), device=device)[:, None].expand_as(mask_NC)
        # Flattened to the sampled positions: padding costs no logits.
        logits_KV = head(hidden_NLD[rows_NC[mask_NC], batch.positions_NC.to(device)[mask_NC]])
    logprobs_K = torch.log_softmax(logits_KV.float() / temperature, dim=-1)
    chosen_K = logprobs_K.gather(1, batch.targets_NC.to(device)[mask_NC][:, None])[:, 0]
    return torch.zeros(mask_NC.shape, device=device).masked_scatter(mask_NC, chosen_K)


def _decoder_and_head(network: torch.nn.Module) -> tuple[torch.nn.Module, torch.nn.Module]:
    base = getattr(network, "model", None)
    head = getattr(network, "lm_head", None)
    if not isinstance(base, torch.nn.Module) or not isinstance(head, torch.nn.Module):
        raise ConfigError(
            f"got a network of class {type(network).__name__}, expected a decoder with `model` and `lm_head`, such as "
            "Qwen3, Llama or LFM2; use one of those"
        )
    return base, head
