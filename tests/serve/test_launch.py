"""Real servers on loopback: where they listen, how they end, and what is told when they cannot start."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from memalpha.errors import ConfigError
from memalpha.serve.launch import is_loopback, serving


def slow_app(seconds: float, log: list[str]) -> FastAPI:
    """Answers after a while; keeps when it started, was asked and ended."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        log.append("start")
        yield
        log.append("end")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def answer() -> str:
        log.append("asked")
        await asyncio.sleep(seconds)
        log.append("answered")
        return "ok"

    return app


def test_a_free_port_is_taken_and_given_back() -> None:
    log: list[str] = []
    with serving(slow_app(0, log)) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url).json() == "ok"
    assert log == ["start", "asked", "answered", "end"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_request_on_its_way_is_ended_first() -> None:
    log: list[str] = []
    replies: list[Any] = []
    with serving(slow_app(0.3, log)) as url:
        asking = threading.Thread(target=lambda: replies.append(httpx.get(url).json()))
        asking.start()
        while "asked" not in log:
            pass
    asking.join(5)
    assert replies == ["ok"]
    assert log == ["start", "asked", "answered", "end"]


def test_what_does_not_end_in_time_is_cut() -> None:
    log: list[str] = []
    failures: list[httpx.HTTPError] = []

    def ask(url: str) -> None:
        try:
            httpx.get(url, timeout=20)
        except httpx.HTTPError as error:
            failures.append(error)

    with serving(slow_app(60, log), grace_seconds=0) as url:
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        while "asked" not in log:
            pass
    asking.join(5)
    assert not asking.is_alive()
    assert log[-1] == "end"


@pytest.mark.parametrize(("host", "taken"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_where_nobody_can_listen_is_one_sentence(host: str, taken: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if taken else 0
        with (
            pytest.raises(ConfigError, match=f"cannot listen on {host} port {port} .*choose another port") as caught,
            serving(FastAPI(), host=host, port=port),
        ):
            pass
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with serving(slow_app(0, []), host="::1") as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(url, trust_env=False).json() == "ok"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_application_that_does_not_start_is_one_sentence() -> None:
    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no weights")
        yield

    with pytest.raises(ConfigError, match="the server did not start"), serving(FastAPI(lifespan=broken)):
        pass


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("me", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
