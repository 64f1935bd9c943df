"""vLLM as the sampler of a policy that is trained in the same process: same prompts, same tokens, weights sent over.

Template, tokenizer and text are those of the `LocalModel` that is trained; vLLM draws the tokens, as many rows at once
as its memory holds, each as fast as it goes. It computes otherwise in the last digits: the metric `mismatch_nats` tells
by how much, and `optim.importance_cap` makes up for it. Needs the extra `vllm`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from torch import Tensor

from memalpha.agent.decoding import Drawn, Sample
from memalpha.agent.device import memory_limit
from memalpha.agent.local import LocalModel
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.stream import complete_all, row_seed
from memalpha.errors import MissingExtraError, ModelError
from memalpha.text import first_line

_FULL = "lower engine.sampler_memory when the trainer needs the room, or raise it when vLLM does"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A row that has come to its end."""

    key: str
    token_ids: tuple[int, ...]
    """With the end-of-turn token, if it came to one."""
    logprobs: tuple[float, ...]
    """One for each token, of the distribution it was drawn from."""


class Engine(Protocol):
    """What is needed of vLLM."""

    def add(self, key: str, ids: Sequence[int], sampling: Sampling, seed: int | None) -> None:
        """Let a row begin."""
        ...

    def step(self) -> list[Ended]:
        """One more token for the rows on their way; those that have ended."""
        ...

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take these weights over."""
        ...


class VllmModel:
    """Completes prompts with vLLM in place of the network of a `LocalModel`."""

    def __init__(self, local: LocalModel, engine: Engine) -> None:
        """`engine` holds the network of `local`."""
        self.local = local
        self._engine = engine
        self._numbers = count()

    @property
    def name(self) -> str:
        """That of the policy."""
        return self.local.name

    def take(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Sample from these weights from now on."""
        self._engine.load(weights)

    def stream(self) -> VllmStream:
        """Prompts that come and completions that go at any time."""
        return VllmStream(self.local, self._engine, self._numbers)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order."""
        return complete_all(self.stream(), prompts, sampling)


@dataclass(frozen=True, slots=True)
class _Asked:
    key: int
    ids: list[int]
    stop: tuple[str, ...]


class VllmStream:
    """Rows on their way through vLLM."""

    def __init__(self, local: LocalModel, engine: Engine, numbers: count[int]) -> None:
        """`numbers` are those of all rows that the engine ever got."""
        self._local, self._engine, self._numbers = local, engine, numbers
        self._asked: dict[str, _Asked] = {}

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        """Let it begin."""
        asked, name = _Asked(key, self._local.encode(prompt), sampling.stop), str(next(self._numbers))
        self._engine.add(name, asked.ids, sampling, row_seed(sampling, key))
        self._asked[name] = asked

    def ready(self) -> list[tuple[int, Completion]]:
        """Sample until a row has ended; all that have."""
        found: list[tuple[int, Completion]] = []
        while not found and self._asked:
            with memory_limit("sampling", _FULL):
                ended = self._engine.step()
            for each in ended:
                asked = self._asked.pop(each.key, None)
                if asked is not None:  # else of a stream that was given up
                    found.append((asked.key, self._completion(asked, each)))
        return found

    def _completion(self, asked: _Asked, ended: Ended) -> Completion:
        sample = Sample(self._local.decode, asked.stop)
        for token, logprob in zip(ended.token_ids, ended.logprobs, strict=True):
            if sample.take(Drawn(0, token, logprob, token in self._local.end_ids)):
                break
        return self._local.completion(asked.ids, sample)


def open_vllm(local: LocalModel, folder: str, *, memory: float, seed: int, dtype: str) -> VllmModel:
    """vLLM with the model of `folder`, in this process, which computes in `dtype`.

    `memory` is the share of the device's memory that it may take for weights and cache. Raises `MissingExtraError`, or
    `ModelError` for a model or a device that vLLM cannot use.
    """
    return VllmModel(local, _Vllm(local, folder, memory=memory, seed=seed, dtype=dtype))


class _Vllm:
    """vLLM's engine, version 1, without a process of its own, so that weights are handed over as they lie."""

    def __init__(self, local: LocalModel, folder: str, *, memory: float, seed: int, dtype: str) -> None:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # read when vllm is imported
        try:
            from vllm import EngineArgs, LLMEngine  # heavy, and not on every machine
        except ImportError as error:
            raise MissingExtraError(
                f'vllm cannot be imported ({error}), which engine.sampler = "vllm" needs; install it as docs/train.md '
                'says, or set engine.sampler = "transformers"'
            ) from error
        try:
            self._engine: Any = LLMEngine.from_engine_args(
                EngineArgs(
                    model=folder,
                    skip_tokenizer_init=True,
                    seed=seed,
                    dtype=dtype,
                    gpu_memory_utilization=memory,
                    max_model_len=local.context_tokens,
                    # Log-probabilities of the distribution that is drawn from: with the temperature.
                    logprobs_mode="processed_logprobs",
                    # What several rows begin with is read once.
                    enable_prefix_caching=True,
                )
            )
        except (RuntimeError, ValueError, OSError, NotImplementedError) as error:
            first = first_line(error)
            raise ModelError(
                f'vLLM could not be started with {folder} ({first}); {_FULL}, or set engine.sampler = "transformers"'
            ) from error
        self._end_ids = sorted(local.end_ids)

    def add(self, key: str, ids: Sequence[int], sampling: Sampling, seed: int | None) -> None:
        from vllm import SamplingParams

        wanted = SamplingParams(
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            seed=None if seed is None else seed % 2**63,
            stop_token_ids=self._end_ids,
            logprobs=0,
            detokenize=False,
        )
        try:
            self._engine.add_request(key, {"prompt_token_ids": list(ids)}, wanted)
        except ValueError as error:
            first = first_line(error)
            raise ModelError(
                f"vLLM refuses a prompt of {len(ids)} tokens ({first}); shorten the chunks, or lower writer.newest or "
                "writer.related"
            ) from error

    def step(self) -> list[Ended]:
        ended = []
        for output in self._engine.step():
            if output.finished:
                (sample,) = output.outputs
                pairs = zip(sample.token_ids, sample.logprobs, strict=True)
                logprobs = tuple(float(told[token].logprob) for token, told in pairs)
                ended.append(Ended(key=output.request_id, token_ids=tuple(sample.token_ids), logprobs=logprobs))
        return ended

    def load(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        lent = ((name, each.detach()) for name, each in weights)
        self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": lent})
        self._engine.reset_prefix_cache()
