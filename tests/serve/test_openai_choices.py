"""Choices whole and streamed: the deltas together are the message, and no token is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from memalpha.agent.decoding import Drawn, Sample
from memalpha.agent.parsing import render_call
from memalpha.records import ToolCall
from memalpha.serve.openai_choices import ChatChoice, TextChoice, Wanted
from memalpha.serve.scheduler import Piece

END = 0
CALL = render_call(ToolCall(name="keep", arguments={"lines": [2]}))
ALL = Wanted(calls=True, logprobs=True, token_ids=True)


class Letters:
    """Tokens are code points."""

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def offsets(self, sample: Sample, text: str) -> tuple[int, ...]:
        return tuple(range(len(sample.drawn)))


def sample(text: str, *, ended: bool = True) -> Sample:
    made = Sample(Letters().decode)
    for token in [*map(ord, text), *([END] if ended else [])]:
        made.take(Drawn(0, token, -0.5, token == END))
    return made


def pieces(text: str) -> list[Piece]:
    told = [Piece(text=letter, drawn=Drawn(0, ord(letter), -0.5, False), offset=at) for at, letter in enumerate(text)]
    return [*told, Piece(text="", drawn=Drawn(0, END, -0.5, True), offset=len(text))]


def test_a_whole_message() -> None:
    assert ChatChoice(2, Wanted(), Letters()).whole(sample("Hi " + CALL)) == {
        "index": 2,
        "message": {"role": "assistant", "content": "Hi " + CALL},
        "logprobs": None,
        "finish_reason": "stop",
    }


def test_a_whole_message_with_calls() -> None:
    found = ChatChoice(0, Wanted(calls=True), Letters()).whole(sample("Hi " + CALL))
    assert (found["message"]["content"], found["finish_reason"]) == ("Hi ", "tool_calls")
    (call,) = found["message"]["tool_calls"]
    assert call["function"] == {"name": "keep", "arguments": '{"lines": [2]}'}
    assert ChatChoice(0, Wanted(calls=True), Letters()).whole(sample(CALL))["message"]["content"] is None


@pytest.mark.parametrize(
    ("text", "ended", "reason"), [("", True, "stop"), ("Hi", False, "length"), ("", False, "length")]
)
def test_why_it_ended(text: str, ended: bool, reason: str) -> None:
    for wanted in (Wanted(), Wanted(calls=True)):
        found = ChatChoice(0, wanted, Letters()).whole(sample(text, ended=ended))
        assert (found["message"]["content"], found["finish_reason"]) == (text, reason)
    found = TextChoice(0, Wanted(), Letters(), [5]).whole(sample(text, ended=ended))
    assert (found["text"], found["finish_reason"]) == (text, reason)


def test_calls_of_a_message_that_was_cut_are_told_and_it_is_cut_all_the_same() -> None:
    found = ChatChoice(0, Wanted(calls=True), Letters()).whole(sample(CALL + "<tool_call>", ended=False))
    assert [call["function"]["name"] for call in found["message"]["tool_calls"]] == ["keep", ""]
    assert found["finish_reason"] == "length"


def test_tokens_come_with_a_whole_choice() -> None:
    found = ChatChoice(0, ALL, Letters()).whole(sample("Hi"))
    assert (found["token_ids"], found["token_offsets"]) == ([72, 105, 0], [0, 1, 2])
    assert [each["token"] for each in found["logprobs"]["content"]] == ["H", "i", "\0"]
    text = TextChoice(0, ALL, Letters(), [5, 6]).whole(sample("Hi"))
    assert (text["token_ids"], text["prompt_token_ids"]) == ([72, 105, 0], [5, 6])
    assert text["logprobs"]["text_offset"] == [0, 1, 2]


def streamed(choice: ChatChoice | TextChoice, text: str) -> list[dict[str, Any]]:
    return [
        *choice.open(),
        *(body for piece in pieces(text) for body in choice.grow(piece)),
        *choice.close(sample(text)),
    ]


def test_a_streamed_message_is_the_whole_one() -> None:
    text = f"a{CALL}b{CALL}<"
    bodies = streamed(ChatChoice(0, ALL, Letters()), text)
    deltas = [body["delta"] for body in bodies]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta.get("content") for delta in deltas[1:]] == ["a", None, "b", None, "<", None]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1]
    assert {call["function"]["arguments"] for call in calls} == {'{"lines": [2]}'}
    assert [body["finish_reason"] for body in bodies] == [None] * 6 + ["tool_calls"]
    told = [token for body in bodies for token in body["token_ids"]]
    assert Letters().decode(told) == text + "\0"
    assert [at for body in bodies for at in body["token_offsets"]] == list(range(len(text) + 1))
    spelled = [each["token"] for body in bodies if body["logprobs"] for each in body["logprobs"]["content"]]
    assert "".join(spelled) == text + "\0"


def test_a_streamed_message_without_tools_is_text() -> None:
    bodies = streamed(ChatChoice(0, Wanted(), Letters()), "<tool")
    assert [body["delta"].get("content") for body in bodies] == ["", "<", "t", "o", "o", "l", None]
    assert bodies[-1]["finish_reason"] == "stop"
    assert "token_ids" not in bodies[1]


def test_a_streamed_text_is_the_whole_one() -> None:
    bodies = streamed(TextChoice(1, Wanted(logprobs=True), Letters(), [5]), "abc")
    assert [body["text"] for body in bodies] == ["a", "b", "c", ""]
    assert [body["logprobs"]["text_offset"] for body in bodies] == [[0], [1], [2], [3]]
    assert {body["index"] for body in bodies} == {1}
    ids = streamed(TextChoice(1, Wanted(token_ids=True), Letters(), [5]), "ab")
    assert ids[0]["prompt_token_ids"] == [5]
    assert [token for body in ids for token in body["token_ids"]] == [97, 98, 0]
