"""Verdicts by a model: is a memory entry what its kind asks for, does an answer mean the same as the gold one.

A verdict is a JSON object in the reply. A judge that is down, or gives two replies that cannot be read, raises: that is
no score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from memalpha.agent.model import Model, Prompt, Sampling
from memalpha.agent.prompting import fill, load
from memalpha.errors import ConfigError, ModelError
from memalpha.records import Message, Role

_KINDS = ("core", "semantic", "episodic")
_SAMPLING = Sampling(temperature=0.0, max_tokens=512)
_DECODER = json.JSONDecoder()


class Judge:
    """Asks a model for true or false."""

    def __init__(self, model: Model, *, sampling: Sampling = _SAMPLING) -> None:
        """Judge by `model`; thinking models need a larger `max_tokens`."""
        self._model = model
        self._sampling = sampling

    def valid_entry(self, kind: str, text: str) -> bool:
        """Whether the text is what an entry of this kind (core, semantic, episodic) should hold; blank text is not."""
        if kind not in _KINDS:
            raise ConfigError(f"got the memory kind {kind!r}, expected one of {', '.join(_KINDS)}")
        if not text.strip():
            return False
        return self._ask(fill(load("judge_entry"), kind=kind, text=_quoted(text)), "valid")

    def correct(self, question: str, answers: Sequence[str], prediction: str) -> bool:
        """Whether the prediction states what one of the answers states; a blank prediction does not."""
        if not prediction.strip():
            return False
        values = {"question": _quoted(question), "answers": _quoted(list(answers)), "prediction": _quoted(prediction)}
        return self._ask(fill(load("judge_answer"), **values), "correct")

    def _ask(self, prompt: str, key: str) -> bool:
        reply = ""
        for text in (prompt, fill(load("judge_again"), prompt=prompt, key=key)):
            message = Message(role=Role.USER, content=text)
            reply = self._model.complete([Prompt(messages=(message,))], self._sampling)[0].text
            verdict = _verdict(reply, key)
            if verdict is not None:
                return verdict
        raise ModelError(
            f"the judge {self._model.name} replied {reply[:200]!r}, expected a JSON object with {key!r}: true or "
            "false; use a stronger judge or give it more max_tokens"
        )


def _verdict(reply: str, key: str) -> bool | None:
    """The last verdict in the reply: a judge may think aloud, or quote, before it decides."""
    verdict: bool | None = None
    start = reply.find("{")
    while start >= 0:
        end = start + 1
        try:
            data, end = _DECODER.raw_decode(reply, start)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict) and isinstance(data.get(key), bool):
            verdict = data[key]
        start = reply.find("{", end)
    return verdict


def _quoted(value: object) -> str:
    """As JSON, so that no text can pose as a part of the prompt."""
    return json.dumps(value, ensure_ascii=False)
