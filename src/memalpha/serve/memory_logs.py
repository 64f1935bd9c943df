"""One line of JSON for each request: what was asked and how it ended, never a text, a name or a key."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
import traceback
from datetime import UTC, datetime
from uuid import uuid4

from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memalpha.serve.memory_access import CALLER, Caller
from memalpha.serve.memory_metrics import Metrics

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_FIELDS = ("request", "method", "route", "status", "ms", "tenant", "ticket", "attempts", "error")


class RequestLog:
    """ASGI middleware that gives each request an id, counts it, and logs it when it is answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Around `app`."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _id_of(scope)
        status = 500
        started = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        self._metrics.on_their_way.inc()
        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.on_their_way.dec()
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = route_of(scope)
            self._metrics.answered(method, route, status, seconds)
            caller: Caller | None = scope.get(CALLER)
            log.info(
                "request",
                extra={
                    "request": request_id,
                    "method": method,
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 2),
                    "tenant": None if caller is None else tenant_hash(caller.tenant),
                },
            )


class JsonLines(logging.Formatter):
    """Records as lines of JSON; of an exception the type and the places, not its message, which may hold a text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if not record.exc_info else record.msg,
            **{field: getattr(record, field) for field in _FIELDS if getattr(record, field, None) is not None},
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, ensure_ascii=True, default=str)


def route_of(scope: Scope) -> str:
    """The template of the path, which names nobody."""
    route = scope.get("route")
    return route.path if isinstance(route, Route | Mount) else "none"


def tenant_hash(tenant: str) -> str:
    """Tells tenants apart in a log without naming them."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:12]


def _id_of(scope: Scope) -> str:
    """The id that came with the request where it is one, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex
