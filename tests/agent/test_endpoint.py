"""The endpoint against a real server on loopback."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from memalpha.agent.endpoint import EndpointModel, backoff_seconds, retry_after_seconds
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.errors import ConfigError, ModelError
from memalpha.records import Message, Role, ToolCall

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]
KEY = "sk-secret-123"


class Server:
    """Answers each request by a function from its JSON body to status, headers and body; keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                server.paths.append(self.path)
                status, headers, content = answer(body)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # The client gave up, as in the time-out test.

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], Server]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def said(
    text: str | None, *, finish: str = "stop", calls: list[dict[str, Any]] | None = None
) -> tuple[int, dict[str, str], bytes]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls is not None:
        message["tool_calls"] = calls
    return 200, {}, json.dumps({"choices": [{"message": message, "finish_reason": finish}]}).encode()


def ask(text: str, **more: Any) -> Prompt:
    return Prompt(messages=(Message(role=Role.USER, content=text),), **more)


def echo(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return said(body["messages"][-1]["content"].upper())


def in_turn(*answers: tuple[int, dict[str, str], bytes]) -> Answer:
    left = iter(answers)
    return lambda body: next(left)


def open_model(server: Server, **more: Any) -> tuple[EndpointModel, list[float]]:
    waits: list[float] = []
    return EndpointModel(server.url, "m", sleep=waits.append, **more), waits


def test_the_request_is_an_openai_chat_completion(serve: Callable[[Answer], Server]) -> None:
    server = serve(echo)
    tool = {"type": "function", "function": {"name": "memory_insert", "parameters": {}}}
    with EndpointModel(server.url + "/", "qwen") as model:
        assert model.name == "qwen"
        sampling = Sampling(temperature=0.5, max_tokens=9, seed=40, stop=("\n",))
        (completion,) = model.complete([ask("hi", tools=(tool,))], sampling)
    assert (completion.text, completion.finished, completion.tool_calls) == ("HI", True, None)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.bodies == [
        {
            "model": "qwen",
            "messages": [{"role": "user", "content": "hi"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "seed": 40,
            "stop": ["\n"],
            "tools": [tool],
        }
    ]


def test_what_is_not_asked_for_is_not_sent(serve: Callable[[Answer], Server]) -> None:
    server = serve(echo)
    with EndpointModel(server.url, "m", api_key_env=None) as model:
        model.complete([ask("hi")], Sampling())
    assert set(server.bodies[0]) == {"model", "messages", "temperature", "max_tokens"}
    assert "Authorization" not in server.headers[0]


def test_order_is_kept_and_alike_prompts_get_seeds_of_their_own(serve: Callable[[Answer], Server]) -> None:
    def slow_first(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.1 if body["messages"][-1]["content"] == "p0" else 0)
        return echo(body)

    server = serve(slow_first)
    with EndpointModel(server.url, "m", concurrency=4) as model:
        completions = model.complete([ask(f"p{n}") for n in range(8)], Sampling(seed=7))
    assert [completion.text for completion in completions] == [f"P{n}" for n in range(8)]
    assert sorted(body["seed"] for body in server.bodies) == list(range(7, 15))


def test_concurrency_is_bounded_over_all_threads(serve: Callable[[Answer], Server]) -> None:
    lock = threading.Lock()
    running, most = 0, 0

    def count(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        return echo(body)

    server = serve(count)
    with EndpointModel(server.url, "m", concurrency=3) as model:
        threads = [
            threading.Thread(target=model.complete, args=([ask(str(n)) for n in range(6)], Sampling()))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.bodies) == 12
    assert most == 3


def test_a_429_is_waited_out_as_the_server_asks(serve: Callable[[Answer], Server]) -> None:
    model, waits = open_model(serve(in_turn((429, {"Retry-After": "7"}, b"slow down"), said("ok"))))
    with model:
        assert model.complete([ask("x")], Sampling())[0].text == "ok"
    assert waits == [7.0]


def test_a_500_forever_raises_after_growing_waits(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda body: (500, {}, b"boom"))
    model, waits = open_model(server, retries=3)
    with model, pytest.raises(ModelError, match=r"/v1/chat/completions failed 4 times.*status 500.*server's log.*boom"):
        model.complete([ask("x")], Sampling())
    assert len(server.bodies) == 4
    assert [0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3


def test_a_400_is_not_retried(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda body: (400, {}, b"context too long"))
    model, waits = open_model(server)
    with model, pytest.raises(ModelError, match=r"status 400.*check the request.*context too long"):
        model.complete([ask("x")], Sampling())
    assert (len(server.bodies), waits) == (1, [])


def test_a_refused_key_is_named_but_never_shown(serve: Callable[[Answer], Server]) -> None:
    model, _ = open_model(serve(lambda body: (401, {}, f"bad key {KEY}".encode())))
    with model, pytest.raises(ModelError, match=r"status 401.*OPENAI_API_KEY") as caught:
        model.complete([ask("x")], Sampling())
    assert KEY not in str(caught.value)
    assert KEY not in repr(model)


def test_a_slow_answer_times_out(serve: Callable[[Answer], Server]) -> None:
    done = threading.Event()

    def hang(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        done.wait(5)
        return echo(body)

    server = serve(hang)
    model, waits = open_model(server, timeout_seconds=0.1, retries=1)
    with model, pytest.raises(ModelError, match=r"failed 2 times.*no answer within 0\.1 s.*timeout_seconds"):
        model.complete([ask("x")], Sampling())
    done.set()
    assert len(waits) == 1


def test_a_trickling_answer_times_out() -> None:
    class Trickle(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(100):
                time.sleep(0.01)
                yield b" "

    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=Trickle()))
    with (
        EndpointModel("http://x/v1", "m", transport=transport, timeout_seconds=0.05, retries=0) as model,
        pytest.raises(ModelError, match=r"no answer within 0\.05 s"),
    ):
        model.complete([ask("x")], Sampling())


def test_a_server_that_is_down_raises(serve: Callable[[Answer], Server]) -> None:
    server = serve(echo)
    server.close()
    model, waits = open_model(server, retries=2)
    with model, pytest.raises(ModelError, match=r"failed 3 times.*ConnectError.*base_url"):
        model.complete([ask("x")], Sampling())
    assert len(waits) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"\xff",
        b'{"error": {"message": "overloaded"}}',
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": [1]}}]}',
        b'{"choices": [{"message": {"content": "", "tool_calls": [3]}}]}',
        b'{"choices": [{"message": {"content": "", "tool_calls": [{"function": null}]}}]}',
    ],
)
def test_a_malformed_body_raises_at_once(serve: Callable[[Answer], Server], body: bytes) -> None:
    server = serve(lambda _: (200, {}, body))
    model, waits = open_model(server)
    with model, pytest.raises(ModelError, match="/v1/chat/completions gave status 200 with a malformed body"):
        model.complete([ask("x")], Sampling())
    assert waits == []


def test_native_tool_calls(serve: Callable[[Answer], Server]) -> None:
    calls = [
        {"id": "1", "type": "function", "function": {"name": "memory_insert", "arguments": '{"content": "x"}'}},
        {"id": "2", "type": "function", "function": {"name": "memory_delete", "arguments": {"memory_id": 3}}},
        {"id": "3", "type": "function", "function": {"name": "memory_update", "arguments": '{"memory_id": '}},
        {"id": "4", "type": "function", "function": {"arguments": "{}"}},
    ]
    model, _ = open_model(serve(lambda body: said(None, finish="tool_calls", calls=calls)))
    with model:
        (completion,) = model.complete([ask("x")], Sampling())
    assert completion.text == ""
    assert completion.finished
    assert completion.tool_calls is not None
    insert, delete, broken, nameless = completion.tool_calls
    assert insert == ToolCall(name="memory_insert", arguments={"content": "x"}, text='{"content": "x"}')
    assert delete == ToolCall(name="memory_delete", arguments={"memory_id": 3}, text='{"memory_id": 3}')
    assert (broken.name, broken.text) == ("memory_update", '{"memory_id": ')
    assert "not valid JSON" in str(broken.problem)
    assert "no name" in str(nameless.problem)


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("cut", "length", ("cut", False)),
        ("", "content_filter", ("", False)),
        ("<think>hm</think>\n\nParis", "stop", ("Paris", True)),
        ("<think>hm", "length", ("", False)),
        (None, "stop", ("", True)),
    ],
)
def test_cut_and_thinking_answers(
    serve: Callable[[Answer], Server], text: str | None, finish: str, expected: tuple[str, bool]
) -> None:
    model, _ = open_model(serve(lambda body: said(text, finish=finish, calls=[])))
    with model:
        (completion,) = model.complete([ask("x")], Sampling())
    assert (completion.text, completion.finished) == expected
    assert completion.tool_calls is None


def test_half_a_surrogate_pair_is_sent_as_json(serve: Callable[[Answer], Server]) -> None:
    server = serve(lambda body: said("ok"))
    model, _ = open_model(server)
    with model:
        model.complete([ask("\ud800")], Sampling())
    assert server.bodies[0]["messages"][0]["content"] == "\ud800"


def test_half_a_surrogate_pair_in_an_answer_is_replaced(serve: Callable[[Answer], Server]) -> None:
    model, _ = open_model(serve(lambda body: said("a\ud83d")))
    with model:
        assert model.complete([ask("x")], Sampling())[0].text == "a?"


def test_a_prompt_of_token_ids_goes_to_the_completions(serve: Callable[[Answer], Server]) -> None:
    reply = {"choices": [{"text": "Paris", "finish_reason": "length"}]}
    server = serve(lambda body: (200, {}, json.dumps(reply).encode()))
    model, _ = open_model(server)
    with model:
        (completion,) = model.complete([Prompt(tokens=(5, 6))], Sampling(max_tokens=3, seed=2))
    assert completion == Completion(text="Paris", finished=False)
    assert server.paths == ["/v1/completions"]
    assert server.bodies == [{"model": "m", "temperature": 0.0, "max_tokens": 3, "seed": 2, "prompt": [5, 6]}]


def test_token_ids_are_asked_for_and_told(serve: Callable[[Answer], Server]) -> None:
    told = [{"token": "Par", "logprob": -0.5}, {"token": "is", "logprob": -0.25}]
    chat = {
        "prompt_token_ids": [1, 2],
        "choices": [{"message": {"content": "Paris"}, "token_ids": [8, 9], "logprobs": {"content": told}}],
    }
    text = {
        "choices": [
            {
                "text": "Paris",
                "prompt_token_ids": [1, 2],
                "token_ids": [8, 9],
                "token_offsets": [0, 3],
                "logprobs": {"token_logprobs": [-0.5, -0.25]},
            }
        ]
    }
    server = serve(lambda body: (200, {}, json.dumps(chat if "messages" in body else text).encode()))
    model, _ = open_model(server, token_ids=True)
    with model:
        by_chat, by_text = model.complete([ask("x"), Prompt(tokens=(1, 2))], Sampling())
    expected = Completion(text="Paris", prompt_ids=(1, 2), token_ids=(8, 9), logprobs=(-0.5, -0.25))
    assert by_chat == expected
    assert by_text == replace(expected, offsets=(0, 3))
    sent = {"messages" in body: (body["return_token_ids"], body["logprobs"]) for body in server.bodies}
    assert sent == {True: (True, True), False: (True, 0)}


def test_a_server_that_tells_no_token_ids_is_no_server_for_them(serve: Callable[[Answer], Server]) -> None:
    model, _ = open_model(serve(lambda body: said("Paris")), token_ids=True)
    with model, pytest.raises(ModelError, match=r"no token_ids; use a server that knows return_token_ids, or set"):
        model.complete([ask("x")], Sampling())


def test_after_closing_nothing_is_sent(serve: Callable[[Answer], Server]) -> None:
    server = serve(echo)
    model, _ = open_model(server)
    with model:
        pass
    with pytest.raises(ModelError, match=r"/v1 has been closed"):
        model.complete([ask("x")], Sampling())
    assert server.bodies == []


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="base_url 'localhost:8000'"):
        EndpointModel("localhost:8000", "m")
    with pytest.raises(ConfigError, match="concurrency 0"):
        EndpointModel("http://x", "m", concurrency=0)


def test_backoff() -> None:
    assert [backoff_seconds(n, 0.0) for n in (0, 1, 2, 10)] == [0.25, 0.5, 1.0, 30.0]
    assert backoff_seconds(1, 0.5) == 0.75


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", 0.0),
        ("2.5", 2.5),
        ("-1", 0.0),
        ("nan", 0.0),
        ("9999", 60.0),
        ("soon", 0.0),
        ("Tue, 05 Mar 2024 10:00:20 GMT", 20.0),
        ("Tue, 05 Mar 2024 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after(header: str, expected: float) -> None:
    assert retry_after_seconds(header, datetime(2024, 3, 5, 10, tzinfo=UTC)) == expected
