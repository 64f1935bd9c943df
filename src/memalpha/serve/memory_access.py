"""Who asks: a key names the tenant and what may be done; nothing else in a request does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from memalpha.errors import StoreError
from memalpha.memory.store import ApiKey, Right
from memalpha.serve.launch import is_loopback
from memalpha.serve.memory_errors import invalid
from memalpha.serve.memory_limits import Buckets, Limits, too_many
from memalpha.serve.memory_metrics import Metrics
from memalpha.serve.openai_errors import ErrorKind, RefusedError
from memalpha.service.memory import Memory
from memalpha.service.worker import Worker

_BEARER = HTTPBearer(auto_error=False, description="A key made by `memalpha keys create`.")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
EVERYBODY = "default"
"""The tenant of a server without keys."""
CALLER = "memalpha.caller"
"""Where a request's scope holds the caller, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request."""

    tenant: str
    rights: frozenset[Right]
    key: int
    """The number of the key, 0 on a server without keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the routes of one application share; it is its `state.server`."""

    memory: Memory
    """Any memory of the store, with the writer for all."""
    keys: bool
    """Whether a key is asked for."""
    limits: Limits
    buckets: Buckets
    metrics: Metrics
    worker: Worker


def server_of(request: Request) -> Server:
    """What the application of a request shares."""
    server: Server = request.app.state.server
    return server


def allowed(right: Right) -> Callable[..., Caller]:
    """A dependency of routes that need a right; raises `RefusedError` with status 401, 403 or 429."""

    def caller(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        server = server_of(request)
        found = identify(server, credentials.credentials if credentials else None)
        request.scope[CALLER] = found
        require(found, right)
        wait_seconds = server.buckets.take(found.key)
        if wait_seconds > 0:
            raise too_many(wait_seconds, server.limits.requests_a_second)
        return found

    return caller


def require(caller: Caller, right: Right) -> None:
    """Raise `RefusedError` with status 403 for a caller without a right."""
    if right not in caller.rights:
        raise RefusedError(
            f"got a key that may not {right}, expected one that may; `memalpha keys create --rights {right}` makes one",
            status=403,
            kind=ErrorKind.KEY,
            code="not_allowed",
        )


def identify(server: Server, secret: str | None) -> Caller:
    """Whose secret it is; raises `RefusedError` with status 401."""
    if not server.keys:
        return Caller(tenant=EVERYBODY, rights=frozenset(Right), key=0)
    key: ApiKey | None = server.memory.store.keys.check(secret) if secret else None
    if key is None:
        raise RefusedError(
            f"got {'a key that is not known or was revoked' if secret else 'no key'}, expected one as "
            "'Authorization: Bearer <key>'; `memalpha keys create` makes one",
            status=401,
            kind=ErrorKind.KEY,
            code="invalid_api_key",
        )
    return Caller(tenant=key.tenant, rights=key.rights, key=key.number)


Reader = Annotated[Caller, Depends(allowed(Right.READ))]
Writer = Annotated[Caller, Depends(allowed(Right.WRITE))]


def memory_of(request: Request, caller: Caller, user: str) -> Memory:
    """The memory of a user of the caller's tenant; raises `RefusedError` for what is no name."""
    try:
        return server_of(request).memory.for_user(user, tenant=caller.tenant)
    except StoreError as error:
        raise invalid(str(error), "user") from error


User = Annotated[str, Path(description="The name of a user: 1 to 500 characters, no slash.", max_length=500)]


def _read(request: Request, caller: Reader, user: User) -> Memory:
    return memory_of(request, caller, user)


def _write(request: Request, caller: Writer, user: User) -> Memory:
    return memory_of(request, caller, user)


ReadMemory = Annotated[Memory, Depends(_read)]
WriteMemory = Annotated[Memory, Depends(_write)]


def watcher(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> None:
    """Lets in whoever asks from this machine, and any key; raises `RefusedError` with status 401."""
    near = request.client is not None and is_loopback(request.client.host)
    if not near or any(name in request.headers for name in _FORWARDED):
        identify(server_of(request), credentials.credentials if credentials else None)
