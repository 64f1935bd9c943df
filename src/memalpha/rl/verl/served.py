"""The policy as verl serves it: a `Model` whose tokens are drawn elsewhere, tokens in and tokens out.

The episode loop runs in a thread and waits; sampling is a coroutine of the event loop that the thread belongs to. So
trajectories go side by side, and questions to the reader overlap with the sampling of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from memalpha.agent.decoding import Drawn, Sample
from memalpha.agent.local import SHIPPED, LocalModel, open_tokenizer
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.errors import ModelError
from memalpha.text import first_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What a server drew for one prompt."""

    token_ids: tuple[int, ...]
    """With the end-of-turn token, unless it was cut."""
    logprobs: tuple[float, ...]
    """One for each of `token_ids`."""
    version: int = 0
    """Of the weights that sampled: the training step after which they were sent."""


Draw = Callable[[list[int], Sampling], Awaitable[Sampled]]
"""Prompt ids to sampled ids."""


class ServedModel:
    """Completes prompts through a server's coroutine; one for each trajectory."""

    def __init__(
        self, shape: LocalModel, draw: Draw, loop: asyncio.AbstractEventLoop, *, context_tokens: int | None = None
    ) -> None:
        """Sample with `draw` on `loop`.

        Args:
            shape: Encodes and decodes as the policy does; its weights are never used (`load_shape`).
            draw: Draws the tokens.
            loop: Runs `draw`; `complete` is called from another thread.
            context_tokens: Most tokens of a prompt with its completion.
        """
        self.shape = shape
        self.sampled: list[Sampled] = []
        """Everything drawn so far, in order."""
        self._draw = draw
        self._loop = loop
        self._context_tokens = context_tokens

    @property
    def name(self) -> str:
        """The policy's."""
        return self.shape.name

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order; raises `ModelError` for a prompt that leaves no room."""
        return asyncio.run_coroutine_threadsafe(self._complete(prompts, sampling), self._loop).result()

    async def _complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        # All on the loop's own thread: a tokenizer is no place for several.
        encoded = [self.shape.encode(prompt) for prompt in prompts]
        for ids in encoded:
            self._check(len(ids) + sampling.max_tokens)
        drawn = await asyncio.gather(*[self._draw(ids, sampling) for ids in encoded])
        self.sampled += drawn
        return [self._completion(ids, each) for ids, each in zip(encoded, drawn, strict=True)]

    def _completion(self, ids: list[int], drawn: Sampled) -> Completion:
        sample = Sample(self.shape.decode)
        for token, logprob in zip(drawn.token_ids, drawn.logprobs, strict=True):
            sample.take(Drawn(0, token, logprob, token in self.shape.end_ids))
        return self.shape.completion(ids, sample)

    def _check(self, tokens: int) -> None:
        if self._context_tokens is not None and tokens > self._context_tokens:
            raise ModelError(
                f"a prompt and its completion may come to {tokens} tokens, expected at most {self._context_tokens}; "
                "raise engine.micro_batch_tokens, or lower rollout.max_new_tokens, writer.newest or writer.related"
            )


def load_shape(name: str) -> LocalModel:
    """A policy without its weights, for encoding and decoding: it takes no memory. Raises `ModelError`."""
    where = SHIPPED.get(name, name)
    tokenizer = open_tokenizer(where)
    try:
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(where))
    except (OSError, ValueError, KeyError) as error:
        first = first_line(error)
        raise ModelError(
            f"no model could be loaded from {where} ({first}), expected a folder or hub name with config.json and "
            "tokenizer; check run.model"
        ) from error
    try:
        network.generation_config = GenerationConfig.from_pretrained(where)  # may name more end tokens
    except OSError:
        network.generation_config = GenerationConfig.from_model_config(network.config)
    return LocalModel(network, tokenizer, name=name)
