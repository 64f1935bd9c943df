"""A causal language model on this machine, sampled in batches: transformers for the network, our own decoding loop.

The loop keeps what training needs and `generate` hides: the ids that were sampled, with their log-probabilities under
the distribution they were drawn from, the end-of-turn token included. Rows that have ended leave the batch. Importing
this module needs the extra `train`; nothing below the trainer does so before a model is asked for.

Left out: beam search, top-p and top-k (a policy gradient needs the distribution itself), stop texts, and continuous
batching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.parsing import strip_thinking
from memalpha.agent.tokens import NANO_FOLDER, TokenCounter
from memalpha.errors import ConfigError, ModelError

SHIPPED = {"nano": NANO_FOLDER / "writer", "nano-warm": NANO_FOLDER / "warm"}
"""Models by name: the trained writer, and the warm start it was trained from."""

_EXPECTED = (
    "expected a folder with config.json, weights and tokenizer, or the name of a shipped model (nano, nano-warm)"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One prompt on its way."""

    at: int
    """Place in the call."""
    ids: list[int]


class LocalModel:
    """Completes prompts with a causal language model held in this process."""

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str = "local",
        batch_tokens: int = 48_000,
    ) -> None:
        """`batch_tokens` bounds prompt and completion tokens of one batch, padding included."""
        self.network = network
        self.tokenizer = tokenizer
        self._name = name
        self._batch_tokens = batch_tokens
        self.tokens_sampled = 0
        """Completion tokens so far, for throughput."""

    @property
    def name(self) -> str:
        """The name or folder it was loaded by."""
        return self._name

    @cached_property
    def counter(self) -> TokenCounter:
        """Counts as its own tokenizer does."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ConfigError(
                f"the tokenizer of {self._name} has no tokenizer.json behind it; convert it to a fast tokenizer first"
            )
        return TokenCounter(backend, name=self._name)

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt by the tokenizer's own chat template, or as they were given."""
        if prompt.tokens is not None:
            return list(prompt.tokens)
        messages = [{"role": message.role.value, "content": message.content} for message in prompt.messages]
        tools: list[dict[Any, Any] | Callable[..., Any]] | None = [dict(tool) for tool in prompt.tools] or None
        options: dict[str, Any] = {"enable_thinking": False} if "enable_thinking" in self._template() else {}
        text = self.tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=True, tokenize=False, **options
        )
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order; with a seed, the same batch gives the same completions."""
        if sampling.stop:
            raise ConfigError(
                f"got the stop texts {sampling.stop}, which a local model does not know; leave stop empty"
            )
        rows = [_Row(at, self.encode(prompt)) for at, prompt in enumerate(prompts)]
        rows.sort(key=lambda row: len(row.ids))
        generator = torch.Generator(device="cpu")
        if sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed(sampling.seed)
        found: dict[int, Completion] = {}
        for batch in self._batches(rows, sampling.max_tokens):
            found.update(self._complete_batch(batch, sampling, generator))
        return [found[at] for at in range(len(prompts))]

    def _template(self) -> str:
        template = self.tokenizer.chat_template
        if not isinstance(template, str):
            raise ConfigError(f"the tokenizer of {self._name} has no chat template; use a model that was made for chat")
        return template

    def _batches(self, rows: list[_Row], max_tokens: int) -> list[list[_Row]]:
        batches: list[list[_Row]] = []
        for row in reversed(rows):
            width = len(batches[-1][0].ids) + max_tokens if batches else 0
            if not batches or (len(batches[-1]) + 1) * width > self._batch_tokens:
                batches.append([])
            batches[-1].append(row)
        return batches

    @torch.inference_mode()
    def _complete_batch(
        self, rows: list[_Row], sampling: Sampling, generator: torch.Generator
    ) -> dict[int, Completion]:
        drawn, logprobs = _decode(self.network, rows, sampling, generator, self._end_ids())
        self.tokens_sampled += sum(map(len, drawn))
        completions = {}
        for row, ids, probs in zip(rows, drawn, logprobs, strict=True):
            ended = bool(ids) and ids[-1] in self._end_ids()
            said = ids[:-1] if ended else ids
            decoded = self._decoded(said)
            text, closed = strip_thinking(decoded)
            completions[row.at] = Completion(
                text=text,
                prompt_ids=tuple(row.ids),
                token_ids=tuple(ids),
                logprobs=tuple(probs),
                offsets=(*self._offsets(said, text), *([len(text)] if ended else [])) if text == decoded else (),
                finished=ended and closed,
            )
        return completions

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def _offsets(self, ids: list[int], text: str) -> list[int]:
        """Where each token starts in the text; the tokens of one character all start where it does."""
        pieces = [self._decoded([each]) for each in ids]
        if "".join(pieces) == text:
            return [end - len(piece) for piece, end in zip(pieces, accumulate(map(len, pieces)), strict=True)]
        # Part of a character decodes to a mark that the whole text does not have at that place.
        return [_agreeing(self._decoded(ids[:at]), text) for at in range(len(ids))]

    def _end_ids(self) -> frozenset[int]:
        declared = self.network.generation_config.eos_token_id if self.network.generation_config else None
        ends = declared if isinstance(declared, list) else [declared]
        return frozenset(int(each) for each in [*ends, self.tokenizer.eos_token_id] if each is not None)


def _agreeing(one: str, other: str) -> int:
    """Length of the common start of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _decode(
    network: PreTrainedModel, rows: list[_Row], sampling: Sampling, generator: torch.Generator, end_ids: frozenset[int]
) -> tuple[list[list[int]], list[list[float]]]:
    """Sampled ids and their log-probabilities, row by row, up to and with the end token."""
    ids_BL, mask_BL = _pad_left([row.ids for row in rows], network.device)
    drawn: list[list[int]] = [[] for _ in rows]
    logprobs: list[list[float]] = [[] for _ in rows]
    live = list(range(len(rows)))
    positions_BL = (mask_BL.cumsum(-1) - 1).clamp(min=0)
    cache = None
    for _ in range(sampling.max_tokens):
        out = network(
            input_ids=ids_BL,
            attention_mask=mask_BL,
            position_ids=positions_BL,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        next_B, logprobs_B = _draw(out.logits[:, -1].float(), sampling.temperature, generator)
        for place, (token, logprob) in enumerate(zip(next_B.tolist(), logprobs_B.tolist(), strict=True)):
            row = live[place]
            if row < 0:
                continue
            drawn[row].append(token)
            logprobs[row].append(logprob)
            if token in end_ids:
                live[place] = -1
        if all(row < 0 for row in live):
            break
        if sum(row >= 0 for row in live) <= len(live) // 2 and len(live) > 8:
            keep = torch.tensor([place for place, row in enumerate(live) if row >= 0], device=network.device)
            cache.reorder_cache(keep)  # selects rows; unlike batch_select_indices it knows convolution states
            next_B, mask_BL, positions_BL = next_B[keep], mask_BL[keep], positions_BL[keep]
            live = [row for row in live if row >= 0]
        ids_BL = next_B[:, None]
        mask_BL = torch.cat([mask_BL, mask_BL.new_ones(len(live), 1)], dim=1)
        positions_BL = positions_BL[:, -1:] + 1
    return drawn, logprobs


def _draw(logits_BV: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tokens [B] and their log-probabilities [B]; temperature 0 takes the likeliest and reports it at temperature 1."""
    if temperature > 0:
        logprobs_BV = torch.log_softmax(logits_BV / temperature, dim=-1)
        next_B = torch.multinomial(logprobs_BV.exp().cpu(), 1, generator=generator)[:, 0].to(logits_BV.device)
    else:
        logprobs_BV = torch.log_softmax(logits_BV, dim=-1)
        next_B = logits_BV.argmax(-1)
    return next_B, logprobs_BV.gather(1, next_B[:, None])[:, 0]


def _pad_left(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids [B, L] and mask [B, L], padded at the start."""
    width = max(map(len, rows))
    ids_BL = torch.zeros(len(rows), width, dtype=torch.long)
    mask_BL = torch.zeros(len(rows), width, dtype=torch.long)
    for at, ids in enumerate(rows):
        ids_BL[at, width - len(ids) :] = torch.tensor(ids)
        mask_BL[at, width - len(ids) :] = 1
    return ids_BL.to(device), mask_BL.to(device)


def load_local(name: str | Path, *, device: str = "cpu", dtype: str = "float32") -> LocalModel:
    """A model by shipped name ("nano", "nano-warm"), by folder or by hub name.

    Raises `ConfigError` for a device that is not there, and `ModelError` for a folder that is no model or is damaged.
    """
    where = SHIPPED.get(str(name), name)
    if Path(where).is_absolute() and not Path(where).is_dir():
        raise ModelError(f"the folder {where} is not there; {_EXPECTED}")
    if device.split(":")[0] == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f'device "{device}" was asked for, but torch sees no GPU; use device = "cpu"')
    _hush()
    try:
        tokenizer = AutoTokenizer.from_pretrained(where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, dtype), output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"no model could be loaded from {where} ({first}); {_EXPECTED}") from error
    network, report = loaded
    if report["missing_keys"]:  # transformers would go on with random numbers in their place
        raise ModelError(f"the weights of {where} lack {min(report['missing_keys'])}; {_EXPECTED}")
    network.to(device).eval()
    return LocalModel(network, tokenizer, name=str(name))


def _hush() -> None:
    """Hold back the advice that transformers prints while loading and on the first forward pass."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
