"""An OpenAI client with a memory: what is remembered goes in front of the conversation, what is said is remembered.

Nothing of the `openai` package is imported: the client is the caller's own, and every attribute but
`chat.completions.create` is that of the client.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from memalpha.errors import ConfigError, MemalphaError
from memalpha.service.chat import new_messages, with_memory
from memalpha.service.memory import Memory
from memalpha.service.twin import AsyncMemory

Client = TypeVar("Client")


def wrap_openai(
    client: Client,
    memory: Memory,
    *,
    max_tokens: int = 800,
    write: bool = True,
    on_failure: Callable[[MemalphaError], None] | None = None,
) -> Client:
    """A client that remembers; the one given stays as it is.

    Args:
        client: An `OpenAI` or an `AsyncOpenAI`, or anything with their `chat.completions.create`.
        memory: What is searched with the last message of the user, and what the exchange is added to.
        max_tokens: Of what is put in front of the conversation, after its own instructions.
        write: False only reads from the memory.
        on_failure: Called when an exchange could not be added, in place of raising: the answer is there already.
    """
    if not hasattr(client, "chat"):
        raise ConfigError(f"got a client of type {type(client).__name__}, expected one with chat.completions.create")
    exchange = _Exchange(memory=memory, max_tokens=max_tokens, write=write, on_failure=on_failure)
    wrapped: Any = _Wrapped(client, exchange, ("chat", "completions", "create"))
    return wrapped  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    """What is read before and written after one request."""

    memory: Memory
    max_tokens: int
    write: bool
    on_failure: Callable[[MemalphaError], None] | None

    def before(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The request with what is remembered."""
        if "messages" not in request:
            return dict(request)
        return {**request, "messages": with_memory(self.memory, list(request["messages"]), self.max_tokens)}

    def after(self, request: Mapping[str, Any], reply: str) -> None:
        """Remember what is new: the messages since the last answer, and the reply."""
        if not self.write:
            return
        new = new_messages(list(request.get("messages", ())), reply)
        try:
            if new:
                self.memory.add(new)
        except MemalphaError as error:
            if self.on_failure is None:
                raise
            self.on_failure(error)


class _Wrapped:
    """An object of the client whose attributes are its own, but for one path of names that ends in `create`."""

    def __init__(self, inner: Any, exchange: _Exchange, path: tuple[str, ...]) -> None:
        self._inner = inner
        self._exchange = exchange
        self._path = path

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name != self._path[0]:
            return value
        if len(self._path) > 1:
            return _Wrapped(value, self._exchange, self._path[1:])
        asynchronous = inspect.iscoroutinefunction(inspect.unwrap(value))
        return (_create_async if asynchronous else _create)(value, self._exchange)


def _create(create: Callable[..., Any], exchange: _Exchange) -> Callable[..., Any]:
    def created(**request: Any) -> Any:
        answer = create(**exchange.before(request))
        if request.get("stream"):
            return _Stream(answer, lambda heard: exchange.after(request, heard))
        exchange.after(request, _reply(answer))
        return answer

    return created


def _create_async(create: Callable[..., Any], exchange: _Exchange) -> Callable[..., Any]:
    twin = AsyncMemory.of(exchange.memory)

    async def created(**request: Any) -> Any:
        answer = await create(**await twin.run(exchange.before, request))
        if request.get("stream"):
            return _AsyncStream(answer, lambda heard: twin.run(exchange.after, request, heard))
        await twin.run(exchange.after, request, _reply(answer))
        return answer

    return created


class _Stream:
    """The pieces of an answer; once the last is read, the whole is remembered."""

    def __init__(self, stream: Any, ended: Callable[[str], Any]) -> None:
        self._stream = stream
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> _Stream:
        self._stream.__enter__()
        return self

    def __exit__(self, *told: Any) -> Any:
        return self._stream.__exit__(*told)

    def __iter__(self) -> Iterator[Any]:
        heard: list[str] = []
        for piece in self._stream:
            heard.append(_piece(piece))
            yield piece
        self._ended("".join(heard))


class _AsyncStream(_Stream):
    """The same, awaited."""

    async def __aenter__(self) -> _AsyncStream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *told: Any) -> Any:
        return await self._stream.__aexit__(*told)

    async def __aiter__(self) -> AsyncIterator[Any]:
        heard: list[str] = []
        async for piece in self._stream:
            heard.append(_piece(piece))
            yield piece
        await self._ended("".join(heard))


def _reply(answer: Any) -> str:
    return (answer.choices[0].message.content or "") if answer.choices else ""


def _piece(piece: Any) -> str:
    return (piece.choices[0].delta.content or "") if piece.choices else ""
