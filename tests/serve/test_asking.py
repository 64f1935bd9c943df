"""What a request becomes for the worker, with the tokenizer and the limits of the nano policy."""

from __future__ import annotations

from typing import Any

import pytest

from memalpha.agent.local import LocalModel
from memalpha.agent.model import Prompt
from memalpha.records import Message, Role
from memalpha.serve.asking import Asked, ask_chat, ask_text
from memalpha.serve.openai_errors import RefusedError
from memalpha.serve.openai_requests import ChatRequest, CompletionRequest

TEXT = "<|chunk|>\nUser: Ann sails. #1\n"
CONTEXT = 8192


def chat(model: LocalModel, **fields: Any) -> Asked:
    return ask_chat(model, ChatRequest.model_validate({"messages": [{"role": "user", "content": TEXT}], **fields}))


def text(model: LocalModel, prompt: Any, **fields: Any) -> Asked:
    return ask_text(model, CompletionRequest.model_validate({"prompt": prompt, **fields}))


def refused(ask: Any, model: LocalModel, *args: Any, **fields: Any) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        ask(model, *args, **fields)
    assert caught.value.status == 400
    return caught.value


def test_a_chat_is_the_prompt_that_the_model_gets_in_process(nano: LocalModel) -> None:
    asked = chat(nano, temperature=0, max_tokens=5)
    (job,) = asked.jobs
    assert job.row.ids == nano.encode(Prompt(messages=(Message(role=Role.USER, content=TEXT),)))
    assert (job.row.temperature, job.row.max_tokens, job.row.top_p, job.row.seed) == (0, 5, 1.0, None)
    assert (asked.prompt_tokens, asked.head.model, asked.extra) == (len(job.row.ids), "nano", {})


def test_defaults_are_those_of_the_protocol(nano: LocalModel) -> None:
    asked = chat(nano)
    assert asked.jobs[0].row.temperature == 1.0
    assert asked.jobs[0].row.max_tokens == CONTEXT - asked.prompt_tokens
    assert text(nano, "Ann").jobs[0].row.max_tokens == 16


def test_the_newer_name_of_max_tokens_goes_first(nano: LocalModel) -> None:
    assert chat(nano, max_tokens=3, max_completion_tokens=4).jobs[0].row.max_tokens == 4


def test_choices_are_drawn_apart_and_prompt_after_prompt(nano: LocalModel) -> None:
    asked = text(nano, ["Ann", "Bo"], n=2, seed=40)
    assert [job.row.seed for job in asked.jobs] == [40, 41, 42, 43]
    assert [job.row.ids for job in asked.jobs] == [nano.encode_text(each) for each in ("Ann", "Ann", "Bo", "Bo")]
    assert asked.prompt_tokens == len(nano.encode_text("Ann")) + len(nano.encode_text("Bo"))
    assert len(asked.choices) == 4
    assert [job.row.seed for job in chat(nano, seed=-1, n=2).jobs] == [2**63 - 1, 0]


def test_what_is_asked_for_goes_with_each_job(nano: LocalModel) -> None:
    asked = chat(nano, stop=["x", "y"], top_p=0.5, logprobs=True, top_logprobs=4, return_token_ids=True)
    assert asked.jobs[0].stop == ("x", "y")
    assert (asked.jobs[0].row.top_p, asked.jobs[0].row.likeliest) == (0.5, 4)
    assert asked.extra == {"prompt_token_ids": asked.jobs[0].row.ids}
    assert text(nano, [7, 8], logprobs=2).jobs[0].row.likeliest == 2


def test_token_ids_go_as_they_are(nano: LocalModel) -> None:
    assert [job.row.ids for job in text(nano, [[7, 8], [2047]]).jobs] == [[7, 8], [2047]]


@pytest.mark.parametrize("wrong", [-1, 2048, 10**9])
def test_token_ids_that_the_model_does_not_know(nano: LocalModel, wrong: int) -> None:
    error = refused(text, nano, [7, wrong])
    assert (str(error), error.param) == (
        f"got the token id {wrong}, expected 0 to 2047, which the model knows",
        "prompt",
    )


def test_the_context_holds_prompt_and_completion(nano: LocalModel) -> None:
    assert text(nano, [7] * 100, max_tokens=CONTEXT - 100).jobs[0].row.max_tokens == CONTEXT - 100
    error = refused(text, nano, [7] * 100, max_tokens=CONTEXT - 99)
    assert f"got a prompt of 100 tokens and {CONTEXT - 99} to be written, expected at most {CONTEXT}" in str(error)
    assert (error.code, error.param) == ("context_length_exceeded", "prompt")
    long = refused(chat, nano, messages=[{"role": "user", "content": "Ann sails. " * CONTEXT}])
    assert (long.code, long.param) == ("context_length_exceeded", "messages")


def test_a_model_that_does_not_tell_its_context_writes_so_much(
    nano: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalModel, "context_tokens", None)
    assert chat(nano).jobs[0].row.max_tokens == 4096


def test_an_empty_prompt(nano: LocalModel) -> None:
    assert "got an empty prompt" in str(refused(text, nano, ""))
    assert "got an empty prompt" in str(refused(text, nano, ["Ann", ""]))


def test_what_no_tokenizer_takes(nano: LocalModel) -> None:
    assert "half of a surrogate pair" in str(refused(chat, nano, messages=[{"role": "user", "content": "\ud800"}]))
    assert "half of a surrogate pair" in str(refused(text, nano, "\ud800"))


def test_another_model_is_not_found(nano: LocalModel) -> None:
    messages = [{"role": "user", "content": TEXT}]
    assert ask_chat(nano, ChatRequest.model_validate({"model": "nano", "messages": messages})).jobs
    for ask in (
        lambda: ask_chat(nano, ChatRequest.model_validate({"model": "gpt", "messages": messages})),
        lambda: ask_text(nano, CompletionRequest.model_validate({"model": "gpt", "prompt": "x"})),
    ):
        with pytest.raises(RefusedError, match="got the model 'gpt', expected 'nano'") as caught:
            ask()
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_tools_and_calls_go_through_the_chat_template(nano: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    template = (
        "{% for tool in tools %}[{{ tool.function.name }}]{% endfor %}"
        "{% for m in messages %}{{ m.role }}:{{ m.content }}"
        "{% for c in m.tool_calls %}{{ c.function.name }}{{ c.function.arguments.lines }}{% endfor %};{% endfor %}"
    )
    monkeypatch.setattr(nano.tokenizer, "chat_template", template)
    tool = {"type": "function", "function": {"name": "keep"}}
    call = {"id": "1", "type": "function", "function": {"name": "keep", "arguments": '{"lines": [1, 2]}'}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ]
    asked = chat(nano, messages=messages, tools=[tool])
    assert nano.decode(asked.jobs[0].row.ids) == "[keep]user:Hi;assistant:keep[1, 2];tool:ok;"
    monkeypatch.setattr(nano.tokenizer, "chat_template", "{{ raise_exception('no tools here') }}")
    assert "refuses these messages (no tools here)" in str(refused(chat, nano))
