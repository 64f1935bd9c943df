"""Tools: each outcome of a call, quoting by line, the write budget, the schemas, and calls of any shape at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.errors import OverBudgetError
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.entry import Origin
from memalpha.memory.layout import FLAT, MEMALPHA, Layout
from memalpha.memory.layouts import MARKDOWN, MEMGPT, MIRIX
from memalpha.memory.schemas import argument_names
from memalpha.memory.tools import TOOLS, Source, Tool, WriteBudget, apply, record, tool_schemas
from memalpha.records import Chunk, ToolCall, ToolResult, ToolStatus

SOURCE = Source(chunk=Chunk(text="Hi!\n\n Ann has a dog. \nBye.\n", time="2024-03-05"), index=4)
INSERT, UPDATE, DELETE = Tool


def bank() -> Bank:
    """Semantic 1 and episodic 2."""
    made = Bank(count_tokens=lambda text: len(text.split()))
    made.insert(MemoryKind.SEMANTIC, "Ann has a cat", Provenance(chunk=0))
    made.insert(MemoryKind.EPISODIC, "Ann called", Provenance(chunk=0))
    return made


def call(made: Bank, tool: str, budget: WriteBudget | None = None, **arguments: Any) -> ToolResult:
    return apply(made, ToolCall(name=tool, arguments=arguments), SOURCE, budget)


def test_insert_writes_free_text() -> None:
    made = bank()
    result = call(made, INSERT, memory_type="semantic", content=" Bo sails ")
    assert result == ToolResult(status=ToolStatus.OK, message="inserted semantic #3", entry_id=3)
    assert made.get(3).text == "Bo sails"
    assert made.get(3).provenance == Provenance(chunk=4, lines=(), time="2024-03-05", author="writer")


def test_insert_quotes_lines_in_the_given_order() -> None:
    made = bank()
    assert call(made, INSERT, memory_type="episodic_memory", lines=[3, 2]).ok
    assert made.get(3).text == "Bye.\nAnn has a dog."
    assert made.get(3).provenance.lines == (3, 2)
    assert made.get(3).rendered == "[2024-03-05] Bye.\nAnn has a dog."


def test_update_replaces_an_entry() -> None:
    made = bank()
    result = call(made, UPDATE, memory_type="semantic", memory_id=1, lines=[2])
    assert result == ToolResult(status=ToolStatus.OK, message="updated semantic #1", entry_id=1)
    assert made.get(1).text == "Ann has a dog."
    assert made.get(1).versions[0].text == "Ann has a cat"


def test_the_core_is_written_without_an_id() -> None:
    made = bank()
    result = call(made, UPDATE, memory_type="core", new_content="Ann", memory_id=None)
    assert result == ToolResult(status=ToolStatus.OK, message="updated core", entry_id=None)
    assert call(made, DELETE, memory_type="core_memory").message == "deleted core"
    assert made.core is None


@pytest.mark.parametrize("memory_id", [2, "2", "#2", " 2 "])
def test_delete_takes_an_entry_away(memory_id: object) -> None:
    made = bank()
    result = call(made, DELETE, memory_type="episodic", memory_id=memory_id)
    assert result == ToolResult(status=ToolStatus.OK, message="deleted episodic #2", entry_id=2)
    assert len(made) == 1


def test_an_update_goes_by_the_id_where_the_kind_beside_it_is_another_one() -> None:
    made = bank()
    result = call(made, UPDATE, memory_type="semantic", memory_id=2, new_content="Bo sailed home.")
    assert result == ToolResult(status=ToolStatus.OK, message="updated episodic #2, which is not semantic", entry_id=2)
    assert (made.get(2).kind, made.get(2).text) == (MemoryKind.EPISODIC, "Bo sailed home.")


def test_the_author_of_the_source_is_recorded() -> None:
    made = bank()
    source = Source(chunk=Chunk(text="x"), index=0, author="user")
    apply(made, ToolCall(name=INSERT, arguments={"memory_type": "semantic", "lines": [1]}), source)
    assert made.get(3).provenance == Provenance(chunk=0, lines=(1,), author="user")


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "message"),
    [
        ("memory_find", {}, ToolStatus.UNKNOWN_TOOL, "got the tool 'memory_find', expected one of memory_insert,"),
        (INSERT, {}, ToolStatus.BAD_ARGUMENTS, "got nothing as memory_type"),
        (INSERT, {"memory_type": "other", "content": "x"}, ToolStatus.BAD_ARGUMENTS, "'other' as memory_type"),
        (INSERT, {"memory_type": ["core"], "content": "x"}, ToolStatus.BAD_ARGUMENTS, "of type list as memory_type"),
        (INSERT, {"memory_type": "semantic"}, ToolStatus.BAD_ARGUMENTS, "neither of content and lines"),
        (INSERT, {"memory_type": "semantic", "content": "x", "lines": [1]}, ToolStatus.BAD_ARGUMENTS, "got both"),
        (INSERT, {"memory_type": "semantic", "content": 3}, ToolStatus.BAD_ARGUMENTS, "got 3 as content"),
        (INSERT, {"memory_type": "semantic", "content": " "}, ToolStatus.BAD_ARGUMENTS, "empty text"),
        (INSERT, {"memory_type": "semantic", "content": "\ud83d"}, ToolStatus.BAD_ARGUMENTS, "surrogate"),
        (
            INSERT,
            {"memory_type": "semantic", "text": "x"},
            ToolStatus.BAD_ARGUMENTS,
            "the argument 'text', expected mem",
        ),
        (INSERT, {"memory_type": "semantic", "lines": []}, ToolStatus.BAD_ARGUMENTS, "an empty list as lines"),
        (INSERT, {"memory_type": "semantic", "lines": 2}, ToolStatus.BAD_ARGUMENTS, "got 2 as lines, expected a list"),
        (INSERT, {"memory_type": "semantic", "lines": [0]}, ToolStatus.BAD_ARGUMENTS, "got 0 in lines"),
        (INSERT, {"memory_type": "semantic", "lines": [4]}, ToolStatus.BAD_ARGUMENTS, "numbers from 1 to 3"),
        (INSERT, {"memory_type": "semantic", "lines": [True]}, ToolStatus.BAD_ARGUMENTS, "got True in lines"),
        (INSERT, {"memory_type": "semantic", "lines": ["2"]}, ToolStatus.BAD_ARGUMENTS, "got '2' in lines"),
        (INSERT, {"memory_type": "semantic", "lines": [10**9999]}, ToolStatus.BAD_ARGUMENTS, "of type int in lines"),
        (INSERT, {"memory_type": "semantic", "lines": [2, 2]}, ToolStatus.BAD_ARGUMENTS, "twice"),
        (INSERT, {"memory_type": "core", "content": "x"}, ToolStatus.NOT_ALLOWED, "insert on core"),
        (INSERT, {"memory_type": "semantic", "content": "Ann has a cat"}, ToolStatus.DUPLICATE, "semantic #1"),
        (UPDATE, {"memory_type": "semantic", "new_content": "x"}, ToolStatus.BAD_ARGUMENTS, "got nothing as memory_id"),
        (
            UPDATE,
            {"memory_type": "semantic", "content": "x"},
            ToolStatus.BAD_ARGUMENTS,
            "expected memory_type, new_cont",
        ),
        (UPDATE, {"memory_type": "core", "memory_id": 0, "lines": [1]}, ToolStatus.BAD_ARGUMENTS, "for the core"),
        (UPDATE, {"memory_type": "core", "new_content": "x " * 513}, ToolStatus.OVER_LIMIT, "513 tokens"),
        (DELETE, {"memory_type": "core"}, ToolStatus.UNKNOWN_ENTRY, "empty"),
        (DELETE, {"memory_type": "semantic", "memory_id": 7}, ToolStatus.UNKNOWN_ENTRY, "#7"),
        (DELETE, {"memory_type": "semantic", "memory_id": -1}, ToolStatus.UNKNOWN_ENTRY, "#-1"),
        (DELETE, {"memory_type": "semantic", "memory_id": 2}, ToolStatus.UNKNOWN_ENTRY, "it is episodic"),
        (DELETE, {"memory_type": "semantic", "memory_id": 1.0}, ToolStatus.BAD_ARGUMENTS, "of type float as memory_id"),
        (DELETE, {"memory_type": "semantic", "memory_id": True}, ToolStatus.BAD_ARGUMENTS, "got True as memory_id"),
        (DELETE, {"memory_type": "semantic", "memory_id": "9" * 5000}, ToolStatus.BAD_ARGUMENTS, "as memory_id"),
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_why(
    tool: str, arguments: dict[str, Any], status: ToolStatus, message: str
) -> None:
    made = bank()
    result = call(made, tool, **arguments)
    assert (result.status, result.entry_id) == (status, None)
    assert message in result.message
    assert (len(made.log), made.tokens()) == (2, 6)


def test_text_that_was_no_call_is_malformed() -> None:
    result = apply(bank(), ToolCall(name="", problem="got no JSON object"), SOURCE)
    assert result == ToolResult(status=ToolStatus.MALFORMED, message="got no JSON object")


def test_a_budget_pays_for_what_is_written_and_for_nothing_else() -> None:
    made, budget = bank(), WriteBudget(5)
    assert call(made, INSERT, budget, memory_type="semantic", content="one two three").ok
    assert budget.remaining_tokens == 2
    assert call(made, INSERT, budget, memory_type="semantic", content="one two three").status is ToolStatus.OVER_BUDGET
    assert call(made, INSERT, budget, memory_type="episodic", content="Ann called").status is ToolStatus.DUPLICATE
    assert call(made, DELETE, budget, memory_type="semantic", memory_id=1).ok
    assert budget.remaining_tokens == 2
    assert call(made, UPDATE, budget, memory_type="episodic", memory_id=2, new_content="Bo called").ok
    assert budget.remaining_tokens == 0


def test_a_refusal_of_the_budget_names_both_counts_and_writes_nothing() -> None:
    made, budget = bank(), WriteBudget(3)
    result = call(made, INSERT, budget, memory_type="semantic", lines=[2])
    assert result.status is ToolStatus.OVER_BUDGET
    assert "4 tokens, expected at most 3" in result.message
    assert (len(made), budget.remaining_tokens) == (2, 3)


def test_of_a_quote_over_the_budget_the_lines_that_fit_are_kept() -> None:
    made, budget = bank(), WriteBudget(3)
    result = call(made, INSERT, budget, memory_type="semantic", lines=[1, 2, 3])
    assert result.ok
    assert result.message.endswith(", without line 2, for which nothing remains to be written")
    entry = made.get(result.entry_id or 0)
    assert (entry.text, entry.provenance.lines, budget.remaining_tokens) == ("Hi!\nBye.", (1, 3), 1)


def test_spending_too_much_takes_nothing() -> None:
    budget = WriteBudget(3)
    with pytest.raises(OverBudgetError):
        budget.spend(4)
    budget.spend(3)
    assert budget.remaining_tokens == 0


def parameters(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["function"]["parameters"]
    return found


def test_schemas_name_the_kinds_that_the_layout_allows() -> None:
    insert, update, delete = tool_schemas(MEMALPHA)
    assert list(TOOLS) == [insert, update, delete]
    assert [schema["function"]["name"] for schema in TOOLS] == ["memory_insert", "memory_update", "memory_delete"]
    assert parameters(insert)["properties"]["memory_type"]["enum"] == ["episodic", "semantic"]
    assert parameters(update)["properties"]["memory_type"]["enum"] == ["core", "episodic", "semantic"]
    assert list(parameters(insert)["properties"]) == ["memory_type", "content", "lines"]
    assert list(parameters(update)["properties"]) == ["memory_type", "new_content", "lines", "memory_id"]
    assert list(parameters(delete)["properties"]) == ["memory_type", "memory_id"]
    assert all(parameters(schema)["required"] == ["memory_type"] for schema in TOOLS)


def test_schemas_of_a_flat_memory_have_no_insert_and_no_ids() -> None:
    update, delete = tool_schemas(FLAT)
    assert list(parameters(update)["properties"]) == ["memory_type", "new_content", "lines"]
    assert parameters(delete)["properties"]["memory_type"]["enum"] == ["core"]


def test_schemas_are_fresh_objects() -> None:
    tool_schemas(MEMALPHA)[0]["function"]["name"] = "changed"
    assert tool_schemas(MEMALPHA)[0]["function"]["name"] == "memory_insert"


def memgpt() -> Bank:
    """The user is Ann, who sails."""
    made = Bank(count_tokens=lambda text: len(text.split()), layout=MEMGPT)
    made.update(MemoryKind.HUMAN, None, "Name: Ann\nShe sails.", Provenance())
    return made


def test_a_line_is_appended_to_a_single_text() -> None:
    made = memgpt()
    result = call(made, "core_memory_append", name="human", content="She has a dog.")
    assert result == ToolResult(status=ToolStatus.OK, message="appended to human", entry_id=None)
    assert call(made, "core_memory_append", name="persona_memory", content="I am kind.").ok
    assert made.core_text == "persona:\nI am kind.\nhuman:\nName: Ann\nShe sails.\nShe has a dog."


def test_a_passage_is_replaced_or_taken_out() -> None:
    made = memgpt()
    assert call(made, "core_memory_replace", name="human", old_content="sails", new_content="digs").ok
    assert made.core_text == "human:\nName: Ann\nShe digs."
    assert call(made, "core_memory_replace", name="human", old_content="Name: Ann", new_content="").ok
    assert made.core_text == "human:\nShe digs."
    assert call(made, "core_memory_replace", name="human", old_content="She digs.", new_content="").ok
    assert made.single(MemoryKind.HUMAN) is None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ({"name": "recall", "content": "x"}, ToolStatus.BAD_ARGUMENTS, "'recall' as name, expected one of persona, hu"),
        ({"name": "human"}, ToolStatus.BAD_ARGUMENTS, "got no content, expected text"),
        ({"name": "human", "content": " "}, ToolStatus.DUPLICATE, "human has already"),
        ({"name": "human", "content": "x", "lines": [1]}, ToolStatus.BAD_ARGUMENTS, "got the argument 'lines'"),
        ({"name": "human", "content": "x " * 510}, ToolStatus.OVER_LIMIT, "514 tokens"),
    ],
)
def test_an_append_that_cannot_be_done(arguments: dict[str, Any], status: ToolStatus, message: str) -> None:
    made = memgpt()
    result = call(made, "core_memory_append", **arguments)
    assert result.status is status
    assert message in result.message
    assert len(made.log) == 1


@pytest.mark.parametrize("old", ["paints", "", None, 3])
def test_a_passage_that_is_not_there_cannot_be_replaced(old: object) -> None:
    made = memgpt()
    result = call(made, "core_memory_replace", name="human", old_content=old, new_content="x")
    assert result.status is ToolStatus.BAD_ARGUMENTS
    assert "old_content" in result.message
    assert len(made.log) == 1


def test_a_budget_pays_for_the_part_that_is_written() -> None:
    made, budget = memgpt(), WriteBudget(3)
    assert call(made, "core_memory_append", budget, name="human", content="Likes tea.").ok
    assert budget.remaining_tokens == 1
    assert call(made, "core_memory_append", budget, name="human", content="Likes tea too.").status is (
        ToolStatus.OVER_BUDGET
    )


def test_fields_make_one_text_a_line_each() -> None:
    made = Bank(count_tokens=len, layout=MIRIX)
    result = call(made, "episodic_memory_insert", summary="Ann moved.", details=" To Oslo. ", actor=None)
    assert result == ToolResult(status=ToolStatus.OK, message="inserted episodic #1", entry_id=1)
    assert made.get(1).rendered == "[2024-03-05] Ann moved.\nTo Oslo."
    assert call(made, "episodic_memory_update", memory_id=1, summary="Ann moved home.").ok
    assert made.get(1).text == "Ann moved home."
    assert call(made, "semantic_memory_update", memory_id=1, name="x").status is ToolStatus.UNKNOWN_ENTRY
    assert call(made, "episodic_memory_insert", details="x").message == "got no summary, expected text"
    assert call(made, "core_memory_rewrite", label="human", content="Ann.").message == "updated human"
    assert call(made, "episodic_memory_delete", memory_id=1).ok
    assert len(made) == 0


def test_a_line_of_a_file_is_changed_by_its_number() -> None:
    made = Bank(count_tokens=len, layout=MARKDOWN)
    assert call(made, "file_append", content="## Ann").entry_id == 1
    assert call(made, "file_append", content="- sails").entry_id == 2
    assert call(made, "file_replace_line", line=2, content="- digs").ok
    assert call(made, "file_delete_line", line="1").ok
    assert [entry.text for entry in made.entries(MemoryKind.FILE)] == ["- digs"]
    assert call(made, "file_delete_line", memory_id=2).message == "got the argument 'memory_id', expected line"
    unknown = call(made, "memory_insert", content="x").message
    assert unknown == "got the tool 'memory_insert', expected one of file_append, file_replace_line, file_delete_line"


def test_the_lines_of_a_chunk_are_recorded_once_each() -> None:
    made = memgpt()
    record(made, SOURCE)
    record(made, SOURCE)
    recalled = made.entries(MemoryKind.RECALL)
    assert [entry.rendered for entry in recalled] == [
        "[2024-03-05] Hi!",
        "[2024-03-05] Ann has a dog.",
        "[2024-03-05] Bye.",
    ]
    assert recalled[1].provenance == Provenance(chunk=4, lines=(2,), time="2024-03-05", author="stream")
    untouched = bank()
    record(untouched, SOURCE)
    assert len(untouched) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(("core", "semantic", "1")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(("memory_type", "memory_id", "content", "new_content", "lines")) | st.text(max_size=3)
kinds = st.sampled_from(("core", "semantic", "episodic_memory"))


@settings(max_examples=300, deadline=None)
@given(
    tool=st.sampled_from(Tool) | st.text(max_size=3),
    arguments=st.dictionaries(names, json_values, max_size=4),
    kind=st.none() | kinds,
    memory_id=st.none() | st.integers(0, 3),
    lines=st.none() | st.lists(st.integers(0, 4), max_size=2),
    tokens=st.integers(0, 4),
)
def test_no_call_raises_and_only_an_ok_call_changes_the_bank(
    tool: str, arguments: dict[str, Any], kind: str | None, memory_id: int | None, lines: list[int] | None, tokens: int
) -> None:
    given_arguments = arguments | {
        name: value
        for name, value in (("memory_type", kind), ("memory_id", memory_id), ("lines", lines))
        if value is not None
    }
    made = bank()
    result = apply(made, ToolCall(name=tool, arguments=given_arguments), SOURCE, WriteBudget(tokens))
    assert len(made.log) == (3 if result.ok else 2)
    assert result.message.encode("utf-8")


@settings(max_examples=200, deadline=None)
@given(
    layout=st.sampled_from((MEMGPT, MIRIX, MARKDOWN)),
    place=st.integers(0, 20),
    values=st.lists(json_values, min_size=4, max_size=4),
)
def test_no_call_of_another_layout_raises_either(layout: Layout, place: int, values: list[Any]) -> None:
    made = Bank(count_tokens=lambda text: len(text.split()), layout=layout)
    form = layout.tools[place % len(layout.tools)]
    arguments = dict(zip(argument_names(form), ["human", *values], strict=False))
    result = call(made, form.name, **arguments)
    assert len(made.log) == int(result.ok)
    assert result.message.encode("utf-8")


def test_the_origin_of_a_text_is_that_of_the_least_trusted_line_it_quotes() -> None:
    origins = (Origin.USER, Origin.ASSISTANT)
    source = Source(chunk=Chunk(text="Ann has a dog.\nA terrier?"), index=0, origins=origins)
    assert [source.origin((1,)), source.origin((2,)), source.origin((2, 1)), source.origin()] == [
        Origin.USER,
        Origin.ASSISTANT,
        Origin.ASSISTANT,
        Origin.ASSISTANT,
    ]
    assert SOURCE.origin() is Origin.USER


@pytest.mark.parametrize("origin", [Origin.TOOL, Origin.DOCUMENT])
def test_a_text_that_anybody_may_have_written_changes_nothing_of_the_conversation(origin: Origin) -> None:
    bank = Bank(count_tokens=len)
    bank.update(MemoryKind.CORE, None, "Ann.", Provenance())
    bank.insert(MemoryKind.SEMANTIC, "Ann lives in Oslo.", Provenance(origin=Origin.ASSISTANT))
    bank.insert(MemoryKind.SEMANTIC, "It rains.", Provenance(origin=Origin.TOOL))
    page = Source(chunk=Chunk(text="Hello!\nAnn lives in Rome."), index=0, origins=(Origin.USER, origin))

    def status(tool: Tool, **arguments: Any) -> ToolStatus:
        return apply(bank, ToolCall(name=tool, arguments=arguments), page).status

    refused = [
        status(Tool.UPDATE, memory_type="core", new_content="Obey."),
        status(Tool.UPDATE, memory_type="semantic", memory_id=1, lines=[2]),
        status(Tool.UPDATE, memory_type="semantic", memory_id=1, lines=[1]),
        status(Tool.UPDATE, memory_type="episodic", memory_id=1, lines=[1]),
        status(Tool.DELETE, memory_type="semantic", memory_id=1),
        status(Tool.DELETE, memory_type="core"),
    ]
    assert refused == [ToolStatus.NOT_ALLOWED] * 6
    assert (bank.core_text, bank.get(1).text) == ("Ann.", "Ann lives in Oslo.")
    assert status(Tool.UPDATE, memory_type="semantic", memory_id=2, lines=[2]) is ToolStatus.OK
    assert bank.get(2).provenance.origin is origin
    assert status(Tool.INSERT, memory_type="semantic", content="Hello there!") is ToolStatus.OK
    assert bank.get(3).provenance.origin is origin
    assert status(Tool.DELETE, memory_type="semantic", memory_id=2) is ToolStatus.OK
