"""The real client of OpenAI against a server on this machine: what it is sent, what is remembered, streams."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from memalpha.errors import ConfigError, MemalphaError, ModelError
from memalpha.service import Memory, wrap_openai

openai = pytest.importorskip("openai")
OpenMemory = Callable[..., Memory]
REPLY = "keep that."
WHOLE = {"id": "1", "created": 0, "model": "m"}


class Upstream(ThreadingHTTPServer):
    """Answers every chat with the same words and remembers what it was asked."""

    asked: list[dict[str, Any]]


def answered() -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": REPLY}, "finish_reason": "stop"}
    return {**WHOLE, "object": "chat.completion", "choices": [choice]}


def streamed() -> str:
    choices = [[{"index": 0, "delta": {"content": part}}] for part in REPLY.split(" ")]
    pieces = [{**WHOLE, "object": "chat.completion.chunk", "choices": each} for each in [*choices, []]]
    return "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server: Any = self.server
        server.asked.append(request)
        body = streamed() if request.get("stream") else json.dumps(answered())
        kind = "text/event-stream" if request.get("stream") else "application/json"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client(upstream: Upstream, kind: str = "OpenAI") -> Any:
    return getattr(openai, kind)(base_url=f"http://127.0.0.1:{upstream.server_port}/v1", api_key="none", max_retries=0)


def texts(memory: Memory) -> list[str]:
    return [entry.text for entry in memory.get_all()]


QUESTION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "keep: I live in Lisbon."},
    {"role": "assistant", "content": "Noted, keep calm."},
    {"role": "tool", "tool_call_id": "1", "content": "keep raining"},
    {"role": "user", "content": [{"type": "text", "text": "Where do I live? keep it"}]},
]


def test_what_is_remembered_goes_in_front_and_the_exchange_is_remembered(
    upstream: Upstream, open_memory: OpenMemory
) -> None:
    memory = open_memory()
    memory.add("I live in Porto", infer=False)
    bare = client(upstream)
    wrapped = wrap_openai(bare, memory)
    answer = wrapped.chat.completions.create(model="m", messages=QUESTION)
    assert answer.choices[0].message.content == REPLY
    sent = upstream.asked[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "system", "user", "assistant", "tool", "user"]
    assert sent[1]["content"] == ("What is remembered of earlier conversations with this user:\n\n- I live in Porto")
    assert texts(memory)[1:] == ["Tool: keep raining", "User: Where do I live? keep it", "Assistant: keep that."]
    assert wrapped.base_url == bare.base_url
    bare.chat.completions.create(model="m", messages=QUESTION)
    assert len(upstream.asked[1]["messages"]) == 5


def test_an_empty_memory_adds_nothing_to_a_request(upstream: Upstream, open_memory: OpenMemory) -> None:
    memory = open_memory()
    wrapped = wrap_openai(client(upstream), memory, write=False)
    wrapped.chat.completions.create(model="m", messages=QUESTION[:2])
    assert upstream.asked[0]["messages"] == QUESTION[:2]
    assert memory.history() == ()


def test_a_stream_is_remembered_once_it_has_ended(upstream: Upstream, open_memory: OpenMemory) -> None:
    memory = open_memory()
    wrapped = wrap_openai(client(upstream), memory)
    with wrapped.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        heard = [piece.choices[0].delta.content for piece in stream if piece.choices]
        assert stream.response.status_code == 200
    assert heard == ["keep", "that."]
    assert texts(memory) == ["Assistant: keepthat."]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_asynchronous_client_remembers_too(upstream: Upstream, open_memory: OpenMemory, streamed: bool) -> None:
    memory = open_memory()

    async def used() -> None:
        async with client(upstream, "AsyncOpenAI") as bare:
            create = wrap_openai(bare, memory).chat.completions.create
            answer = await create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=streamed)
            if streamed:
                async with answer:
                    assert len([piece async for piece in answer]) == 3

    asyncio.run(used())
    assert texts(memory) == ["Assistant: keepthat." if streamed else "Assistant: keep that."]


def test_an_exchange_that_is_not_remembered_is_told(upstream: Upstream, open_memory: OpenMemory) -> None:
    memory = open_memory("nothing to say")
    told: list[MemalphaError] = []
    wrapped = wrap_openai(client(upstream), memory, on_failure=told.append)
    question = [{"role": "user", "content": "Hi"}]
    for _ in range(2):
        assert wrapped.chat.completions.create(model="m", messages=question).choices[0].message.content == REPLY
    assert [type(error) for error in told] == [ModelError]
    with pytest.raises(ModelError, match="asked more often"):
        wrap_openai(client(upstream), memory).chat.completions.create(model="m", messages=question)
    with pytest.raises(ConfigError, match="got a client of type int"):
        wrap_openai(7, memory)
