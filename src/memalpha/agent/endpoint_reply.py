"""What an OpenAI-compatible server answered, as a `Completion`: chat completions and completions.

A body of another shape raises what Python raises for it (ValueError, LookupError, TypeError, AttributeError); the
caller knows the server and says so. What the model wrote never raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memalpha.agent.model import Completion
from memalpha.agent.parsing import read_call, strip_thinking
from memalpha.records import ToolCall

_CUT = frozenset({"length", "content_filter"})
_FAILED = frozenset({"error", "abort"})
"""Finish reasons of engines that gave up: what was written until then is no answer."""


def read_reply(body: Any, *, with_tokens: bool) -> Completion:
    """The first choice of a body; `with_tokens` asks for token ids and log-probabilities as well."""
    choice = body["choices"][0]
    reason = choice.get("finish_reason")
    if reason in _FAILED:
        raise ValueError(f"the server's engine gave up, finish_reason is {reason!r}")
    message = choice["message"] if "message" in choice else {"content": choice["text"]}
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is {type(content).__name__}, not text")
    said = _writable(content or "")
    text, ended = strip_thinking(said)
    completion = Completion(
        text=text,
        tool_calls=tuple(_native_call(call) for call in message.get("tool_calls") or ()) or None,
        finished=ended and reason not in _CUT,
    )
    if not with_tokens:
        return completion
    token_ids = _ids(choice, "token_ids")
    return replace(
        completion,
        prompt_ids=_ids(choice if "prompt_token_ids" in choice else body, "prompt_token_ids"),
        token_ids=token_ids,
        logprobs=_logprobs(choice, len(token_ids)),
        # They count in the text as it came, without calls taken out of it and thinking dropped.
        offsets=_offsets(choice, len(token_ids)) if text == said and completion.tool_calls is None else (),
    )


def _ids(holder: Mapping[str, Any], name: str) -> tuple[int, ...]:
    ids = holder.get(name)
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        raise ValueError(f"there are no {name}; use a server that knows return_token_ids, or set token_ids=False")
    return tuple(ids)


def _logprobs(choice: Mapping[str, Any], tokens: int) -> tuple[float, ...]:
    told = choice.get("logprobs") or {}
    found: Sequence[Any] = told.get("token_logprobs") or [each["logprob"] for each in told.get("content") or ()]
    if len(found) != tokens:
        raise ValueError(f"there are {len(found)} logprobs of {tokens} tokens")
    return tuple(map(float, found))


def _offsets(choice: Mapping[str, Any], tokens: int) -> tuple[int, ...]:
    """Empty when the server does not tell."""
    told = choice.get("token_offsets") or ()
    return tuple(map(int, told)) if len(told) == tokens else ()


def _native_call(call: Mapping[str, Any]) -> ToolCall:
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return read_call(function.get("name"), arguments, _writable(text))


def _writable(text: str) -> str:
    """JSON may hold half a surrogate pair, where a server cut a token; UTF-8 files cannot."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
