"""However the text arrives, the parts are those of the whole; and what is certain is told at once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.agent.parsing import parse_calls, render_call
from memalpha.records import ToolCall
from memalpha.serve.call_stream import CallStream, Part, split_calls

ONE = render_call(ToolCall(name="keep", arguments={"lines": [1]}))
TAG = '<tool_call>{"name": "keep", "arguments": {"text": "a </tool_call> b"}}</tool_call>'
BAD = '<tool_call>{"name": "keep", </tool_call>'


def streamed(text: str, cuts: list[int]) -> list[Part]:
    stream, parts, at = CallStream(), list[Part](), 0
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        parts += stream.push(text[at:cut])
        at = max(at, cut)
    return parts + stream.finish()


def test_speech_and_calls_are_told_as_soon_as_they_are_certain() -> None:
    stream = CallStream()
    told = [stream.push(piece) for piece in ("So", " <", "b> <too", ONE[4:-3], "ll>", "1", "<")]
    call = told[4][0]
    assert told == [["So"], [" "], ["<b> "], [], [call], ["1"], []]
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == ("keep", {"lines": [1]})
    assert stream.finish() == ["<"]


def test_a_call_whose_argument_holds_a_closing_tag_waits_for_its_end() -> None:
    stream = CallStream()
    before, after = TAG[:65], TAG[65:]
    assert "</tool_call>" in before
    assert stream.push(before) == []
    (call,) = stream.push(after)
    assert isinstance(call, ToolCall)
    assert call.arguments == {"text": "a </tool_call> b"}


def test_from_a_bad_block_on_everything_waits() -> None:
    stream = CallStream()
    assert stream.push(BAD + ONE) == []
    bad, good = stream.finish()
    assert isinstance(bad, ToolCall)
    assert isinstance(good, ToolCall)
    assert (bad.problem is None, bad.text, good.name) == (False, BAD, "keep")


def test_split() -> None:
    said, calls = split_calls(f"a {ONE} b{BAD}c")
    assert said == "a  bc"
    assert [call.problem is None for call in calls] == [True, False]
    assert split_calls("") == ("", [])


PIECES = st.lists(
    st.sampled_from([ONE, TAG, BAD, "<tool_call>", "</tool_call>", "<", "{", '{"name": "x"}', '"', "text ", " "]),
    max_size=8,
).map("".join)


@settings(max_examples=200)
@given(text=PIECES, cuts=st.lists(st.integers(0, 400), max_size=10))
def test_the_parts_do_not_hang_on_the_cuts(text: str, cuts: list[int]) -> None:
    parts = streamed(text, cuts)
    assert [part for part in parts if isinstance(part, ToolCall)] == parse_calls(text)
    said, calls = split_calls(text)
    assert "".join(part for part in parts if isinstance(part, str)) == said
    assert calls == parse_calls(text)
    assert "".join(part if isinstance(part, str) else part.text for part in parts) == text
