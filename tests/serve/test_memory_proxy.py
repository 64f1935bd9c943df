"""The real client of OpenAI, through the server, to the served nano and to an upstream that says what it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import openai
import pytest

from memalpha.errors import ConfigError
from memalpha.memory.store import Right
from memalpha.serve.memory_proxy import Upstream

HEAD = "What is remembered of earlier conversations with this user:"
ASKED: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": [{"type": "text", "text": "Please keep that I live in Oslo."}]},
]
REPLY = "I keep it: Oslo."


class Scripted(ThreadingHTTPServer):
    """An upstream that answers as its `script` says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.events = [*(chunk(word) for word in REPLY.split(" ")), "[DONE]"]
        self.whole: Any = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": REPLY}},
            ],
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/"


def chunk(word: str) -> str:
    text = word if word == REPLY.split(" ")[0] else f" {word}"
    others = {"index": 1, "delta": {"content": "another choice"}}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}}, others],
        }
    )


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((request, self.headers.get("Authorization", "")))
        streamed = request.get("stream") and server.status == 200
        body = "".join(f"data: {event}\n\n" for event in server.events) if streamed else json.dumps(server.whole)
        self.send_response(server.status)
        self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def memories(serve_memories: Any, upstream: Scripted) -> Iterator[Any]:
    with serve_memories(upstream=Upstream(upstream.url, key="upstream-key")) as made:
        yield made


@pytest.fixture
def client(memories: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{memories.url}/v1", api_key=memories.key(), max_retries=0) as made:
        yield made


def kept(memories: Any, user: str = "ana") -> list[str]:
    """What the worker has read by the time that the inbox is empty."""
    deadline = time.monotonic() + 20
    while memories.memory.store.inbox.backlog().waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [entry.text for entry in memories.memory.for_user(user, tenant="acme").get_all()]


def test_a_chat_has_a_memory(client: openai.OpenAI, memories: Any, upstream: Scripted) -> None:
    answer = client.chat.completions.create(model="m", messages=ASKED, user="ana", temperature=0.5)
    assert answer.choices[0].message.content == REPLY
    sent, key = upstream.asked[0]
    assert key == "Bearer upstream-key"  # and not that of the client
    assert (sent["messages"], sent["temperature"], sent["user"]) == (ASKED, 0.5, "ana")  # nothing is known yet
    assert kept(memories) == ["User: Please keep that I live in Oslo.", "Assistant: I keep it: Oslo."]
    client.chat.completions.create(model="m", messages=[ASKED[0], ASKED[3]], user="ana")
    sent, _ = upstream.asked[1]
    assert [each["role"] for each in sent["messages"]] == ["system", "system", "user"]
    assert sent["messages"][1]["content"].startswith(f"{HEAD}\n\n- ")
    assert "- User: Please keep that I live in Oslo." in sent["messages"][1]["content"]
    client.chat.completions.create(model="m", messages=[ASKED[3]], user="bo")
    assert upstream.asked[2][0]["messages"] == [ASKED[3]]  # another user's memory is empty


def test_a_stream_goes_through_as_it_comes(client: openai.OpenAI, memories: Any, upstream: Scripted) -> None:
    stream = client.chat.completions.create(model="m", messages=ASKED, user="ana", stream=True)
    said = [each.choices[0].delta.content for each in stream]
    assert said == ["I", " keep", " it:", " Oslo."]
    assert kept(memories) == ["User: Please keep that I live in Oslo.", "Assistant: I keep it: Oslo."]


def test_the_exchange_is_on_the_disk_before_the_end_of_the_answer(
    serve_memories: Any, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memalpha.service.worker import Worker

    monkeypatch.setattr(Worker, "work_off", lambda _: False)
    with serve_memories(upstream=Upstream(upstream.url)) as memories:
        client = openai.OpenAI(base_url=f"{memories.url}/v1", api_key=memories.key(), max_retries=0)
        for _ in client.chat.completions.create(model="m", messages=ASKED, user="ana", stream=True):
            waiting = memories.memory.store.inbox.backlog().waiting
        assert memories.memory.store.inbox.backlog().waiting == 1
        assert waiting in (0, 1)
        assert upstream.asked[0][1] == ""


def test_what_is_not_whole_is_not_remembered(client: openai.OpenAI, memories: Any, upstream: Scripted) -> None:
    upstream.events = upstream.events[:2]
    list(client.chat.completions.create(model="m", messages=ASKED, user="ana", stream=True))
    upstream.status, upstream.whole = 400, {"error": {"message": "too hot", "type": "invalid_request_error"}}
    with pytest.raises(openai.BadRequestError, match="too hot"):
        client.chat.completions.create(model="m", messages=ASKED, user="ana", temperature=2)
    with pytest.raises(openai.BadRequestError, match="too hot"):
        client.chat.completions.create(model="m", messages=ASKED, user="ana", stream=True)
    assert kept(memories) == []


def test_what_has_no_words_is_not_remembered(client: openai.OpenAI, memories: Any, upstream: Scripted) -> None:
    image: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:..."}}]}]
    upstream.whole["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": []}
    client.chat.completions.create(model="m", messages=image, user="ana")
    assert memories.memory.store.inbox.backlog() == type(memories.memory.store.inbox.backlog())(
        waiting=0, dead=0, oldest=None
    )
    assert upstream.asked[0][0]["messages"] == image


def test_limits_of_the_upstream_are_told(client: openai.OpenAI, upstream: Scripted) -> None:
    upstream.status, upstream.headers = 429, {"Retry-After": "7"}
    upstream.whole = {"error": {"message": "slower", "type": "rate_limit_error"}}
    with pytest.raises(openai.RateLimitError, match="slower") as caught:
        client.chat.completions.create(model="m", messages=ASKED, user="ana")
    assert caught.value.response.headers["retry-after"] == "7"
    upstream.status = 401  # that is between the server and the upstream
    with pytest.raises(openai.InternalServerError, match="refused the server's key") as wrong:
        client.chat.completions.create(model="m", messages=ASKED, user="ana")
    assert wrong.value.status_code == 502


@pytest.mark.parametrize("whole", [{}, [], {"choices": []}, {"choices": [{"message": None}]}, "text"])
def test_an_answer_that_is_none_is_an_error(client: openai.OpenAI, upstream: Scripted, whole: Any) -> None:
    upstream.whole = whole
    with pytest.raises(openai.InternalServerError, match="answered what is no chat completion"):
        client.chat.completions.create(model="m", messages=ASKED, user="ana")


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_is_away_is_an_error(serve_memories: Any, stream: bool) -> None:
    with serve_memories(upstream=Upstream("http://127.0.0.1:9/v1")) as memories:
        client = openai.OpenAI(base_url=f"{memories.url}/v1", api_key=memories.key(), max_retries=0)
        with pytest.raises(openai.InternalServerError, match=r"did not answer \(ConnectError\)") as caught:
            client.chat.completions.create(model="m", messages=ASKED, user="ana", stream=stream)
        assert caught.value.status_code == 502
        assert kept(memories) == []


def test_the_user_may_be_named_in_a_header(client: openai.OpenAI, memories: Any) -> None:
    headers: Any = {"X-Memory-User": "åsa".encode()}
    asked = {"model": "m", "messages": ASKED, "user": "ana"}
    assert memories.client().post("/v1/chat/completions", json=asked, headers=headers).status_code == 200
    assert kept(memories, "ana") == []
    assert len(kept(memories, "åsa")) == 2
    with pytest.raises(openai.UnprocessableEntityError, match="got no user, expected one as the field 'user'"):
        client.chat.completions.create(model="m", messages=ASKED)
    bad: Any = {"X-Memory-User": b"\xff"}
    refused = memories.client().post("/v1/chat/completions", json=asked, headers=bad)
    assert (refused.status_code, "that is no UTF-8" in refused.json()["error"]["message"]) == (422, True)


def test_a_chat_reads_and_writes(memories: Any) -> None:
    for right in Right:
        client = openai.OpenAI(base_url=f"{memories.url}/v1", api_key=memories.key(rights=[right]), max_retries=0)
        with pytest.raises(openai.PermissionDeniedError, match="got a key that may not"):
            client.chat.completions.create(model="m", messages=ASKED, user="ana")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (b"{}", 422, "'messages' is missing"),
        (b'{"messages": [], "user": "ana"}', 422, "got [] at 'messages'"),
        (b'{"messages": ["a"], "user": "ana"}', 422, "at 'messages.0'"),
        (b'{"messages": [{"role": "user", "content": "a\\u0000"}], "user": "a"}', 422, "got a zero byte"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}], "user": "a"}', 422, "surrogate pair"),
        (b'{"messages": [{"role": "user", "content": 7}], "user": "a"}', 422, "got a content"),
        (b'{"messages": [{"content": {}}], "user": "a"}', 422, "got a content"),
        (b'{"messages": [{"role": "user", "content": "a"}], "user": "a", "seed": NaN}', 422, "no JSON"),
        (b'{"messages": [{"role": "user", "content": "a"}], "user": ""}', 422, "got '' as user"),
        (b'{"messages": [{"role": "user", "content": "a"}], "user": 7}', 422, "got 7 at 'user'"),
    ],
)
def test_a_bad_chat_is_one_sentence(memories: Any, upstream: Scripted, body: bytes, status: int, expected: str) -> None:
    json_type = {"Content-Type": "application/json"}
    reply = memories.client().post("/v1/chat/completions", content=body, headers=json_type)
    assert (reply.status_code, expected in reply.json()["error"]["message"]) == (status, True), reply.text
    assert upstream.asked == []


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="got the upstream 'nowhere', expected an address"):
        Upstream("nowhere")


def test_the_served_nano_gets_a_memory(serve_memories: Any, served: str) -> None:
    with serve_memories(upstream=Upstream(served)) as memories:
        client = openai.OpenAI(base_url=f"{memories.url}/v1", api_key=memories.key(), max_retries=0)
        asked: Any = [{"role": "user", "content": "<|chunk|>2024-03-05\nUser: I keep a dog called Rex. #1\n"}]
        for stream in (False, True):
            answer: Any = client.chat.completions.create(
                model="nano", messages=asked, user="ana", stream=stream, max_tokens=16, temperature=0
            )
            text = "".join(each.choices[0].delta.content or "" for each in answer if each.choices) if stream else (
                answer.choices[0].message.content
            )  # fmt: skip
            assert isinstance(text, str)
        assert any("Rex" in entry for entry in kept(memories))


def test_there_is_no_such_route_without_an_upstream(serve_memories: Callable[..., Any]) -> None:
    with serve_memories() as memories:
        reply = memories.client().post("/v1/chat/completions", json={"messages": ASKED, "user": "ana"})
        assert reply.status_code == 404
        assert "/v1/chat/completions" not in httpx.get(f"{memories.url}/openapi.json").json()["paths"]
