"""The asynchronous twin of `Memory`: the same calls, each in a thread, so that an event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from memalpha.agent.model import Model
from memalpha.agent.writer import Writer
from memalpha.memory.embedding import Embedder
from memalpha.memory.store import Store
from memalpha.service.memory import Memory

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _awaited(
    method: Callable[Concatenate[Memory, _Arguments], _Result],
) -> Callable[Concatenate[AsyncMemory, _Arguments], Coroutine[Any, Any, _Result]]:
    """A method of `Memory` as a coroutine of its twin."""

    @wraps(method)
    async def called(self: AsyncMemory, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return await asyncio.to_thread(method, self.memory, *args, **kwargs)

    return called


class AsyncMemory:
    """What `Memory` does, awaited; takes its arguments."""

    def __init__(
        self,
        where: str | Path | Store = "memory.db",
        *,
        user: str,
        tenant: str = "default",
        writer: str | Path | Model | Writer = "nano-chat",
        embedder: str | Path | Embedder | None = None,
    ) -> None:
        """Open the memory of a user, as `Memory` does."""
        self.memory = Memory(where, user=user, tenant=tenant, writer=writer, embedder=embedder)

    @classmethod
    def of(cls, memory: Memory) -> Self:
        """The twin of a memory that is there already."""
        twin = cls.__new__(cls)
        twin.memory = memory
        return twin

    async def __aenter__(self) -> Self:
        """For `async with`, which closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def run(
        self, function: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        """Call something that waits for the memory in a thread."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def for_user(self, user: str, *, tenant: str | None = None) -> AsyncMemory:
        """The memory of another user in the same store."""
        return AsyncMemory.of(self.memory.for_user(user, tenant=tenant))

    add = _awaited(Memory.add)
    search = _awaited(Memory.search)
    context = _awaited(Memory.context)
    get = _awaited(Memory.get)
    get_all = _awaited(Memory.get_all)
    update = _awaited(Memory.update)
    delete = _awaited(Memory.delete)
    delete_all = _awaited(Memory.delete_all)
    history = _awaited(Memory.history)
    as_of = _awaited(Memory.as_of)
    diff = _awaited(Memory.diff)
    undo = _awaited(Memory.undo)
    erase = _awaited(Memory.erase)
    close = _awaited(Memory.close)
