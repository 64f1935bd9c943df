"""A causal language model on this machine, sampled in batches.

Prompts go through the model's own chat template and tokenizer, `agent/decoding.py` draws the tokens. Importing this
module needs the extra `train`; nothing below the trainer does so before a model is asked for.

Left out of `complete`: top-p and top-k, since a policy gradient needs the distribution itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from memalpha.agent.decoding import Decoder, Row, Sample
from memalpha.agent.device import memory_limit, open_device
from memalpha.agent.local_stream import LocalStream
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.parsing import strip_thinking
from memalpha.agent.stream import complete_all
from memalpha.agent.tokens import NANO_FOLDER, TokenCounter
from memalpha.errors import ConfigError, ModelError
from memalpha.text import first_line

SHIPPED = {
    "nano": NANO_FOLDER / "writer",
    "nano-chat": NANO_FOLDER / "chat",
    "nano-warm": NANO_FOLDER / "warm",
}
"""Models by name: the trained writer, the one for conversations, and the warm start that both were trained from."""

_EXPECTED = (
    "expected a folder with config.json, weights and tokenizer, a name on the Hugging Face hub, or that of a shipped "
    "model (nano, nano-chat, nano-warm)"
)


class LocalModel:
    """Completes prompts with a causal language model held in this process."""

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str = "local",
        sample_tokens: int = 48_000,
    ) -> None:
        """`sample_tokens` bounds the tokens of prompts and completions that are sampled at once, padding included."""
        self.network = network
        self.tokenizer = tokenizer
        self._name = name
        self.sample_tokens = sample_tokens
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

    @property
    def context_tokens(self) -> int | None:
        """Most tokens of prompt and completion together, None when the network does not say."""
        limit = getattr(self.network.config.get_text_config(), "max_position_embeddings", None)
        return limit if isinstance(limit, int) and limit > 0 else None

    @property
    def vocabulary(self) -> int:
        """How many token ids there are, the first is 0."""
        weight: Any = self.network.get_input_embeddings().weight
        return len(weight)

    @property
    def chat_template(self) -> str:
        """How messages become text; raises `ConfigError` for a tokenizer that has none."""
        template = self.tokenizer.chat_template
        if not isinstance(template, str):
            raise ConfigError(f"the tokenizer of {self._name} has no chat template; use a model that was made for chat")
        return template

    @property
    def shows_tools(self) -> bool:
        """Whether the chat template has a place for the tools of a prompt."""
        template = self.tokenizer.chat_template
        return isinstance(template, str) and "tools" in template

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt by the tokenizer's own chat template, or as they were given."""
        if prompt.tokens is not None:
            return list(prompt.tokens)
        return self.encode_chat(
            [{"role": message.role.value, "content": message.content} for message in prompt.messages], prompt.tools
        )

    def encode_chat(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """The same for messages as chat templates know them, which may hold tool calls and their results.

        Raises `ModelError` for messages that the template refuses, such as a system message that is not the first.
        """
        options: dict[str, Any] = {"enable_thinking": False} if "enable_thinking" in self.chat_template else {}
        shown: list[dict[Any, Any] | Callable[..., Any]] | None = [dict(tool) for tool in tools] or None
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                tools=shown,
                add_generation_prompt=True,
                tokenize=False,
                **options,
            )
        except TemplateError as error:
            raise ModelError(
                f"the chat template of {self._name} refuses these messages ({error}); send them as it expects"
            ) from error
        return self.encode_text(str(text), special_tokens=False)

    def encode_text(self, text: str, *, special_tokens: bool = True) -> list[int]:
        """Token ids of a text, with the special tokens that the tokenizer puts around one, or without."""
        if not _is_unicode(text):
            raise ModelError("the prompt holds half of a surrogate pair, which no tokenizer takes; mend the text")
        return list(self.tokenizer(text, add_special_tokens=special_tokens)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens included."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def start(self, rows: Sequence[Row]) -> Decoder:
        """Rows to be stepped through; how many there are at once is the caller's care."""
        return Decoder(self.network, rows, self.end_ids, batch_tokens=self.sample_tokens)

    def stream(self) -> LocalStream:
        """Prompts that come and completions that go at any time, sampled side by side."""
        return LocalStream(self)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order; with a seed, the same batch gives the same completions."""
        return complete_all(self.stream(), prompts, sampling)

    def completion(self, prompt_ids: Sequence[int], sample: Sample) -> Completion:
        """What a row came to."""
        self.tokens_sampled += len(sample.drawn)
        decoded = sample.finish()
        text, closed = strip_thinking(decoded)
        return Completion(
            text=text,
            prompt_ids=tuple(prompt_ids),
            token_ids=tuple(drawn.token for drawn in sample.drawn),
            logprobs=tuple(drawn.logprob for drawn in sample.drawn),
            offsets=self.offsets(sample, text) if text == decoded else (),
            finished=sample.finished and closed,
        )

    def offsets(self, sample: Sample, text: str) -> tuple[int, ...]:
        """Where each token of a sample starts in its text; the tokens of one character all start where it does."""
        ids = sample.said
        pieces = [self.decode([each]) for each in ids]
        if "".join(pieces) == text:
            starts = [end - len(piece) for piece, end in zip(pieces, accumulate(map(len, pieces)), strict=True)]
        else:  # part of a character decodes to a mark that the whole text does not have at that place
            starts = [_agreeing(self.decode(ids[:at]), text) for at in range(len(ids))]
        return (*starts, *[len(text)] * (len(sample.drawn) - len(ids)))

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end a completion: those that the network declares, and the tokenizer's."""
        declared = self.network.generation_config.eos_token_id if self.network.generation_config else None
        ends = declared if isinstance(declared, list) else [declared]
        return frozenset(int(each) for each in [*ends, self.tokenizer.eos_token_id] if each is not None)


def _agreeing(one: str, other: str) -> int:
    """Length of the common start of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def load_local(
    name: str | Path, *, device: str = "cpu", dtype: str = "float32", sample_tokens: int = 48_000
) -> LocalModel:
    """A model by shipped name ("nano", "nano-chat", "nano-warm"), by folder or by hub name.

    Raises `ConfigError` for a device that is not there, and `ModelError` for a folder that is no model or is damaged.
    """
    where = SHIPPED.get(str(name), name)
    if _means_a_folder(Path(where)) and not Path(where).is_dir():
        raise ModelError(f"the folder {where} is not there; {_EXPECTED}")
    place = open_device(device)
    _hush()
    tokenizer = open_tokenizer(where)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(where, dtype=getattr(torch, dtype), output_loading_info=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unreadable(where, error) from error
    network, report = loaded
    if report["missing_keys"]:  # transformers would go on with random numbers in their place
        raise ModelError(f"the weights of {where} lack {min(report['missing_keys'])}; {_EXPECTED}")
    with memory_limit("loading the model", 'take a smaller one, or engine.weights = "bf16" with optim.lora_rank'):
        network.to(place).eval()
    return LocalModel(network, tokenizer, name=str(name), sample_tokens=sample_tokens)


def open_tokenizer(where: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or of a name on the hub; raises `ModelError` when there is none."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(where)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(where, error) from error
    # Of some kinds transformers makes an empty one where there is no file.
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:
        raise ModelError(f"{where} has no tokenizer; {_EXPECTED}")
    return tokenizer


def _unreadable(where: str | Path, error: Exception) -> ModelError:
    first = first_line(error)
    return ModelError(f"no model could be loaded from {where} ({first}); {_EXPECTED}")


def _means_a_folder(path: Path) -> bool:
    """Whether a name is a path rather than one on the hub, where "runs/first" would be asked for over the network."""
    return path.is_absolute() or path.parts[:1] == ("..",) or (len(path.parts) > 1 and path.parent.is_dir())


def _hush() -> None:
    """Hold back the advice that transformers prints while loading and on the first forward pass."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
