"""A model whose completions are kept in a file: what was paid for once is not asked again after an interruption.

Every completion is kept under its prompt, tools, sampling and model, so a reader's answer is found by the question and
what was shown with it, a writer's reply by the chunk and what it saw of its memory. Greedy completions only: drawn ones
would be the same each time.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memalpha.agent.model import Completion, Model, Prompt, Sampling
from memalpha.errors import CheckpointError, ConfigError
from memalpha.evaluation.ledger import append_line, read_lines
from memalpha.records import ToolCall

ASKED_AT_ONCE = 32
"""Prompts that go to the model together; after each lot its completions are kept."""


class RecordedModel:
    """Another model with a memory on disk; may be used from several threads when that model may."""

    def __init__(self, model: Model, file: Path) -> None:
        """Go on with `file`, or start it; raises `CheckpointError` when it is damaged."""
        self._model = model
        self._file = file
        self._lock = threading.Lock()
        self._kept: dict[str, Completion] = {}
        self.asked = 0
        """Prompts that went to the model since this was made."""
        for where, data in read_lines(file):
            try:
                self._kept[data["key"]] = _completion(data)
            except (LookupError, TypeError) as error:
                raise CheckpointError(
                    f"{where} is damaged ({type(error).__name__}: {error}), expected a completion; take the line out"
                ) from error

    @property
    def name(self) -> str:
        """The name of the other model."""
        return self._model.name

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt; raises `ModelError` with what came before kept, and `ConfigError`."""
        if sampling.temperature > 0:
            raise ConfigError(
                f"got temperature {sampling.temperature} for {self.name}, whose completions are kept; expected 0"
            )
        keys = [self._key(prompt, sampling) for prompt in prompts]
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._kept}
        for first in range(0, len(missing), ASKED_AT_ONCE):
            lot = list(missing)[first : first + ASKED_AT_ONCE]
            self.asked += len(lot)
            for key, completion in zip(lot, self._model.complete([missing[key] for key in lot], sampling), strict=True):
                self._keep(key, completion)
        return [self._kept[key] for key in keys]

    def _key(self, prompt: Prompt, sampling: Sampling) -> str:
        text = json.dumps([self.name, asdict(prompt), asdict(sampling)], sort_keys=True, default=dict)
        return hashlib.sha256(text.encode()).hexdigest()

    def _keep(self, key: str, completion: Completion) -> None:
        calls = completion.tool_calls
        row = {
            "key": key,
            "text": completion.text,
            "finished": completion.finished,
            "tool_calls": None if calls is None else [asdict(call) for call in calls],
        }
        with self._lock:
            append_line(self._file, row)
            # As it will be read again: an interrupted evaluation must see what a whole one saw.
            self._kept[key] = _completion(row)


def _completion(data: dict[str, Any]) -> Completion:
    calls = data["tool_calls"]
    return Completion(
        text=data["text"],
        finished=data["finished"],
        tool_calls=None if calls is None else tuple(ToolCall(**call) for call in calls),
    )
