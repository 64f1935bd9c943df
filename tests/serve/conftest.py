"""The nano policy served on loopback, and an engine that says what it is told to, step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from memalpha.agent.decoding import Drawn, Row
from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.memory.store import Right
from memalpha.records import ToolCall
from memalpha.serve.launch import serving
from memalpha.serve.memory_app import memory_app
from memalpha.serve.model_app import model_app
from memalpha.service import Memory

END = 0


Script = list[int | BaseException]
"""The tokens to say; an error is raised when its turn comes."""


class ScriptedSteps:
    """Says the script of each row, one token a step."""

    def __init__(self, scripts: Sequence[Script], gate: threading.Semaphore | None) -> None:
        self._scripts = scripts
        self._gate = gate
        self._told = 0
        self._live = set(range(len(scripts)))

    @property
    def alive(self) -> bool:
        return bool(self._live)

    def drop(self, row: int) -> None:
        self._live.discard(row)

    def step(self) -> list[Drawn]:
        if self._gate is not None:
            assert self._gate.acquire(timeout=20), "nobody let the engine go on"
        at, drawn = self._told, []
        self._told += 1
        for row in sorted(self._live):
            token = self._scripts[row][at] if at < len(self._scripts[row]) else END
            if isinstance(token, BaseException):
                raise token
            drawn.append(Drawn(row, token, -0.5, token == END))
        return drawn


class ScriptedEngine:
    """Tokens are code points, 0 is the end. What a row says is decided by its prompt: a text, and what fails then."""

    def __init__(
        self, say: Callable[[Row], str | BaseException | tuple[str, BaseException]], *, gated: bool = False
    ) -> None:
        self._say = say
        self.gate = threading.Semaphore(0) if gated else None
        self.groups: list[int] = []
        """How many rows each group had."""

    def start(self, rows: Sequence[Row]) -> ScriptedSteps:
        self.groups.append(len(rows))
        return ScriptedSteps([_script(self._say(row)) for row in rows], self.gate)

    def let(self, steps: int) -> None:
        """Let the worker take so many steps."""
        assert self.gate is not None
        self.gate.release(steps)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


def _script(said: str | BaseException | tuple[str, BaseException]) -> Script:
    if isinstance(said, BaseException):
        return [said]
    text, errors = (said, []) if isinstance(said, str) else (said[0], [said[1]])
    return [*map(ord, text), *errors]


@pytest.fixture(scope="session")
def scripted_engine() -> type[ScriptedEngine]:
    return ScriptedEngine


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="session")
def nano() -> LocalModel:
    """The shipped writer; nobody samples from it beside the server."""
    return load_local("nano")


@pytest.fixture(scope="session")
def served(nano: LocalModel) -> Iterator[str]:
    """The base URL of the served nano, for clients of the protocol."""
    with serving(model_app(nano)) as url:
        yield f"{url}/v1"


def keep_all(prompt: Prompt) -> str:
    """Quotes each line of the chunk that has the word "keep"."""
    shown = prompt.messages[-1].content.splitlines()
    numbers = [line.partition(":")[0] for line in shown if "keep" in line]
    quotes = [{"memory_type": "semantic", "lines": [int(number)]} for number in numbers if number.isdigit()]
    return "".join(render_call(ToolCall(name="memory_insert", arguments=each)) for each in quotes)


class ServedMemories:
    """A server of memories on loopback, in front of one file."""

    def __init__(self, app: Any, url: str, memory: Memory) -> None:
        self.app = app
        self.url = url
        self.memory = memory
        self.clients: list[httpx.Client] = []

    def key(self, tenant: str = "acme", rights: Iterable[Right] = tuple(Right)) -> str:
        return self.memory.store.keys.create(tenant, "test", rights)[1]

    def client(self, tenant: str = "acme", rights: Iterable[Right] = tuple(Right)) -> httpx.Client:
        """With a key of its own."""
        headers = {"Authorization": f"Bearer {self.key(tenant, rights)}"}
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=30))
        return self.clients[-1]


@pytest.fixture(scope="session")
def start_memories() -> Callable[..., AbstractContextManager[ServedMemories]]:
    """Serves the memories of a folder, with a writer that keeps lines with the word "keep" or replies what is given."""

    @contextmanager
    def start(folder: Path, reply: Callable[[Prompt], str] = keep_all, **options: Any) -> Iterator[ServedMemories]:
        with Memory(folder / "memory.db", user="server", writer=ScriptedModel(reply)) as memory:
            app = memory_app(memory, **options)
            with serving(app) as url:
                made = ServedMemories(app, url, memory)
                try:
                    yield made
                finally:
                    for client in made.clients:
                        client.close()

    return start


@pytest.fixture
def serve_memories(
    tmp_path: Path, start_memories: Callable[..., AbstractContextManager[ServedMemories]]
) -> Callable[..., AbstractContextManager[ServedMemories]]:
    """The same in a new folder."""
    return partial(start_memories, tmp_path)


@pytest.fixture
def memories(serve_memories: Callable[..., AbstractContextManager[ServedMemories]]) -> Iterator[ServedMemories]:
    with serve_memories() as made:
        yield made


@pytest.fixture
def acme(memories: ServedMemories) -> httpx.Client:
    """A client that may read and write the memories of one tenant."""
    return memories.client()
