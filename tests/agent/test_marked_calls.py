"""Marks to calls and back; no text raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.marked_calls import ARGS, FUNCTION, describe_tools, parse_marked_calls, render_marked_call
from memalpha.memory.layouts import RELEASED
from memalpha.memory.schemas import tool_schemas
from memalpha.records import ToolCall

INSERT = f'{FUNCTION}: new_memory_insert\n{ARGS}: {{"memory_type": "semantic_memory", "content": "Ann likes tea."}}'
DELETE = f'{FUNCTION}: memory_delete\n{ARGS}: {{"memory_type": "episodic_memory", "memory_id": "3"}}'
PIECES = st.sampled_from(
    [FUNCTION, ARGS, "✿RESULT✿", "✿RETURN✿", ":", " ", "\n", "{", "}", '"', "name", "1e999", INSERT]
)


def test_calls_one_after_the_other() -> None:
    first, second = parse_marked_calls(f"I keep this.\n{INSERT}\n{DELETE}\n")
    assert (first.name, first.problem) == ("new_memory_insert", None)
    assert first.arguments == {"memory_type": "semantic_memory", "content": "Ann likes tea."}
    assert (second.name, second.arguments) == ("memory_delete", {"memory_type": "episodic_memory", "memory_id": "3"})
    assert (first.text, second.text) == (INSERT, DELETE)


def test_no_mark_is_no_call() -> None:
    assert parse_marked_calls("Nothing to keep.") == []


@pytest.mark.parametrize("mark", ["✿RESULT✿", "✿RETURN✿"])
def test_a_model_that_plays_its_own_tools_is_not_heard(mark: str) -> None:
    assert len(parse_marked_calls(f"{INSERT}\n{mark}: stored\n{DELETE}")) == 1


def test_what_is_said_after_the_arguments_is_left_out() -> None:
    (call,) = parse_marked_calls(f"{INSERT}\n\nThat is all.")
    assert call.problem is None
    assert call.arguments["content"] == "Ann likes tea."


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        (FUNCTION, "", "the call of a tool has no arguments"),
        (f"{FUNCTION}: memory_delete", "memory_delete", "the call of memory_delete has no arguments"),
        (f"{FUNCTION}: two words", "two words", "the call of : two words has no arguments"),
        (f"{FUNCTION}: a\n{ARGS}: {{1", "a", "the arguments of a are not valid JSON"),
        (f"{FUNCTION}: a\n{ARGS}: [1]", "a", 'the call of a has no arguments; write "arguments" as a JSON object'),
        (f"{FUNCTION}: \n{ARGS}: {{}}", "", "the call has no name"),
    ],
)
def test_a_bad_call_says_what_is_wrong_with_it(text: str, name: str, problem: str) -> None:
    (call,) = parse_marked_calls(text)
    assert call.problem is not None
    assert problem in call.problem
    assert call.name in (name, f": {name}")


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_raises(text: str) -> None:
    assert len(parse_marked_calls(text)) <= text.count(FUNCTION)


@given(
    st.lists(
        st.builds(
            ToolCall,
            name=st.from_regex(r"\A[a-z_]{1,12}\Z"),
            arguments=st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3),
        ).filter(lambda call: "✿" not in json.dumps(dict(call.arguments), ensure_ascii=False)),
        max_size=4,
    )
)
def test_what_is_rendered_is_read_again(calls: list[ToolCall]) -> None:
    found = parse_marked_calls("\n".join(map(render_marked_call, calls)))
    assert [(call.name, call.arguments, call.problem) for call in found] == [
        (call.name, dict(call.arguments), None) for call in calls
    ]


def test_tools_are_told_with_the_names_that_the_model_knows() -> None:
    schemas: list[dict[str, Any]] = tool_schemas(RELEASED)
    told = describe_tools(schemas)
    assert told.count("### ") == 3
    assert "one of new_memory_insert, memory_update, memory_delete" in told
    insert = told[told.index("### new_memory_insert") : told.index("### memory_update")]
    assert '["semantic_memory", "episodic_memory"]' in insert
    assert told.count('"core_memory"') == 2
    assert '"lines"' not in told
    # The schemas themselves stay as they were.
    assert schemas == tool_schemas(RELEASED)
