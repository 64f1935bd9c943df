"""One step of GRPO three ways, for benchmarks/speed.py: sample, score, update, with the same objective and optimiser.

* `Ours`: the library as it is.
* `Padded`: the scheme of the first implementation of the paper, written anew: every prompt padded at the start and
  every response at the end to the longest of the step, responses decoded and encoded again, the log-probabilities of
  the sampling policy computed by a pass of their own, logits at every place.
* `trl_engine.Trl`: TRL's trainer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from memalpha.agent.decoding import Drawn, Sample
from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.stream import Waves
from memalpha.rl.config import Precision, TrainConfig
from memalpha.rl.learner import GRADIENT_NORM, Learner
from memalpha.rl.loss import denominators, policy_loss
from memalpha.rl.objective import LossConfig
from memalpha.rl.rows import Row


class Engine(Protocol):
    """What is timed."""

    name: str
    model: LocalModel
    """Samples; its network is the one that learns."""

    def score(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows with the log-probabilities of the policy that sampled them."""
        ...

    def update(self, rows: Sequence[Row], *, seed: int) -> None:
        """`optim.minibatches` optimiser steps over the rows."""
        ...


class Ours:
    name = "memalpha"

    def __init__(self, config: TrainConfig) -> None:
        self.model = load_local(config.run.model)
        self.learner = Learner(self.model, config.optim, engine=config.engine, temperature=config.rollout.temperature)

    def score(self, rows: Sequence[Row]) -> Sequence[Row]:
        return rows  # recorded while sampling

    def update(self, rows: Sequence[Row], *, seed: int) -> None:
        self.learner.update(rows, seed=seed)


class Generating(LocalModel):
    """A model that is sampled by the `generate` of transformers: all prompts in one batch, until the last has ended."""

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        encoded = [self.encode(prompt) for prompt in prompts]
        torch.manual_seed(sampling.seed or 0)
        found = []
        for prompt_ids, ids in zip(encoded, self.generate(encoded, sampling), strict=True):
            sample = Sample(self.decode)
            for token in ids:
                sample.take(Drawn(0, token, 0.0, token in self.end_ids))
            found.append(self.completion(prompt_ids, sample))
        return found

    def stream(self) -> Any:
        return Waves(self)

    def generate(self, prompts: list[list[int]], sampling: Sampling) -> list[list[int]]:
        ids_BL, mask_BL = pad(prompts, start=True)
        options: dict[str, Any] = {"do_sample": True, "temperature": sampling.temperature}
        if sampling.temperature == 0:
            options = {"do_sample": False}
        with torch.inference_mode():
            network: Any = self.network
            out_BL = network.generate(
                input_ids=ids_BL, attention_mask=mask_BL, max_new_tokens=sampling.max_tokens, top_k=0, **options
            )
        return [_until_end(ids, self.end_ids) for ids in out_BL[:, ids_BL.shape[1] :].tolist()]


def generating(name: str) -> Generating:
    loaded = load_local(name)
    return Generating(loaded.network, loaded.tokenizer, name=name)


REFERENCE_KL = 0.001
"""Weight of the KL term in the scripts of the first implementation."""


class Padded:
    name = "padded, retokenised"

    def __init__(self, config: TrainConfig, *, micro_batch_rows: int = 16, reference: bool = False) -> None:
        """`reference` adds the pass of the frozen policy that a KL term needs, and the term."""
        self.model: LocalModel = generating(config.run.model)
        self._frozen = load_local(config.run.model).network if reference else None
        self._frozen_logprobs: dict[Row, Sequence[float]] = {}
        self._optim, self._rows = config.optim, micro_batch_rows
        self._autocast = config.engine.precision is Precision.BF16
        self._temperature = config.rollout.temperature
        self._loss = LossConfig(
            clip_low=config.optim.clip_low,
            clip_high=config.optim.clip_high,
            kl_weight=REFERENCE_KL if reference else 0.0,
        )
        self._optimiser = torch.optim.AdamW(
            self.model.network.parameters(), lr=config.optim.rate, betas=(0.9, 0.99), weight_decay=0.0
        )
        self._updates = 0

    def score(self, rows: Sequence[Row]) -> Sequence[Row]:
        again = [self._retokenised(row) for row in rows]
        scored = [
            replace(row, logprobs=tuple(logprobs[: len(row.token_ids)]))
            for row, logprobs in zip(again, self._pass(self.model.network, again), strict=True)
        ]
        if self._frozen is not None:
            frozen = self._pass(self._frozen, scored)
            self._frozen_logprobs = dict(zip(scored, frozen, strict=True))
        return scored

    @torch.no_grad()
    def _pass(self, network: Any, rows: Sequence[Row]) -> list[list[float]]:
        """Log-probabilities [C] of each row, padded to the longest."""
        shape = _longest(rows)
        parts = [rows[at : at + self._rows] for at in range(0, len(rows), self._rows)]
        return [logprobs for part in parts for logprobs in self._logprobs(network, part, shape).tolist()]

    def update(self, rows: Sequence[Row], *, seed: int) -> None:
        order, shape = list(rows), _longest(rows)
        random.Random(seed).shuffle(order)
        parts = self._optim.minibatches
        for batch in [order[at::parts] for at in range(parts)]:
            tokens = denominators(
                torch.tensor([len(row.token_ids) for row in batch]), aggregation=self._optim.aggregation
            )
            self._optimiser.zero_grad()
            for at in range(0, len(batch), self._rows):
                part = batch[at : at + self._rows]
                mask_NC = _wide([[1.0] * len(row.token_ids) for row in part], shape[1])
                loss = policy_loss(
                    self._logprobs(self.model.network, part, shape),
                    _wide([row.logprobs for row in part], shape[1]),
                    _wide([row.token_advantages or [row.advantage] * len(row.token_ids) for row in part], shape[1]),
                    mask_NC,
                    config=self._loss,
                    reference_NL=torch.tensor([self._frozen_logprobs[row] for row in part]) if self._frozen else None,
                    denominator=tokens[at : at + self._rows],
                ).loss
                torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), GRADIENT_NORM)
            self._updates += 1
            for group in self._optimiser.param_groups:
                group["lr"] = self._optim.rate * min(1.0, self._updates / max(1, self._optim.warm_up))
            self._optimiser.step()

    def _retokenised(self, row: Row) -> Row:
        """The response as its text is encoded; without an end token, save where nothing else was said."""
        text = self.model.tokenizer.decode(list(row.token_ids), skip_special_tokens=True)
        ids = self.model.encode_text(str(text), special_tokens=False) or list(row.token_ids[-1:])
        values = row.token_advantages
        if values:
            values = (*values[: len(ids)], *[values[-1]] * (len(ids) - len(values)))
        return replace(row, token_ids=tuple(ids), token_advantages=values)

    def _logprobs(self, network: Any, rows: Sequence[Row], shape: tuple[int, int]) -> Tensor:
        """[N, C] of the responses, from logits at every place."""
        prompts_NP, seen_NP = pad([row.prompt_ids for row in rows], start=True, width=shape[0])
        said_NC, heard_NC = pad([row.token_ids for row in rows], start=False, width=shape[1])
        mask_NL = torch.cat([seen_NP, heard_NC], dim=1)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            logits_NLV = network(
                input_ids=torch.cat([prompts_NP, said_NC], dim=1),
                attention_mask=mask_NL,
                position_ids=(mask_NL.cumsum(-1) - 1).clamp(min=0),
                use_cache=False,
            ).logits
        logprobs_NCV = torch.log_softmax(logits_NLV[:, shape[0] - 1 : -1].float() / self._temperature, dim=-1)
        return logprobs_NCV.gather(2, said_NC[:, :, None])[:, :, 0]


class AsPublished(Padded):
    """The same as the published scripts set it: one row at a time through the network, and the KL term."""

    name = "padded, as its scripts set it"

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config, micro_batch_rows=1, reference=True)


def pad(rows: Sequence[Sequence[int]], *, start: bool, width: int = 0) -> tuple[Tensor, Tensor]:
    """Ids [B, L] and mask [B, L]."""
    width = max(width, *map(len, rows))
    ids_BL, mask_BL = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for at, ids in enumerate(rows):
        places = slice(width - len(ids), width) if start else slice(0, len(ids))
        ids_BL[at, places] = torch.tensor(ids)
        mask_BL[at, places] = 1
    return ids_BL, mask_BL


def _wide(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    """[N, C] of numbers, 0 where padded."""
    return torch.tensor([[*row, *[0.0] * (width - len(row))] for row in rows])


def _longest(rows: Sequence[Row]) -> tuple[int, int]:
    return max(len(row.prompt_ids) for row in rows), max(len(row.token_ids) for row in rows)


def _until_end(ids: Sequence[int], end_ids: frozenset[int]) -> list[int]:
    """The ids to the first end token, which is kept."""
    ends = [at for at, token in enumerate(ids) if token in end_ids]
    return list(ids[: ends[0] + 1] if ends else ids)
