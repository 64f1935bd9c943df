"""How much the server of memories takes on at once, so that nobody can fill it: bytes, requests a second, requests."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from memalpha.serve.openai_errors import ErrorKind, RefusedError

FREE = ("/health", "/ready", "/metrics")
"""Paths that whoever watches the server must reach when it is busiest."""
_KNOWN_KEYS = 10_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused, and from where on."""

    body_bytes: int = 4 * 2**20
    """Longer bodies are refused with status 413."""
    requests_a_second: float = 1000
    """Of one key, on average; what goes beyond is refused with status 429."""
    requests_at_once: int = 512
    """Of all keys together; what goes beyond is refused with status 503."""
    additions_at_once: int = 8
    """Messages that are read by the writer while their sender waits; the others queue behind them."""


class Buckets:
    """A bucket of tokens for each key, refilled as time goes; it holds those of two seconds."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate` tokens a second."""
        self._rate = rate
        self._room = max(2 * rate, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[int, tuple[float, float]] = OrderedDict()
        """Tokens that each key had, and when."""

    def take(self, key: int) -> float:
        """Take a token; returns 0, or after how many seconds there will be one."""
        with self._lock:
            now = self._clock()
            left, at = self._left.pop(key, (self._room, now))
            left = min(self._room, left + (now - at) * self._rate)
            taken = left >= 1 - _ROUNDING
            self._left[key] = (left - taken, now)
            if len(self._left) > _KNOWN_KEYS:  # the one that asked the longest ago has a full bucket by now
                self._left.popitem(last=False)
            return 0.0 if taken else (1 - left) / self._rate


class ConcurrencyLimit:
    """ASGI middleware that refuses requests while too many are on their way."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        """Up to `most` requests reach `app` at once."""
        self._app = app
        self._most = most
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 503."""
        if scope["type"] != "http" or scope["path"] in FREE:
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            error = RefusedError(
                f"{self._now} requests are on their way, expected at most {self._most}; send it again later",
                status=503,
                kind=ErrorKind.SERVER,
                code="busy",
            )
            await JSONResponse(error.body(), status_code=503, headers=error.headers)(scope, receive, send)
            return
        self._now += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._now -= 1


def too_many(seconds: float, rate: float) -> RefusedError:
    """The refusal of a request of a key whose bucket is empty."""
    return RefusedError(
        f"got more than {rate:g} requests a second under this key; send it again in {seconds:.2g} seconds",
        status=429,
        kind=ErrorKind.LIMIT,
        code="rate_limited",
        retry_seconds=math.ceil(seconds),
    )
