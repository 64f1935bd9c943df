"""The seam to every model: prompts in, completions out, in one batch.

`memalpha.agent.endpoint` asks a server, the engines of `memalpha.rl` sample in process, `ScriptedModel` is the fake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from memalpha.errors import ConfigError, ModelError
from memalpha.records import Message, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to draw a completion."""

    temperature: float = 0.0
    """0 takes the likeliest token."""
    max_tokens: int = 256
    """A completion is cut there."""
    seed: int | None = None
    """Makes a whole batch repeatable; prompts that are alike are still drawn apart."""
    stop: tuple[str, ...] = ()
    """A completion ends before the first of these texts."""

    def __post_init__(self) -> None:
        """Refuse what no engine can do."""
        if not self.temperature >= 0:
            raise ConfigError(f"got temperature {self.temperature}, expected 0 or more")
        if self.max_tokens < 1:
            raise ConfigError(f"got max_tokens {self.max_tokens}, expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a model reads: messages or token ids, one of the two."""

    messages: tuple[Message, ...] = ()
    tokens: tuple[int, ...] | None = None
    """Token ids, when a template has been applied already; then what is trained on is what was sampled."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """OpenAI-style schemas; part of `tokens` already when those are given."""

    def __post_init__(self) -> None:
        """Refuse both and neither."""
        if bool(self.messages) == bool(self.tokens):
            got = "both messages and tokens" if self.messages else "neither messages nor tokens"
            raise ModelError(f"got a prompt with {got}, expected one of the two; drop or add one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model wrote for one prompt."""

    text: str
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    """With the end-of-turn token; empty when the engine does not tell."""
    logprobs: tuple[float, ...] = ()
    """One for each of `token_ids`."""
    offsets: tuple[int, ...] = ()
    """Where each of `token_ids` starts in `text`; empty when the engine does not tell."""
    tool_calls: tuple[ToolCall, ...] | None = None
    """Native calls of a server; None means that calls, if any, stand in the text."""
    finished: bool = True
    """False when the completion was cut, at `max_tokens` or by the server."""


class Model(Protocol):
    """Anything that completes prompts."""

    @property
    def name(self) -> str:
        """Stands in traces and reports."""
        ...

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order; raises `ModelError`, since an error is never an answer."""
        ...


class ScriptedModel:
    """A model that says what it is told to, for tests and examples.

    Give it the texts to reply with, in order, or a function from the prompt to the reply. `prompts` holds what it was
    asked.

        model = ScriptedModel(["Paris", "Rome"])
    """

    def __init__(self, script: Sequence[str] | Callable[[Prompt], str], *, name: str = "scripted") -> None:
        """Take the replies, or the function that makes them."""
        self._reply = script if callable(script) else _replies(script)
        self._name = name
        self.prompts: list[Prompt] = []

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """The next replies; `sampling` changes nothing. Raises `ModelError` when the script has run out."""
        completions = []
        for prompt in prompts:
            self.prompts.append(prompt)
            completions.append(Completion(text=self._reply(prompt)))
        return completions


def _replies(texts: Sequence[str]) -> Callable[[Prompt], str]:
    left = iter(texts)

    def reply(prompt: Prompt) -> str:
        for text in left:
            return text
        raise ModelError(f"the scripted model was asked more often than its {len(texts)} replies; give it more texts")

    return reply
