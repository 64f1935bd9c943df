"""Blocks to calls and back; no text raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.parsing import parse_calls, read_call, render_call, strip_thinking
from memalpha.records import ToolCall

INSERT = '<tool_call>{"name": "memory_insert", "arguments": {"memory_type": "semantic", "content": "x"}}</tool_call>'

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CALLS = st.builds(ToolCall, name=st.text(min_size=1), arguments=st.dictionaries(st.text(), JSON, max_size=4))
PIECES = st.sampled_from(
    [
        "<tool_call>",
        "</tool_call>",
        "{",
        "}",
        '"',
        "\\",
        '"name"',
        ":",
        ",",
        '"arguments"',
        "[",
        "1e999",
        "\n",
        "x",
        INSERT,
    ]
)


def test_one_block() -> None:
    assert parse_calls(f"Noted.\n{INSERT} done") == [
        ToolCall(name="memory_insert", arguments={"memory_type": "semantic", "content": "x"}, text=INSERT)
    ]


def test_many_blocks_with_white_space() -> None:
    spaced = '<tool_call>\n  {"name" : "b", "arguments" : {} }\n\n</tool_call>'
    assert [call.name for call in parse_calls(INSERT + "\n" + spaced + INSERT)] == [
        "memory_insert",
        "b",
        "memory_insert",
    ]


def test_no_block_is_no_call() -> None:
    assert parse_calls("Nothing to keep. </tool_call> {}") == []


def test_arguments_as_json_text_are_decoded() -> None:
    (call,) = parse_calls('<tool_call>{"name": "a", "arguments": "{\\"k\\": [1]}"}</tool_call>')
    assert call.arguments == {"k": [1]}
    assert call.problem is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not JSON"),
        ('{"name": "a", "arguments": {}', "not JSON"),
        ("[1]", "JSON list"),
        ('{"arguments": {}}', "no name"),
        ('{"name": 3, "arguments": {}}', "no name"),
        ('{"name": "\\ud800", "arguments": {}}', "no name"),
        ('{"name": "a"}', "no arguments"),
        ('{"name": "a", "arguments": [1]}', "no arguments"),
        ('{"name": "a", "arguments": "{"}', "not valid JSON"),
        ('{"name": "a", "arguments": {"x": NaN}}', "not valid JSON"),
        ('{"name": "a", "arguments": {"x": 1e999}}', "not valid JSON"),
        ('{"name": "a", "arguments": {"x": "\\ud800"}}', "not valid JSON"),
        ('{"name": "a", "arguments": {"x": ' + "9" * 5000 + "}}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"name": "a", "arguments": {}} {}', "more than one"),
    ],
)
def test_a_bad_block_is_one_problem_among_good_ones(body: str, problem: str) -> None:
    block = f"<tool_call>{body}</tool_call>"
    first, bad, last = parse_calls(INSERT + block + INSERT)
    assert first.problem is None
    assert last.problem is None
    assert (bad.name, bad.arguments, bad.text) == ("", {}, block)
    assert bad.problem is not None
    assert problem in bad.problem


@pytest.mark.parametrize(
    "cut", ['<tool_call>{"name": "a", "argu', '<tool_call>{"name": "a", "arguments": {}}', "<tool_call>"]
)
def test_an_unclosed_block_is_one_problem(cut: str) -> None:
    first, bad = parse_calls(INSERT + cut)
    assert first.problem is None
    assert bad.name == ""
    assert bad.text == cut
    assert "not closed" in str(bad.problem)


def test_an_unclosed_block_does_not_swallow_the_next() -> None:
    bad, good = parse_calls('<tool_call>{"name": "a", ' + INSERT)
    assert "not closed" in str(bad.problem)
    assert good.name == "memory_insert"


def test_render_is_exact() -> None:
    call = ToolCall(name="memory_insert", arguments={"memory_type": "core", "content": "caf\u00e9", "lines": [1, 2]})
    assert render_call(call) == (
        '<tool_call>{"name": "memory_insert", "arguments": '
        '{"memory_type": "core", "content": "caf\u00e9", "lines": [1, 2]}}</tool_call>'
    )


@given(st.lists(CALLS, max_size=3), st.sampled_from(["", "\n", " some text "]))
def test_round_trip(calls: list[ToolCall], between: str) -> None:
    read = parse_calls(between.join(render_call(call) for call in calls))
    assert [(call.name, call.arguments, call.problem) for call in read] == [(c.name, c.arguments, None) for c in calls]


def test_round_trip_of_a_call_that_quotes_the_tags() -> None:
    call = ToolCall(name="a", arguments={"content": "</tool_call> and <tool_call>{}"})
    assert [read.arguments for read in parse_calls(render_call(call))] == [call.arguments]


@given(st.text() | st.lists(PIECES).map("".join))
def test_no_text_raises(text: str) -> None:
    for call in parse_calls(text):
        assert (call.problem is None) == bool(call.name)
        assert call.text in text


@given(JSON, JSON | st.text())
def test_read_call_never_raises(name: Any, arguments: Any) -> None:
    call = read_call(name, arguments, "text")
    if call.problem is None:
        assert json.loads(json.dumps(call.arguments)) == call.arguments


def test_many_open_tags_are_quick() -> None:
    assert len(parse_calls("<tool_call>" * 5_000)) == 5_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" as it is ", (" as it is ", True)),
        ("<think>a\nb</think>\n\nParis", ("Paris", True)),
        ("<think>a</think>x<think>b</think>y", ("xy", True)),
        ("from the template</think> Paris", ("Paris", True)),
        ("<think>cut", ("", False)),
        ("x <think>a</think> y <think>cut", ("", False)),
    ],
)
def test_strip_thinking(text: str, expected: tuple[str, bool]) -> None:
    assert strip_thinking(text) == expected
