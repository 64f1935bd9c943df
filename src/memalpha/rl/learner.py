"""The policy and its optimiser: rows in, one or more updates, metrics out.

The update runs the decoder once over prompt and completion and asks for logits of the sampled positions only; the
log-probabilities of the sampling policy are those recorded when sampling. A loss or gradient that is not finite raises
before any weight moves.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from memalpha.agent.local import LocalModel
from memalpha.errors import ConfigError, TrainingError
from memalpha.rl.batch import MicroBatch, micro_batches, padding_share
from memalpha.rl.config import EngineConfig, OptimConfig, Precision
from memalpha.rl.loss import LossOutput, denominators, policy_loss
from memalpha.rl.objective import LossConfig
from memalpha.rl.rollout import Row

GRADIENT_NORM = 1.0
"""Gradients are scaled down to this norm."""
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
        self.optimiser = torch.optim.AdamW(
            model.network.parameters(), lr=optim.rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._loss = LossConfig(
            kind=optim.loss,
            aggregation=optim.aggregation,
            clip_low=optim.clip_low,
            clip_high=optim.clip_high,
            kl_weight=optim.kl,
        )
        frozen = (reference or model).network
        self._reference = copy.deepcopy(frozen).requires_grad_(False) if optim.kl > 0 else None

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
        for part in parts:
            if part:
                metrics.append(self._update_once([rows[at] for at in part]))
                if metrics[-1]["approx_kl"] > STOP_KL:
                    break
        means = {name: sum(each[name] for each in metrics) / len(metrics) for name in metrics[0]}
        return means | {"ratio_max": max(each["ratio_max"] for each in metrics)}

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
        norm = torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), GRADIENT_NORM)
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
            "ratio_max": max(float(each.ratio_max) for each in outputs),
            "gradient_norm": float(norm),
            "padding_share": padding_share(batches),
        }

    def _loss_of(self, batch: MicroBatch, divisors_N: Tensor) -> LossOutput:
        device = self.model.network.device
        logprobs_NC = sampled_logprobs(self.model.network, batch, self.engine.precision, self.temperature)
        reference_NC = None
        if self._reference is not None:
            with torch.no_grad():
                reference_NC = sampled_logprobs(self._reference, batch, self.engine.precision, self.temperature)
        return policy_loss(
            logprobs_NC,
            batch.logprobs_NC.to(device),
            batch.advantages_NC.to(device),
            batch.mask_NC.to(device),
            config=self._loss,
            reference_NL=reference_NC,
            denominator=divisors_N[list(batch.rows)].to(device),
        )


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
