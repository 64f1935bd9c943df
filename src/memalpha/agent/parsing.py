"""Completion text to tool calls, and back: the `<tool_call>` blocks of Hermes and Qwen3.

Nothing that a model wrote raises here: a bad block becomes one `ToolCall` with a `problem`. Whether a tool exists and
what its arguments mean is left to `memalpha.memory.tools`.
"""

from __future__ import annotations

import json

from memalpha.records import ToolCall

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

_DECODER = json.JSONDecoder()
_THINK_OPEN = "<think>"
_THINK_CLOSE = "</think>"
_UNCLOSED = "the block is not closed by </tool_call>; close it and keep calls short"


def parse_calls(text: str) -> list[ToolCall]:
    """Every call in the text, in order; text outside the blocks is ignored."""
    calls: list[ToolCall] = []
    start = text.find(OPEN)
    while start >= 0:
        call, end = call_at(text, start)
        calls.append(call)
        start = text.find(OPEN, end)
    return calls


def render_call(call: ToolCall) -> str:
    """The block that `parse_calls` reads as this call."""
    body = json.dumps({"name": call.name, "arguments": dict(call.arguments)}, ensure_ascii=False)
    return f"{OPEN}{body}{CLOSE}"


def read_call(name: object, arguments: object, text: str) -> ToolCall:
    """A call from a name and arguments of any type; arguments may be JSON text, as servers send them."""
    if not isinstance(name, str) or not name or not _is_unicode(name):
        return _bad('the call has no name; write "name" with the tool\'s name', text)
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        # Also refuses what JSON text or UTF-8 cannot hold: NaN, infinity, half a surrogate pair.
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        return _bad(f"the arguments of {name} are not valid JSON ({_reason(error)}); write one JSON object", text, name)
    if not isinstance(arguments, dict):
        return _bad(f'the call of {name} has no arguments; write "arguments" as a JSON object', text, name)
    return ToolCall(name=name, arguments=arguments, text=text)


def strip_thinking(text: str) -> tuple[str, bool]:
    """The text without its `<think>` blocks, and whether thinking came to an end.

    Thinking that was cut leaves no text. Some templates open it in the prompt, so a closing tag alone ends it too.
    """
    kept: list[str] = []
    rest = text
    if _THINK_CLOSE in rest and _THINK_OPEN not in rest.partition(_THINK_CLOSE)[0]:
        rest = rest.partition(_THINK_CLOSE)[2]
    elif _THINK_OPEN not in rest:
        return text, True
    while _THINK_OPEN in rest:
        before, _, thought = rest.partition(_THINK_OPEN)
        kept.append(before)
        _, closed, rest = thought.partition(_THINK_CLOSE)
        if not closed:
            return "", False
    return "".join([*kept, rest]).strip(), True


def call_at(text: str, start: int) -> tuple[ToolCall, int]:
    """The call of the block that opens at `start`, and where the block ends.

    A call without a problem stays as it is whatever text follows; a bad one may turn out well as the text grows.
    """
    body = _after_space(text, start + len(OPEN))
    problem = _UNCLOSED
    try:
        # Decoding first, since an argument may hold the text of a tag.
        data, stop = _DECODER.raw_decode(text, body)
    except (ValueError, RecursionError) as error:
        problem = f"the block is not JSON ({_reason(error)}); write one object with name and arguments"
    else:
        stop = _after_space(text, stop)
        if text.startswith(CLOSE, stop):
            end = stop + len(CLOSE)
            return _read_block(data, text[start:end]), end
        if stop < len(text):
            problem = "the block holds more than one JSON object; write one block for each call"
    following = text.find(OPEN, body)
    limit = len(text) if following < 0 else following
    closing = text.find(CLOSE, body, limit)
    if closing < 0:
        return _bad(_UNCLOSED, text[start:limit]), limit
    return _bad(problem, text[start : closing + len(CLOSE)]), closing + len(CLOSE)


def _read_block(data: object, text: str) -> ToolCall:
    if not isinstance(data, dict):
        return _bad(f"the block holds a JSON {type(data).__name__}; write one object with name and arguments", text)
    call = read_call(data.get("name"), data.get("arguments"), text)
    return call if call.problem is None else _bad(call.problem, text)


def _bad(problem: str, text: str, name: str = "") -> ToolCall:
    return ToolCall(name=name, problem=problem, text=text)


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8, which half a surrogate pair cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _after_space(text: str, place: int) -> int:
    while text[place : place + 1].isspace():
        place += 1
    return place
