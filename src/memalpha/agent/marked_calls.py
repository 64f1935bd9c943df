"""Calls between marks, as the released Memalpha-4B writes them: the text protocol of qwen-agent.

    ✿FUNCTION✿: new_memory_insert
    ✿ARGS✿: {"memory_type": "semantic_memory", "content": "Ann likes mint tea."}

Several calls stand one after the other. What follows ✿RESULT✿ or ✿RETURN✿ would be a model playing its own tools, and
is left out. Nothing that a model wrote raises here, as in `memalpha.agent.parsing`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from memalpha.agent.parsing import read_call
from memalpha.records import ToolCall

FUNCTION, ARGS = "✿FUNCTION✿", "✿ARGS✿"
_END = re.compile("✿RESULT✿|✿RETURN✿")
_NAME = re.compile(rf"\s*:?\s*(\S*)\s*(?:{ARGS}\s*:?(.*))?\Z", re.DOTALL)
_DECODER = json.JSONDecoder()
_SUFFIX = "_memory"
"""With which that model was told the kinds of memory."""


def parse_marked_calls(text: str) -> list[ToolCall]:
    """Every call in the text, in order; text before the first mark is ignored."""
    _, *parts = _END.split(text, maxsplit=1)[0].split(FUNCTION)
    return [_read(part) for part in parts]


def _read(part: str) -> ToolCall:
    text = FUNCTION + part.rstrip()
    found = _NAME.match(part)
    name, arguments = (found[1], found[2]) if found else (part.strip().split("\n")[0], None)
    if arguments is None:
        problem = f"the call of {name or 'a tool'} has no arguments; write {ARGS}: and one JSON object"
        return ToolCall(name=name, problem=problem, text=text)
    return read_call(name, _first_value(arguments), text)


def _first_value(arguments: str) -> str:
    """The JSON value that the text begins with, without what a model says after it; the text when there is none."""
    start = len(arguments) - len(arguments.lstrip())
    try:
        _, end = _DECODER.raw_decode(arguments, start)
    except (ValueError, RecursionError):
        return arguments
    return arguments[start:end]


def render_marked_call(call: ToolCall) -> str:
    """The text that `parse_marked_calls` reads as this call."""
    return f"{FUNCTION}: {call.name}\n{ARGS}: {json.dumps(dict(call.arguments), ensure_ascii=False)}"


def describe_tools(schemas: Sequence[Mapping[str, Any]]) -> str:
    """The tools and the protocol in words, for a system message: such models are told in no other way."""
    tools = [each["function"] for each in schemas]
    told = "\n\n".join(f"### {tool['name']}\n{tool['description']} Arguments: {_arguments(tool)}" for tool in tools)
    names = ", ".join(tool["name"] for tool in tools)
    return (
        f"## Tools\n\n{told}\n\n"
        f"Write each call on two lines, and as many calls as you need:\n\n{FUNCTION}: one of {names}\n"
        f"{ARGS}: its arguments as one JSON object"
    )


def _arguments(tool: Mapping[str, Any]) -> str:
    parameters = json.loads(json.dumps(tool["parameters"]))
    kinds = parameters["properties"].get("memory_type", {})
    if "enum" in kinds:
        kinds["enum"] = [kind + _SUFFIX for kind in kinds["enum"]]
    return json.dumps(parameters, ensure_ascii=False)
