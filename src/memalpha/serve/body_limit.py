"""Refuses request bodies that are too long, as they arrive: nobody fills the memory of the server."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 32 * 2**20


class BodyLimit:
    """ASGI middleware that counts the bytes of each body."""

    def __init__(self, app: ASGIApp, limit_bytes: int = BODY_BYTES) -> None:
        """Bodies of up to `limit_bytes` reach `app`."""
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; whoever reads past the limit gets an `HTTPException` of status 413."""
        seen_bytes = 0

        async def counted() -> Message:
            nonlocal seen_bytes
            message = await receive()
            seen_bytes += len(message.get("body", b""))
            if seen_bytes > self._limit_bytes:
                raise HTTPException(413, f"got a body of more than {self._limit_bytes:,} bytes; send a shorter one")
            return message

        await self._app(scope, counted, send)
