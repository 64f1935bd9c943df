"""The official client against the served nano over HTTP, and every kind of error as that client reads it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import openai
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from memalpha.agent.local import LocalModel
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.parsing import parse_calls
from memalpha.memory.tools import TOOLS
from memalpha.records import Message, Role
from memalpha.serve.launch import serving
from memalpha.serve.model_app import model_app
from memalpha.serve.scheduler import Scheduler

TEXT = "<|chunk|>2024-03-05\nUser: Ann's dog is called Rex. #1\nAssistant: Good to know. #2\n"
MESSAGES: Any = [{"role": "user", "content": TEXT}]
PROMPT = Prompt(messages=(Message(role=Role.USER, content=TEXT),))
KEY = "sécret"


@pytest.fixture(scope="module")
def client(served: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served, api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture
def post(served: str) -> Callable[..., httpx.Response]:
    def send(path: str, **more: Any) -> httpx.Response:
        return httpx.post(served + path, timeout=20, **more)

    return send


@pytest.fixture
def scripted(nano: LocalModel, scripted_engine: Any) -> Callable[..., AbstractContextManager[Any]]:
    """Serves an engine that says what it is told to; gives the client, the engine and the scheduler."""

    @contextmanager
    def start(say: Callable[[Any], Any], *, gated: bool = False, **limits: int) -> Iterator[Any]:
        engine = scripted_engine(say, gated=gated)
        scheduler = Scheduler(engine, **limits)
        with (
            serving(model_app(nano, scheduler=scheduler)) as url,
            openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client,
        ):
            try:
                yield client, engine, scheduler
            finally:
                if gated:
                    engine.let(10_000)

    return start


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_a_greedy_chat_is_what_the_model_says_in_process(client: openai.OpenAI, nano: LocalModel) -> None:
    (local,) = nano.complete([PROMPT], Sampling(max_tokens=64))
    reply = client.chat.completions.create(model="nano", messages=MESSAGES, temperature=0, max_tokens=64, logprobs=True)
    (choice,) = reply.choices
    assert (choice.message.content, choice.finish_reason) == (local.text, "stop")
    assert choice.message.tool_calls is None
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (len(local.prompt_ids), len(local.token_ids))
    assert choice.logprobs is not None
    told = [each.logprob for each in choice.logprobs.content or ()]
    assert told == pytest.approx(local.logprobs, abs=1e-5)


def test_calls_come_as_tool_calls_where_there_are_tools(client: openai.OpenAI, nano: LocalModel) -> None:
    expected = parse_calls(nano.complete([PROMPT], Sampling(max_tokens=64))[0].text)
    reply = client.chat.completions.create(
        model="nano", messages=MESSAGES, temperature=0, max_tokens=64, tools=list(TOOLS)
    )
    (choice,) = reply.choices
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls or ()
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        (call.name, call.arguments) for call in expected
    ]
    first, *_ = calls
    assert first.type == "function"
    assert "<tool_call>" not in (choice.message.content or "")
    # The answer goes back with a result, as clients with tools do.
    again = [*MESSAGES, choice.message, {"role": "tool", "tool_call_id": first.id, "content": "inserted semantic #1"}]
    client.chat.completions.create(model="nano", messages=again, temperature=0, max_tokens=4, tools=list(TOOLS))


@pytest.mark.parametrize("tools", [[], list(TOOLS)], ids=["plain", "tools"])
def test_a_streamed_chat_is_the_whole_one(client: openai.OpenAI, tools: Any) -> None:
    asked: Any = {"model": "nano", "messages": MESSAGES, "temperature": 0, "max_tokens": 64, "logprobs": True}
    asked |= {"tools": tools, "extra_body": {"return_token_ids": True}}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    message = whole.choices[0].message
    assert "".join(choice.delta.content or "" for choice in choices) == (message.content or "")
    calls = [call.function for choice in choices for call in choice.delta.tool_calls or ()]
    expected = [call.function for call in message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in calls] == [(call.name, call.arguments) for call in expected]
    assert bool(calls) == bool(tools)
    assert choices[-1].finish_reason == whole.choices[0].finish_reason
    ids = [token for choice in choices for token in choice.token_ids]
    assert ids == whole.choices[0].token_ids
    assert chunks[0].prompt_token_ids == whole.prompt_token_ids
    told = [each for choice in choices if choice.logprobs for each in choice.logprobs.content or ()]
    assert [each.token for each in told] == [each.token for each in whole.choices[0].logprobs.content]
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_a_streamed_completion_is_the_whole_one(client: openai.OpenAI) -> None:
    asked: Any = {"model": "nano", "prompt": TEXT + "<|write|>", "temperature": 0, "max_tokens": 64}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True))
    assert len(chunks) > 3
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"


def test_a_completion_takes_texts_and_token_ids(client: openai.OpenAI, nano: LocalModel) -> None:
    ids = nano.encode(PROMPT)
    by_ids = client.completions.create(model="nano", prompt=ids, temperature=0, max_tokens=9, logprobs=2)
    by_text = client.completions.create(
        model="nano", prompt=TEXT + "<|write|>", temperature=0, max_tokens=9, logprobs=2
    )
    (local,) = nano.complete([PROMPT], Sampling(max_tokens=9))
    for reply in (by_ids, by_text):
        (choice,) = reply.choices
        assert choice.text == local.text
        assert choice.logprobs is not None
        assert choice.logprobs.text_offset == list(local.offsets)
        assert choice.logprobs.token_logprobs == pytest.approx(local.logprobs, abs=1e-5)
        # What ended it is a token too.
        assert "".join(choice.logprobs.tokens or ()) == local.text + ("<|end|>" if local.finished else "")
        for token, logprob, likeliest in zip(
            choice.logprobs.tokens or (),
            choice.logprobs.token_logprobs or (),
            choice.logprobs.top_logprobs or (),
            strict=True,
        ):
            assert len(likeliest) == 2
            assert likeliest[token] == logprob == max(likeliest.values())


def test_a_seed_makes_an_answer_repeatable_and_its_choices_differ(client: openai.OpenAI) -> None:
    def drawn(seed: int) -> list[str]:
        reply = client.completions.create(model="nano", prompt="User:", n=6, seed=seed, max_tokens=12)
        assert [choice.index for choice in reply.choices] == [*range(6)]
        return [choice.text for choice in reply.choices]

    first = drawn(5)
    assert drawn(5) == first
    assert len(set(first)) > 3
    assert drawn(50) != first


def test_a_narrow_nucleus_is_greedy(client: openai.OpenAI) -> None:
    asked: Any = {"model": "nano", "messages": MESSAGES, "max_tokens": 12}
    greedy = client.chat.completions.create(**asked, temperature=0)
    narrow = client.chat.completions.create(**asked, temperature=1, top_p=1e-6, seed=1)
    assert narrow.choices[0].message.content == greedy.choices[0].message.content


def test_an_answer_ends_before_a_stop_text_or_is_cut(client: openai.OpenAI) -> None:
    asked: Any = {"model": "nano", "messages": MESSAGES, "temperature": 0}
    whole = client.chat.completions.create(**asked, max_tokens=64).choices[0].message.content or ""
    assert len(whole) > 20
    stopped = client.chat.completions.create(**asked, max_tokens=64, stop=[whole[15:20], "nowhere"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (whole.partition(whole[15:20])[0], "stop")
    cut = client.chat.completions.create(**asked, max_tokens=2).choices[0]
    assert (whole.startswith(cut.message.content or "?"), cut.finish_reason) == (True, "length")


def test_requests_side_by_side_get_their_own_answers(client: openai.OpenAI, nano: LocalModel) -> None:
    prompts = [
        f"<|chunk|>\nUser: {name} sails. #1\nUser: Thanks. #2\n" for name in "Ann Bo Cy Di Ed Flo Gus Hal".split()
    ]
    asked = [Prompt(messages=(Message(role=Role.USER, content=prompt),)) for prompt in prompts]
    expected = [each.text for each in nano.complete(asked, Sampling(max_tokens=40))]

    def ask(prompt: str) -> str | None:
        reply = client.chat.completions.create(
            model="nano", messages=[{"role": "user", "content": prompt}], temperature=0, max_tokens=40
        )
        return reply.choices[0].message.content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, prompts)) == expected


def test_answers_have_the_types_of_the_official_client(post: Callable[..., httpx.Response]) -> None:
    chat = {"messages": MESSAGES, "logprobs": True, "top_logprobs": 2, "tools": list(TOOLS), "max_tokens": 64, "n": 2}
    ChatCompletion.model_validate(post("/chat/completions", json=chat).json(), strict=True)
    text = {"prompt": "User:", "logprobs": 1, "n": 2}
    Completion.model_validate(post("/completions", json=text).json(), strict=True)
    lines = post("/chat/completions", json={**chat, "stream": True}).text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    for line in lines[:-1]:
        ChatCompletionChunk.model_validate_json(line.removeprefix("data: "), strict=True)
    reply = post("/chat/completions", json={**chat, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")


def test_models_and_health(client: openai.OpenAI, served: str, nano: LocalModel) -> None:
    (model,) = client.models.list()
    assert (model.id, model.owned_by) == ("nano", "memalpha")
    assert model.model_extra is not None
    assert model.model_extra == {"max_model_len": nano.context_tokens, "shows_tools": False}
    assert client.models.retrieve("nano") == model
    with pytest.raises(openai.NotFoundError, match="got the model 'other/one', expected 'nano'"):
        client.models.retrieve("other/one")
    health = httpx.get(served.removesuffix("/v1") + "/health")
    assert (health.status_code, health.json()) == (
        200,
        {"status": "ok", "model": "nano", "waiting": 0, "running": 0},
    )


def test_a_bad_request_is_one_sentence(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="got 3 at temperature, expected a number from 0 to 2") as caught:
        client.chat.completions.create(model="nano", messages=MESSAGES, temperature=3)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "temperature")
    with pytest.raises(openai.NotFoundError, match="expected 'nano'") as missing:
        client.chat.completions.create(model="gpt", messages=MESSAGES)
    assert missing.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"content": b"{"}, "got a body that is no JSON object"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "got a body that is not JSON"),
        ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, "got a body that cannot be read"),
        ({"content": b"[" * 99_999, "headers": {"Content-Type": "application/json"}}, "got a body that cannot be read"),
        ({"json": [1]}, "got a body that is no JSON object"),
        ({}, "got a body that is no JSON object"),
    ],
)
def test_a_bad_body_is_one_sentence(post: Callable[..., httpx.Response], more: Any, expected: str) -> None:
    for path in ("/chat/completions", "/completions"):
        reply = post(path, **more)
        assert reply.status_code == 400
        assert reply.json()["error"]["message"].startswith(expected)
        assert reply.json()["error"]["type"] == "invalid_request_error"


def test_what_is_not_there_and_what_is_too_long(served: str) -> None:
    lost = httpx.get(served + "/embeddings")
    assert (lost.status_code, lost.json()["error"]["message"][:30]) == (404, "got the path /v1/embeddings, e")
    wrong = httpx.get(served + "/completions")
    assert (wrong.status_code, wrong.json()["error"]["message"][:24]) == (405, "got GET /v1/completions,")
    long = httpx.post(served + "/completions", content=b" " * (32 * 2**20 + 1), timeout=20)
    assert (long.status_code, long.json()["error"]["message"][:28]) == (413, "got a body of more than 33,5")


def test_the_key_is_asked_for_everywhere_but_at_the_health(nano: LocalModel) -> None:
    with serving(model_app(nano, key=KEY)) as url:
        assert httpx.get(url + "/health").status_code == 200
        for given, got in ((None, "no key"), ("Bearer wrong", "another key"), (f"Basic {KEY}", "another key")):
            headers = {} if given is None else {"Authorization": given.encode()}
            for reply in (
                httpx.get(url + "/v1/models", headers=headers),
                httpx.post(url + "/v1/completions", headers=headers, json={"prompt": "x"}),
                httpx.post(url + "/v1/chat/completions", headers=headers, json={"messages": MESSAGES}),
            ):
                assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
                assert reply.json()["error"]["message"].startswith(f"got {got}, expected the server's")
                assert KEY not in reply.text
        headers = {"Authorization": f"Bearer {KEY}".encode()}
        assert httpx.get(url + "/v1/models", headers=headers).status_code == 200
        reply = httpx.post(url + "/v1/completions", headers=headers, json={"prompt": "x", "max_tokens": 1})
        assert reply.status_code == 200
        with pytest.raises(openai.AuthenticationError, match="another key"):
            openai.OpenAI(base_url=f"{url}/v1", api_key="wrong").models.list()


def test_a_full_queue_is_told_with_when_to_come_again(scripted: Any) -> None:
    with scripted(lambda row: "hello", gated=True, queue_limit=1) as (client, engine, scheduler):
        ask = lambda: client.chat.completions.create(model="nano", messages=MESSAGES)  # noqa: E731
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask)
            until(lambda: scheduler.running == 1)
            second = pool.submit(ask)
            until(lambda: scheduler.waiting == 1)
            with pytest.raises(openai.RateLimitError, match="1 completions wait and 1 more were asked for") as caught:
                ask()
            assert caught.value.response.headers["retry-after"] == "1"
            engine.let(100)
            assert [each.result(20).choices[0].message.content for each in (first, second)] == ["hello", "hello"]


def test_a_failure_is_an_error_and_never_a_text(scripted: Any) -> None:
    with scripted(lambda row: RuntimeError("no memory")) as (client, _, scheduler):
        for stream in (False, True):
            with pytest.raises(openai.InternalServerError, match=r"the model failed on this request \(no memory\)"):
                client.chat.completions.create(model="nano", messages=MESSAGES, stream=stream)
        assert scheduler.healthy
    with scripted(lambda row: ("so it", RuntimeError("no memory"))) as (client, _, scheduler):
        told = []
        with pytest.raises(openai.APIError, match=r"the model failed on this request \(no memory\)"):
            for chunk in client.chat.completions.create(model="nano", messages=MESSAGES, stream=True):
                told.append(chunk.choices[0].delta.content)
        assert told == ["", *"so it"]


@pytest.mark.parametrize("stream", [False, True])
def test_who_goes_away_is_not_sampled_for(scripted: Any, stream: bool) -> None:
    with scripted(lambda row: "x" * 9000, gated=True) as (client, engine, scheduler):
        gone: list[Exception] = []

        def ask() -> None:
            impatient = client.with_options(timeout=0.3)
            try:
                list(impatient.chat.completions.create(model="nano", messages=MESSAGES, stream=stream))
            except openai.APITimeoutError as error:
                gone.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: scheduler.running == 1)
        asking.join(20)
        assert len(gone) == 1
        while scheduler.running:
            engine.let(1)
            time.sleep(0.005)


def test_what_does_not_end_in_time_is_cut_and_not_sampled_for(nano: LocalModel, scripted_engine: Any) -> None:
    engine = scripted_engine(lambda row: "x" * 9000, gated=True)
    scheduler, over = Scheduler(engine), threading.Event()

    def trickle() -> None:
        while not over.wait(0.005):
            engine.let(1)

    def ask(url: str) -> None:
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"{url}/v1/completions", json={"prompt": "x", "max_tokens": 8000}, timeout=60).raise_for_status()

    with serving(model_app(nano, scheduler=scheduler), grace_seconds=0) as url:
        threads = [threading.Thread(target=trickle), threading.Thread(target=ask, args=(url,))]
        for thread in threads:
            thread.start()
        until(lambda: scheduler.running == 1)
        started = time.monotonic()
    assert time.monotonic() - started < 10  # to the end it would take 40 s
    over.set()
    for thread in threads:
        thread.join(20)


def test_a_model_without_a_chat_template_completes_texts(
    nano: LocalModel, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nano.tokenizer, "chat_template", None)
    assert httpx.post(f"{served}/completions", json={"prompt": "User:", "max_tokens": 1}).status_code == 200
    reply = httpx.post(f"{served}/chat/completions", json={"messages": MESSAGES})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "messages")
    assert "the tokenizer of nano has no chat template" in reply.json()["error"]["message"]
    with serving(model_app(nano)) as url:
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["shows_tools"] is False


def test_a_server_that_is_closing_is_not_healthy(nano: LocalModel, scripted_engine: Any) -> None:
    scheduler = Scheduler(scripted_engine(lambda row: "x"))
    with serving(model_app(nano, scheduler=scheduler)) as url:
        scheduler.close()
        health = httpx.get(url + "/health")
        assert (health.status_code, health.json()["status"]) == (503, "closing")
        reply = httpx.post(url + "/v1/completions", json={"prompt": "x"})
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert "shutting down" in reply.json()["error"]["message"]
