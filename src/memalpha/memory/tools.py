"""The tools a model edits its memory with: their JSON schemas, and `apply`, which does what a call asks.

The three tools and their arguments are those of Mem-α (arXiv:2509.25911); `lines`, which quotes the chunk word for
word, is ours. Whatever a model wrote becomes one typed `ToolResult` whose message tells the model how to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from memalpha.errors import (
    BankError,
    DuplicateError,
    EmptyTextError,
    NotAllowedError,
    OverLimitError,
    UnknownEntryError,
)
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Action, MemoryKind, Provenance
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.records import Chunk, ToolCall, ToolResult, ToolStatus


class Tool(StrEnum):
    """The names of the tools."""

    INSERT = "memory_insert"
    UPDATE = "memory_update"
    DELETE = "memory_delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a writer was shown when it made a call."""

    chunk: Chunk
    index: int
    """Place of the chunk in its stream, the first is 0."""
    author: str = "writer"
    shown: frozenset[int] | None = None
    """Ids of the entries it was shown, no others are changed; None is no limit, for people and rules."""


class WriteBudget:
    """Tokens that may still be written, for a writer that must choose what to keep."""

    __slots__ = ("remaining_tokens",)

    def __init__(self, tokens: int) -> None:
        """Start with all of them."""
        self.remaining_tokens = tokens

    def check(self, tokens: int) -> None:
        """Raise `OverLimitError` when fewer than these remain."""
        if tokens > self.remaining_tokens:
            raise OverLimitError(
                f"got a text of {tokens} tokens, expected at most {self.remaining_tokens}, "
                "which is what remains to be written; write less"
            )

    def spend(self, tokens: int) -> None:
        """Take these from what remains; raises `OverLimitError` and takes nothing when fewer remain."""
        self.check(tokens)
        self.remaining_tokens -= tokens


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a tool does and which of its arguments holds the text."""

    action: Action
    past: str
    description: str
    text_argument: str | None


_SHAPES = {
    Tool.INSERT: _Shape(Action.INSERT, "inserted", "Add a new entry to memory.", "content"),
    Tool.UPDATE: _Shape(
        Action.UPDATE, "updated", "Replace the text of an entry, or rewrite the whole core memory.", "new_content"
    ),
    Tool.DELETE: _Shape(Action.DELETE, "deleted", "Remove an entry from memory, or clear the core memory.", None),
}

_STATUSES: dict[type[BankError], ToolStatus] = {
    UnknownEntryError: ToolStatus.UNKNOWN_ENTRY,
    NotAllowedError: ToolStatus.NOT_ALLOWED,
    DuplicateError: ToolStatus.DUPLICATE,
    OverLimitError: ToolStatus.OVER_LIMIT,
    EmptyTextError: ToolStatus.BAD_ARGUMENTS,
}

_SUFFIX = "_memory"
_ID_DIGITS = re.compile(r"#?([0-9]{1,15})")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_ID = 10**15


class _ArgumentsError(BankError):
    """Arguments that say nothing, too much or something else than the schema."""


def tool_schemas(layout: Layout) -> list[dict[str, Any]]:
    """The tools that a layout has a use for, as OpenAI-style function schemas; each call makes fresh objects."""
    schemas = []
    for tool, shape in _SHAPES.items():
        kinds = [block.kind for block in layout.blocks if shape.action in block.operations]
        if kinds:
            schemas.append(_schema(tool, shape, kinds))
    return schemas


def apply(bank: Bank, call: ToolCall, source: Source, budget: WriteBudget | None = None) -> ToolResult:
    """Do what a call asks; when it cannot be done nothing is written and the result says why.

    Args:
        bank: The memory to change.
        call: What the model wrote.
        source: The chunk that `lines` quotes and that the provenance names.
        budget: Pays for every text that is written, by `bank.count_tokens`; None is no limit.
    """
    if call.problem is not None:
        return ToolResult(status=ToolStatus.MALFORMED, message=call.problem)
    if call.name not in list(Tool):
        names = ", ".join(Tool)
        return ToolResult(
            status=ToolStatus.UNKNOWN_TOOL, message=f"got the tool {_quoted(call.name)}, expected one of {names}"
        )
    try:
        return _apply(bank, Tool(call.name), call.arguments, source, budget)
    except BankError as error:
        status = _STATUSES.get(type(error), ToolStatus.BAD_ARGUMENTS)
        return ToolResult(status=status, message=str(error))


def _apply(
    bank: Bank, tool: Tool, arguments: Mapping[str, Any], source: Source, budget: WriteBudget | None
) -> ToolResult:
    shape = _SHAPES[tool]
    # A model that fills an optional argument with null means that it leaves it out.
    given = {name: value for name, value in arguments.items() if value is not None}
    known = _argument_names(shape)
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise _ArgumentsError(f"got the argument {_quoted(unknown)}, expected {', '.join(known)}")
    kind = _kind(given.get("memory_type"))
    entry_id = None if shape.action is Action.INSERT else _entry_id(kind, given.get("memory_id"))
    if entry_id is not None and source.shown is not None and entry_id not in source.shown:
        raise UnknownEntryError(f"got #{entry_id}, which was not shown; use the id of an entry that is")
    named = kind
    if entry_id is not None and shape.action is Action.UPDATE:
        # Ids are one counter for all kinds: a number names one entry, whatever kind was said with it. A delete, which
        # leaves no earlier version to go back to, must name both.
        kind = bank.get(entry_id).kind
    lines, text = ((), "") if shape.text_argument is None else _text(shape.text_argument, given, source.chunk)
    provenance = Provenance(chunk=source.index, lines=lines, time=source.chunk.time, author=source.author)
    cost_tokens = 0
    if budget is not None and text:
        cost_tokens = bank.count_tokens(text)
        budget.check(cost_tokens)
    match shape.action:
        case Action.INSERT:
            entry_id = bank.insert(kind, text, provenance).id
        case Action.UPDATE:
            bank.update(kind, entry_id, text, provenance)
        case Action.DELETE:
            bank.delete(kind, entry_id, provenance)
    if budget is not None:
        budget.spend(cost_tokens)
    name = f"{kind} #{entry_id}" if entry_id is not None else str(kind)
    mended = "" if kind is named else f", which is not {named}"
    return ToolResult(status=ToolStatus.OK, message=f"{shape.past} {name}{mended}", entry_id=entry_id)


def _argument_names(shape: _Shape) -> list[str]:
    names = ["memory_type"]
    if shape.text_argument is not None:
        names += [shape.text_argument, "lines"]
    if shape.action is not Action.INSERT:
        names.append("memory_id")
    return names


def _kind(value: object) -> MemoryKind:
    if isinstance(value, str) and value.removesuffix(_SUFFIX) in list(MemoryKind):
        return MemoryKind(value.removesuffix(_SUFFIX))
    raise _ArgumentsError(f"got {_quoted(value)} as memory_type, expected one of {', '.join(MemoryKind)}")


def _entry_id(kind: MemoryKind, value: object) -> int | None:
    if kind is MemoryKind.CORE:
        if value is not None:
            raise _ArgumentsError("got a memory_id for the core, which has none; leave it out")
        return None
    if isinstance(value, str) and (match := _ID_DIGITS.fullmatch(value.strip())):
        return int(match[1])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_ID:
        return value
    raise _ArgumentsError(f"got {_quoted(value)} as memory_id, expected the number of an entry, such as 7")


def _text(name: str, given: Mapping[str, Any], chunk: Chunk) -> tuple[tuple[int, ...], str]:
    """The quoted line numbers and the text to write, which the argument of this name may hold."""
    if (name in given) == ("lines" in given):
        got = "both" if name in given else "neither"
        raise _ArgumentsError(f"got {got} of {name} and lines, expected exactly one of them")
    if "lines" in given:
        numbers = _line_numbers(given["lines"], len(chunk.lines))
        return numbers, "\n".join(chunk.lines[number - 1] for number in numbers)
    text = given[name]
    if not isinstance(text, str):
        raise _ArgumentsError(f"got {_quoted(text)} as {name}, expected text")
    # Half of a surrogate pair, which JSON can spell, is no text: no tokenizer and no file takes it.
    if not text.isascii() and _SURROGATE.search(text):
        raise _ArgumentsError(f"got half of a surrogate pair in {name}, expected text; write the character itself")
    return (), text.strip()


def _line_numbers(value: object, last: int) -> tuple[int, ...]:
    expected = f"expected a list of numbers from 1 to {last}, each once, such as [{min(3, last)}]"
    if not isinstance(value, list) or not value:
        raise _ArgumentsError(f"got {_quoted(value)} as lines, {expected}")
    for number in value:
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= last:
            raise _ArgumentsError(f"got {_quoted(number)} in lines, {expected}")
    if len(set(value)) < len(value):
        raise _ArgumentsError(f"got a line number twice in lines, {expected}")
    return tuple(value)


def _quoted(value: object) -> str:
    """A value of a model in an error message: short, and printable whatever it is."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < _MAX_ID):
        return repr(value)
    if isinstance(value, list) and not value:
        return "an empty list"
    return f"a value of type {type(value).__name__}"


def _schema(tool: Tool, shape: _Shape, kinds: list[MemoryKind]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "memory_type": {"type": "string", "enum": [kind.value for kind in kinds], "description": "Which memory."}
    }
    if shape.text_argument is not None:
        properties[shape.text_argument] = {
            "type": "string",
            "description": "The text to write, in your own words. Give this or lines, never both.",
        }
        properties["lines"] = {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 1,
            "description": "Numbers of the lines to write word for word, such as [3] or [3, 5].",
        }
    if shape.action is not Action.INSERT and any(kind is not MemoryKind.CORE for kind in kinds):
        properties["memory_id"] = {
            "type": "integer",
            "description": "Number of the entry." + (" Leave it out for core." if MemoryKind.CORE in kinds else ""),
        }
    required = ["memory_type"]
    if "memory_id" in properties and MemoryKind.CORE not in kinds:
        required.append("memory_id")
    return {
        "type": "function",
        "function": {
            "name": tool.value,
            "description": shape.description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": False,
            },
        },
    }


TOOLS: tuple[dict[str, Any], ...] = tuple(tool_schemas(MEMALPHA))
"""The tools of the default layout."""
