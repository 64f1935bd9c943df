"""Bodies of servers as completions, and which of them are no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.endpoint_reply import read_reply
from memalpha.agent.model import Completion


def chat(content: Any = "Paris", finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, "finish_reason": finish, **more}]}


def told(**more: Any) -> dict[str, Any]:
    """A body with two tokens."""
    tokens: dict[str, Any] = {
        "prompt_token_ids": [1],
        "token_ids": [8, 9],
        "token_offsets": [0, 3],
        "logprobs": {"content": [{"logprob": -1.0}, {"logprob": -2.0}]},
    }
    return chat(**{**tokens, **more})


def test_the_first_choice_is_the_answer() -> None:
    body = {"choices": [*chat("one")["choices"], *chat("two")["choices"]]}
    assert read_reply(body, with_tokens=False) == Completion(text="one")
    assert read_reply({"choices": [{"text": "one"}]}, with_tokens=False) == Completion(text="one")


@pytest.mark.parametrize(
    ("reason", "finished"),
    [("stop", True), ("tool_calls", True), (None, True), ("length", False), ("content_filter", False)],
)
def test_why_it_ended(reason: str | None, finished: bool) -> None:
    assert read_reply(chat(finish=reason), with_tokens=False).finished is finished


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_what_an_engine_gave_up_is_no_answer(reason: str) -> None:
    with pytest.raises(ValueError, match=f"the server's engine gave up, finish_reason is '{reason}'"):
        read_reply(chat(finish=reason), with_tokens=False)


def test_tokens_are_told_in_both_protocols() -> None:
    expected = Completion(text="Paris", prompt_ids=(1,), token_ids=(8, 9), logprobs=(-1.0, -2.0), offsets=(0, 3))
    assert read_reply(told(), with_tokens=True) == expected
    assert read_reply(told(logprobs={"token_logprobs": [-1, -2]}), with_tokens=True) == expected
    assert read_reply(told(), with_tokens=False) == Completion(text="Paris")


def test_offsets_count_in_the_text_as_it_came() -> None:
    call = {"function": {"name": "keep", "arguments": "{}"}}
    with_calls = told()
    with_calls["choices"][0]["message"]["tool_calls"] = [call]
    assert read_reply(with_calls, with_tokens=True).offsets == ()
    thought = told()
    thought["choices"][0]["message"]["content"] = "<think>hm</think>Paris"
    assert read_reply(thought, with_tokens=True).offsets == ()
    assert read_reply(told(token_offsets=None), with_tokens=True).offsets == ()
    assert read_reply(told(token_offsets=[0]), with_tokens=True).offsets == ()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"token_ids": None}, "there are no token_ids; use a server that knows return_token_ids"),
        ({"prompt_token_ids": None}, "there are no prompt_token_ids"),
        ({"token_ids": [8, "9"]}, "there are no token_ids"),
        ({"token_ids": [8, True]}, "there are no token_ids"),
        ({"token_ids": [8]}, "there are 2 logprobs of 1 tokens"),
        ({"logprobs": None}, "there are 0 logprobs of 2 tokens"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_reply(told(**more), with_tokens=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "text", "tool_calls", "function", "name", "logprobs", "token_ids"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(body=JSON, with_tokens=st.booleans())
def test_any_body_is_a_completion_or_one_of_the_named_errors(body: Any, with_tokens: bool) -> None:
    for each in (body, {"choices": [body]}, {"choices": [{"message": body}]}):
        try:
            found = read_reply(json.loads(json.dumps(each)), with_tokens=with_tokens)
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
        assert isinstance(found.text, str)
