"""Bodies are counted as they arrive, whatever their headers say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from memalpha.serve.body_limit import BodyLimit


def read(*pieces: bytes, limit: int) -> bytes:
    """What an application reads of a body that comes in these pieces."""
    left = list(pieces)
    seen: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            seen.append(message["body"])
            more = message["more_body"]

    asyncio.run(BodyLimit(app, limit)({"type": "http"}, receive, send))
    return b"".join(seen)


def test_a_body_up_to_the_limit_is_passed_on() -> None:
    assert read(b"abc", b"de", limit=5) == b"abcde"


def test_a_longer_one_is_refused_where_it_passes_the_limit() -> None:
    with pytest.raises(HTTPException, match="got a body of more than 4 bytes") as caught:
        read(b"abc", b"de", limit=4)
    assert caught.value.status_code == 413
