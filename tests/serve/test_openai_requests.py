"""Which requests are taken, and that each bad one is one sentence that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from memalpha.serve.openai_requests import ChatRequest, CompletionRequest, problem

HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "keep", "arguments": '{"lines": [1]}'}}
TOOL = {"type": "function", "function": {"name": "keep", "description": "Keeps.", "parameters": {"type": "object"}}}


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest.model_validate({"messages": HI, **fields})


def refused(request: type[BaseModel], body: Any) -> tuple[str, str | None]:
    with pytest.raises(ValidationError) as caught:
        request.model_validate(body)
    return problem(caught.value.errors(), request)


def test_defaults_are_left_to_who_answers() -> None:
    request = chat()
    assert (request.temperature, request.max_tokens, request.n, request.seed) == (None, None, None, None)
    assert (request.stop_texts, request.reads_calls, request.tells_usage) == ((), False, False)


def test_nulls_are_what_is_left_out() -> None:
    nulls = dict.fromkeys(set(ChatRequest.model_fields) - {"messages"})
    assert ChatRequest.model_validate({"messages": HI, **nulls}).stop_texts == ()


def test_what_only_describes_the_request_is_taken() -> None:
    chat(user="ann", metadata={"run": "1"}, store=False, service_tier="auto", frequency_penalty=0, logit_bias={})


@pytest.mark.parametrize(("stop", "expected"), [("a", ("a",)), (["a", "bc"], ("a", "bc")), ([], ()), (None, ())])
def test_stop_texts(stop: Any, expected: tuple[str, ...]) -> None:
    assert chat(stop=stop).stop_texts == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("a b", ["a b"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1, 2], [3]], [[1, 2], [3]]), ("", [""])],
)
def test_prompts(prompt: Any, expected: list[Any]) -> None:
    assert CompletionRequest.model_validate({"prompt": prompt}).prompts == expected


def test_tools_are_read_unless_they_are_turned_off() -> None:
    assert chat(tools=[TOOL]).reads_calls
    assert chat(tools=[TOOL], tool_choice="auto").shown_tools() == [TOOL]
    off = chat(tools=[TOOL], tool_choice="none")
    assert (off.reads_calls, off.shown_tools()) == (False, [])
    assert not chat(tools=[]).reads_calls


def test_messages_as_templates_know_them() -> None:
    request = chat(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "annotations": []},
            {"role": "tool", "tool_call_id": "c1", "content": "kept"},
        ]
    )
    assert [message.for_template() for message in request.messages] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ab", "name": "ann"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{**CALL, "function": {"name": "keep", "arguments": {"lines": [1]}}}],
        },
        {"role": "tool", "content": "kept", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize("arguments", ['{"lines": ', "[1]", "<tool_call>"])
def test_arguments_that_are_no_object_are_shown_as_they_were(arguments: str) -> None:
    call = {"function": {"name": "keep", "arguments": arguments}}
    (message,) = chat(messages=[{"role": "assistant", "tool_calls": [call]}]).messages
    assert message.for_template()["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize(
    ("fields", "expected", "param"),
    [
        ({"temperature": 3}, "got 3 at temperature, expected a number from 0 to 2", "temperature"),
        ({"temperature": "1"}, 'got "1" at temperature, expected a number from 0 to 2', "temperature"),
        ({"temperature": float("nan")}, "got NaN at temperature, expected a number from 0 to 2", "temperature"),
        ({"top_p": 0}, "got 0 at top_p, expected a number above 0, at most 1", "top_p"),
        ({"n": True}, "got true at n, expected a whole number from 1 to 128", "n"),
        ({"max_tokens": 0}, "got 0 at max_tokens, expected a whole number from 1", "max_tokens"),
        ({"max_completion_tokens": 1.5}, "got 1.5 at max_completion_tokens, expected a whole number", None),
        ({"seed": 2**64}, f"got {2**64} at seed, expected a whole number of 64 bits", "seed"),
        ({"stop": ""}, 'got "" at stop, expected a text, or a list of at most 16 texts', "stop"),
        ({"stop": ["a"] * 17}, "got 17 stop texts, expected at most 16; send fewer", "stop"),
        ({"top_logprobs": 3}, "got top_logprobs without logprobs, expected both", "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "got 21 at top_logprobs, expected a whole number from 0 to 20", None),
        ({"frequency_penalty": 0.5}, "got 0.5 at frequency_penalty, expected 0, since penalties are not", None),
        ({"logit_bias": {"7": -100}}, 'got {"7": -100} at logit_bias, expected an empty object', "logit_bias"),
        ({"tool_choice": "required"}, 'got "required" at tool_choice, expected "auto" or "none"', "tool_choice"),
        ({"response_format": {"type": "json_object"}}, 'got "json_object" at response_format.type, expected', None),
        ({"tools": [{"type": "function"}]}, "got nothing at tools.0.function, expected a list of tools", "tools"),
        ({"messages": []}, "got [] at messages, expected a list of at least one message", "messages"),
        ({"messages": "hi"}, 'got "hi" at messages, expected a list of at least one message', "messages"),
        ({"messages": [{"content": "x"}]}, "got nothing at messages.0.role, expected a list", "messages"),
        ({"messages": [{"role": "god"}]}, 'got "god" at messages.0.role, expected a list', "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "got 7 at messages.0.content, expected a list", "messages"),
        ({"top_k": 5}, "got the unknown parameter 'top_k', which is not supported; leave it out", "top_k"),
        ({"stream_options": {"x": 1}}, "got the unknown parameter 'stream_options.x', which is", "stream_options"),
    ],
)
def test_a_bad_field_is_one_sentence(fields: dict[str, Any], expected: str, param: str | None) -> None:
    message, found = refused(ChatRequest, {"messages": HI, **fields})
    assert message.startswith(expected)
    assert "\n" not in message
    assert found == (param or next(iter(fields)))


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_what_is_no_object_is_one_sentence(body: Any) -> None:
    message, param = refused(ChatRequest, body)
    assert (message[:37], param) == ("got a body that is no JSON object, ex", None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "the parameter 'prompt' is missing, expected a text, a list of texts"),
        ({"prompt": []}, "got [] at prompt, expected a text"),
        ({"prompt": [[]]}, "got [[]] at prompt, expected a text"),
        ({"prompt": [1, "a"]}, 'got [1, "a"] at prompt, expected a text'),
        ({"prompt": [1, True]}, "got [1, true] at prompt, expected a text"),
        ({"prompt": "x", "echo": True}, "got true at echo, expected false"),
        ({"prompt": "x", "best_of": 2}, "got 2 at best_of, expected 1"),
        ({"prompt": "x", "suffix": "y"}, 'got "y" at suffix, expected null'),
        ({"prompt": "x", "logprobs": True}, "got true at logprobs, expected a whole number from 0 to 20"),
        ({"prompt": "x", "stop": ["y" * 99, ""]}, 'got ["yyyyy'),
    ],
)
def test_a_bad_completion_is_one_sentence(fields: dict[str, Any], expected: str) -> None:
    message, _ = refused(CompletionRequest, fields)
    assert message.startswith(expected)
    assert len(message) < 300
