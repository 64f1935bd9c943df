"""Any chat model with a memory: requests of the OpenAI protocol go on to it with what is remembered of the user.

What is said is put into the inbox once the answer is there whole. An answer that fails or is cut off is not remembered:
its client asks again. What the protocol says beside messages and user goes through as it came.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio.to_thread
import httpx
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from memalpha.errors import ConfigError, MemalphaError, ModelError
from memalpha.memory.store import Right
from memalpha.memory.store.changes import storable
from memalpha.serve.memory_access import Writer, memory_of, require, server_of
from memalpha.serve.memory_errors import invalid, refusal
from memalpha.service.chat import new_messages, with_memory
from memalpha.service.worker import Addition

_WAIT_SECONDS = httpx.Timeout(600, connect=10)
_PASSED_ON = ("content-type", "retry-after")
_END = "[DONE]"


class Upstream:
    """A server of the OpenAI protocol that requests go on to."""

    def __init__(self, url: str, *, key: str | None = None, max_tokens: int = 800) -> None:
        """Nothing is connected yet.

        Args:
            url: Such as "https://host/v1".
            key: What it is sent as `Authorization: Bearer <key>`.
            max_tokens: Of what is remembered, in front of a conversation.

        Raises `ConfigError` for what is no address.
        """
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"got the upstream {url!r}, expected an address such as http://127.0.0.1:8000/v1")
        self.url = url.rstrip("/")
        self.max_tokens = max_tokens
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Around the time for which it is asked."""
        async with httpx.AsyncClient(headers=self._headers, timeout=_WAIT_SECONDS) as client:
            self._client = client
            yield

    async def ask(self, body: bytes) -> httpx.Response:
        """The head of the answer; the body is still to be read. Raises `ModelError` when there is none."""
        assert self._client is not None, "ask inside opened()"
        headers = {"Content-Type": "application/json"}
        request = self._client.build_request("POST", f"{self.url}/chat/completions", content=body, headers=headers)
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self.away(error) from error
        if answer.status_code in (401, 403):
            await answer.aclose()
            raise ModelError(f"the upstream {self.url} refused the server's key; start it with the right one")
        return answer

    def away(self, error: httpx.HTTPError) -> ModelError:
        """That it failed, as one sentence."""
        return ModelError(f"the upstream {self.url} did not answer ({type(error).__name__}); see that it runs")


class ChatBody(BaseModel):
    """A chat of the OpenAI protocol; what is not named here goes on as it came."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    user: Annotated[str, Field(max_length=500)] | None = Field(None, description="Whose memory it is.")
    stream: bool | None = None


def proxy_router(upstream: Upstream) -> APIRouter:
    """The route, for one upstream."""
    router = APIRouter(tags=["chat"])
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "As the upstream answers.", "content": {"application/json": {}, "text/event-stream": {}}}
    }

    @router.post("/v1/chat/completions", responses=answers, response_class=Response)
    async def chat(
        caller: Writer,
        body: ChatBody,
        request: Request,
        named: Annotated[str | None, Header(alias="X-Memory-User", max_length=1000)] = None,
    ) -> Response:
        """A chat with what is remembered of its user, who is named by `user` or by X-Memory-User."""
        require(caller, Right.READ)
        memory = memory_of(request, caller, _user(named, body.user))
        worker = server_of(request).worker
        messages = list(body.messages)
        if not all(storable(each["content"]) for each in new_messages(messages, "")):
            raise invalid(
                "got a zero byte or half of a surrogate pair in a message, expected text; mend it", "messages"
            )
        sent = await anyio.to_thread.run_sync(lambda: with_memory(memory, messages, upstream.max_tokens))
        answer = await upstream.ask(_encoded({**body.model_dump(exclude_unset=True), "messages": sent}))

        def remember(reply: str) -> None:
            new = new_messages(messages, reply)
            if new:
                Addition(messages=list(new)).post(memory)
                worker.wake()

        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if body.stream and answer.status_code < 400:
            return StreamingResponse(_streamed(upstream, answer, remember), headers=headers)
        try:
            content = await answer.aread()
        except httpx.HTTPError as error:
            raise upstream.away(error) from error
        finally:
            await answer.aclose()
        if answer.status_code < 400:
            reply = _reply(content, upstream)
            await anyio.to_thread.run_sync(remember, reply)
        return Response(content, status_code=answer.status_code, headers=headers)

    return router


def _user(named: str | None, user: str | None) -> str:
    if named is None and user is None:
        raise invalid("got no user, expected one as the field 'user' or the header X-Memory-User; name one", "user")
    if named is None:
        return user or ""
    try:
        return named.encode("latin-1").decode()  # bytes of a header reach us one a character
    except UnicodeDecodeError as error:
        raise invalid("got a header X-Memory-User that is no UTF-8; send the user as the field 'user'") from error


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise invalid(f"got a body that is no JSON ({error}), expected numbers that are finite") from error


def _reply(content: bytes, upstream: Upstream) -> str:
    try:
        said = json.loads(content)["choices"][0]["message"].get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"the upstream {upstream.url} answered what is no chat completion; see its log") from error
    return said if isinstance(said, str) else ""


async def _streamed(
    upstream: Upstream, answer: httpx.Response, remember: Callable[[str], None]
) -> AsyncIterator[bytes]:
    """The events as they come; what was said is on the disk before the last one is passed on."""
    heard = _Heard()
    try:
        async for line in answer.aiter_lines():
            if heard.ends_with(line):
                await anyio.to_thread.run_sync(remember, heard.text)
            yield f"{line}\n".encode()
    except httpx.HTTPError as error:
        yield _event(upstream.away(error))
    except MemalphaError as error:  # it was said, but could not be kept: without [DONE] the answer is not whole
        yield _event(error)
    finally:
        await answer.aclose()


def _event(error: MemalphaError) -> bytes:
    return f"data: {json.dumps(refusal(error).body())}\n\n".encode()


class _Heard:
    """What the first choice of a stream has said so far."""

    def __init__(self) -> None:
        self.text = ""

    def ends_with(self, line: str) -> bool:
        """Take a line in; returns whether it is the last event."""
        if not line.startswith("data:"):
            return False
        data = line.removeprefix("data:").strip()
        if data == _END:
            return True
        try:
            choices = json.loads(data).get("choices") or ()
            deltas = [choice["delta"].get("content") for choice in choices if choice.get("index", 0) == 0]
        except (ValueError, KeyError, TypeError, AttributeError):
            return False  # the client reads it and says what is wrong with it
        self.text += "".join(delta for delta in deltas if isinstance(delta, str))
        return False
