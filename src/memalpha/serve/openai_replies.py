"""What the answers of the OpenAI protocol are made of: head, usage, calls, log-probabilities; all of it JSON."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from memalpha.agent.decoding import Drawn
from memalpha.records import ToolCall

_LEAST_LOGPROB = -9999.0
"""What the protocol says where JSON has no minus infinity."""

Spell = Callable[[Sequence[int]], str]


class Protocol(StrEnum):
    """Which of the two shapes."""

    CHAT = "chat"
    TEXT = "text"


_OBJECTS = {
    (Protocol.CHAT, False): ("chatcmpl", "chat.completion"),
    (Protocol.CHAT, True): ("chatcmpl", "chat.completion.chunk"),
    (Protocol.TEXT, False): ("cmpl", "text_completion"),
    (Protocol.TEXT, True): ("cmpl", "text_completion"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What all parts of one answer have in common."""

    protocol: Protocol
    model: str
    id: str
    created: int
    """Seconds since 1970."""

    @classmethod
    def new(cls, protocol: Protocol, model: str) -> Head:
        """With an id of its own, as of now."""
        name = f"{_OBJECTS[protocol, False][0]}-{uuid.uuid4().hex}"
        return cls(protocol=protocol, model=model, id=name, created=int(time.time()))

    def reply(self, choices: Sequence[dict[str, Any]], usage: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
        """A whole answer."""
        return self._body(False, choices) | {"usage": usage} | more

    def chunk(self, *choices: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A part of a streamed answer."""
        return self._body(True, choices) | more

    def _body(self, streamed: bool, choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
        kind = _OBJECTS[self.protocol, streamed][1]
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": list(choices),
        }


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """What an answer cost, in tokens; end tokens count."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def tool_call(call: ToolCall) -> dict[str, Any]:
    """One call; the arguments of one that cannot be read are its whole text, which is no JSON."""
    bad = call.problem is not None
    arguments = call.text if bad else json.dumps(dict(call.arguments), ensure_ascii=False)
    return {
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def chat_logprobs(drawn: Sequence[Drawn], spell: Spell) -> dict[str, Any]:
    """Log-probabilities of a chat answer, one for each token."""
    return {
        "content": [
            _told(each.token, each.logprob, spell)
            | {"top_logprobs": [_told(token, logprob, spell) for token, logprob in each.likeliest]}
            for each in drawn
        ],
        "refusal": None,
    }


def text_logprobs(drawn: Sequence[Drawn], offsets: Sequence[int], spell: Spell) -> dict[str, Any]:
    """Log-probabilities of a completion, in the older shape; `offsets` is where each token starts in the text."""
    return {
        "tokens": [spell([each.token]) for each in drawn],
        "token_logprobs": [each.logprob for each in drawn],
        # Reversed, so that of two tokens with one spelling the likelier one is told.
        "top_logprobs": [
            {spell([token]): max(logprob, _LEAST_LOGPROB) for token, logprob in reversed(each.likeliest)}
            for each in drawn
        ]
        if any(each.likeliest for each in drawn)
        else None,
        "text_offset": list(offsets),
    }


def _told(token: int, logprob: float, spell: Spell) -> dict[str, Any]:
    text = spell([token])
    partial = "\ufffd" in text  # part of a character, whose bytes its text does not tell
    return {
        "token": text,
        "logprob": max(logprob, _LEAST_LOGPROB),
        "bytes": None if partial else list(text.encode("utf-8")),
    }
