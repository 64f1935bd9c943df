"""The parts of an answer, by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from memalpha.agent.decoding import Drawn
from memalpha.records import ToolCall
from memalpha.serve.openai_replies import Head, Protocol, chat_logprobs, text_logprobs, tool_call, usage


def spell(ids: Sequence[int]) -> str:
    return "".join("éab\ufffd"[each] for each in ids)


FIRST = Drawn(0, 0, -0.5, False, ((0, -0.5), (3, -2.0)))
SECOND = Drawn(0, 1, -0.25, False, ((2, -math.inf),))


def test_an_answer_has_the_head_of_its_protocol() -> None:
    head = Head(protocol=Protocol.CHAT, model="nano", id="chatcmpl-1", created=7)
    common = {"id": "chatcmpl-1", "created": 7, "model": "nano"}
    assert head.reply([{"index": 0}], usage(3, 4), extra=1) == {
        **common,
        "object": "chat.completion",
        "choices": [{"index": 0}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "extra": 1,
    }
    assert head.chunk({"index": 0}, usage=None) == {
        **common,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0}],
        "usage": None,
    }
    text = Head.new(Protocol.TEXT, "nano")
    assert text.id.startswith("cmpl-")
    assert text.id != Head.new(Protocol.TEXT, "nano").id
    assert text.chunk()["object"] == text.reply([], None)["object"] == "text_completion"


def test_a_call_has_its_arguments_as_json_and_a_bad_one_its_text() -> None:
    call = tool_call(ToolCall(name="keep", arguments={"text": "é", "lines": [1]}, text="<tool_call>...</tool_call>"))
    assert call["function"] == {"name": "keep", "arguments": '{"text": "é", "lines": [1]}'}
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    bad = tool_call(ToolCall(name="", problem="the call has no name", text='<tool_call>{"a": 1}</tool_call>'))
    assert bad["function"] == {"name": "", "arguments": '<tool_call>{"a": 1}</tool_call>'}
    assert bad["id"] != call["id"]


def test_logprobs_of_a_chat() -> None:
    assert chat_logprobs([FIRST, SECOND], spell) == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                    {"token": "\ufffd", "logprob": -2.0, "bytes": None},
                ],
            },
            {
                "token": "a",
                "logprob": -0.25,
                "bytes": [97],
                "top_logprobs": [{"token": "b", "logprob": -9999.0, "bytes": [98]}],
            },
        ],
        "refusal": None,
    }
    assert "Infinity" not in json.dumps(chat_logprobs([SECOND], spell))


def test_logprobs_of_a_text() -> None:
    assert text_logprobs([FIRST, SECOND], [0, 1], spell) == {
        "tokens": ["é", "a"],
        "token_logprobs": [-0.5, -0.25],
        "top_logprobs": [{"é": -0.5, "\ufffd": -2.0}, {"b": -9999.0}],
        "text_offset": [0, 1],
    }
    plain = text_logprobs([Drawn(0, 1, -1.0, False)], [0], spell)
    assert plain["top_logprobs"] is None


def test_of_two_tokens_with_one_spelling_the_likelier_is_told() -> None:
    drawn = Drawn(0, 1, -1.0, False, ((3, -1.0), (3, -2.0)))
    assert text_logprobs([drawn], [0], spell)["top_logprobs"] == [{"\ufffd": -1.0}]
