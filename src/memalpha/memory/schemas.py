"""How a model is told of the tools of a layout: OpenAI-style function schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memalpha.memory.entry import MemoryKind
from memalpha.memory.layout import MEMALPHA, Edit, Layout, ToolForm


def tool_schemas(layout: Layout) -> list[dict[str, Any]]:
    """The tools that a layout has a use for, as OpenAI-style function schemas; each call makes fresh objects."""
    return [_schema(form, kinds) for form in layout.tools if (kinds := layout.kinds_of(form))]


def argument_names(form: ToolForm) -> list[str]:
    """The names that a call of this tool may give, in the order in which a model is told of them."""
    names = [] if len(form.kinds) == 1 else [form.kind_argument]
    names += [form.old_argument] if form.old_argument else []
    names += form.text_arguments
    names += ["lines"] if form.quotes else []
    if form.edit in (Edit.UPDATE, Edit.DELETE) and not _singles_only(form.kinds):
        names.append(form.id_argument)
    return names


def _singles_only(kinds: Sequence[MemoryKind]) -> bool:
    """Whether no kind of these needs an id; of no kinds, which are all kinds, some do."""
    return bool(kinds) and all(kind.single for kind in kinds)


def _schema(form: ToolForm, kinds: Sequence[MemoryKind]) -> dict[str, Any]:
    names = argument_names(form)
    properties: dict[str, Any] = {}
    if form.kind_argument in names:
        properties[form.kind_argument] = {
            "type": "string",
            "enum": [kind.value for kind in kinds],
            "description": "Which memory.",
        }
    if form.old_argument:
        properties[form.old_argument] = {"type": "string", "description": "The passage to replace, word for word."}
    for name in form.text_arguments:
        properties[name] = {"type": "string", "description": _text_description(form, name)}
    if form.quotes:
        properties["lines"] = {
            "type": "array",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 1,
            "description": "Numbers of the lines to write word for word, such as [3] or [3, 5].",
        }
    singles = [kind for kind in kinds if kind.single]
    if form.id_argument in names and len(singles) < len(kinds):
        but = f" Leave it out for {', '.join(singles)}." if singles else ""
        properties[form.id_argument] = {"type": "integer", "description": f"Number of the entry.{but}"}
    optional = set(form.text_arguments if form.quotes else form.text_arguments[1:]) | {"lines"}
    optional |= {form.id_argument} if singles else set()
    return {
        "type": "function",
        "function": {
            "name": form.name,
            "description": form.description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": [name for name in properties if name not in optional],
                "additionalProperties": False,
            },
        },
    }


def _text_description(form: ToolForm, name: str) -> str:
    if form.quotes:
        return "The text to write, in your own words. Give this or lines, never both."
    if form.edit is Edit.REPLACE:
        return "What stands there afterwards; empty takes the passage out."
    return "The text to write." if len(form.text_arguments) == 1 else f"The {name.replace('_', ' ')}."


TOOLS: tuple[dict[str, Any], ...] = tuple(tool_schemas(MEMALPHA))
"""The tools of the default layout."""
