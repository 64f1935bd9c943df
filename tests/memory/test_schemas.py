"""Schemas of tools that other layouts have; those of Mem-α are in test_tools.py."""

from __future__ import annotations

from typing import Any

from memalpha.memory.layout import MEMALPHA
from memalpha.memory.layouts import MARKDOWN, MEMGPT, MIRIX
from memalpha.memory.schemas import argument_names, tool_schemas


def parameters(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["function"]["parameters"]
    return found


def test_the_tools_of_a_file_name_no_kind() -> None:
    append, change, delete = tool_schemas(MARKDOWN)
    assert append == {
        "type": "function",
        "function": {
            "name": "file_append",
            "description": "Add one line at the end of the file.",
            "parameters": {
                "type": "object",
                "properties": {"content": {"type": "string", "description": "The text to write."}},
                "required": ["content"],
                "additionalProperties": False,
            },
        },
    }
    assert parameters(change)["required"] == ["content", "line"]
    assert parameters(delete)["properties"] == {"line": {"type": "integer", "description": "Number of the entry."}}


def test_the_tools_of_memgpt() -> None:
    append, change, archive = tool_schemas(MEMGPT)
    assert parameters(append)["properties"]["name"]["enum"] == ["persona", "human"]
    assert parameters(append)["required"] == ["name", "content"]
    assert parameters(change)["required"] == ["name", "old_content", "new_content"]
    assert list(parameters(archive)["properties"]) == ["content"]


def test_an_entry_of_several_fields_needs_the_first() -> None:
    schemas = {schema["function"]["name"]: parameters(schema) for schema in tool_schemas(MIRIX)}
    assert list(schemas["episodic_memory_insert"]["properties"]) == ["summary", "details", "actor"]
    assert schemas["episodic_memory_insert"]["required"] == ["summary"]
    assert schemas["episodic_memory_insert"]["properties"]["actor"]["description"] == "The actor."
    assert schemas["vault_memory_update"]["required"] == ["caption", "memory_id"]
    assert list(schemas["core_memory_rewrite"]["properties"]) == ["label", "content"]


def test_every_argument_of_a_schema_can_be_given() -> None:
    for layout in (MEMALPHA, MARKDOWN, MEMGPT, MIRIX):
        for form, schema in zip(layout.tools, tool_schemas(layout), strict=True):
            assert argument_names(form) == list(parameters(schema)["properties"])
