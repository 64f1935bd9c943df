"""The memories of a store over HTTP: REST with an OpenAPI document, an inbox, and any chat model with a memory.

`memory_app` wires the parts together: who asks (`memory_access`), how much (`memory_limits`, `body_limit`), what is
answered (`memory_routes`, `memory_log_routes`, `memory_proxy`, `memory_mcp`), how it fails (`memory_errors`), what is
told of it (`memory_logs`, `memory_metrics`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import Depends, FastAPI, Request, Response
from starlette.applications import Starlette

from memalpha.errors import MemalphaError
from memalpha.memory.entry import Origin
from memalpha.memory.store import Backlog, Right
from memalpha.serve import memory_log_routes, memory_routes
from memalpha.serve.body_limit import BodyLimit
from memalpha.serve.inspector import inspector_routes
from memalpha.serve.memory_access import Server, allowed, server_of, watcher
from memalpha.serve.memory_errors import shape_errors
from memalpha.serve.memory_limits import Buckets, ConcurrencyLimit, Limits
from memalpha.serve.memory_logs import RequestLog
from memalpha.serve.memory_metrics import Metrics
from memalpha.serve.memory_proxy import Upstream, proxy_router
from memalpha.serve.memory_replies import ErrorReply, HealthReply, ReadyReply
from memalpha.serve.run_routes import run_routes
from memalpha.service.memory import Memory
from memalpha.service.worker import Worker

_GRACE_SECONDS = 30
_ERRORS = {
    400: "A body that cannot be read.",
    401: "No key, or one that is not known.",
    403: "A key that may not do this.",
    404: "No such thing in this tenant.",
    409: "What a write was based on has changed, or a key is in use for something else.",
    413: "A body that is too long.",
    422: "A field that cannot be meant, or what the memory refuses.",
    429: "More requests under this key than it may send; see Retry-After.",
    500: "The server failed; its log says how.",
    502: "The writer or the upstream model failed.",
    503: "Too much is on its way, or the database does not answer; see Retry-After.",
    507: "The disk is full.",
}


def memory_app(
    memory: Memory,
    *,
    keys: bool = True,
    limits: Limits | None = None,
    upstream: Upstream | None = None,
    runs: Path | None = None,
    trust: Origin = Origin.ASSISTANT,
) -> FastAPI:
    """The application; its worker lives as long as the application runs. The caller closes the memory.

    Args:
        memory: Any memory of the store that is served; its writer reads what is sent.
        keys: False lets everyone in, to the tenant "default"; for loopback only.
        limits: None is the default ones.
        upstream: The chat model that gets a memory at /v1/chat/completions; None is no such route.
        runs: A folder of runs that may be looked at.
        trust: Whose words agents may claim at most, which come by MCP at /mcp where the extra `mcp` is installed.
    """
    bounds = limits or Limits()
    metrics = Metrics(memory.store.inbox.backlog)
    server = Server(
        memory=memory,
        keys=keys,
        limits=bounds,
        buckets=Buckets(bounds.requests_a_second),
        metrics=metrics,
        worker=Worker(memory, told=metrics.tried),
    )

    agents = _agents(server, trust)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        app.state.additions = CapacityLimiter(bounds.additions_at_once)
        server.worker.start()
        try:
            async with AsyncExitStack() as stack:
                if upstream is not None:
                    await stack.enter_async_context(upstream.opened())
                if agents is not None:
                    await stack.enter_async_context(agents.router.lifespan_context(agents))
                yield
        finally:
            await asyncio.to_thread(server.worker.close, _GRACE_SECONDS)

    app = FastAPI(
        title="memalpha",
        summary="Memories of language agents.",
        version="1",
        lifespan=running,
        redirect_slashes=False,
        responses={status: {"model": ErrorReply, "description": text} for status, text in _ERRORS.items()},
    )
    app.state.server = server
    shape_errors(app)
    # The last one added is the first that a request meets.
    app.add_middleware(BodyLimit, limit_bytes=bounds.body_bytes)
    app.add_middleware(ConcurrencyLimit, most=bounds.requests_at_once)
    app.add_middleware(RequestLog, metrics=metrics)
    _add_watching(app)
    app.include_router(memory_routes.router)
    app.include_router(memory_log_routes.router)
    app.include_router(inspector_routes())
    if runs is not None:
        app.include_router(run_routes(runs), dependencies=[Depends(allowed(Right.READ))])
    if upstream is not None:
        app.include_router(proxy_router(upstream))
    if agents is not None:
        app.mount("/mcp", agents)
    return app


def _agents(server: Server, trust: Origin) -> Starlette | None:
    """What agents talk to; None where the extra `mcp` is not installed."""
    if find_spec("mcp") is None:
        return None
    from memalpha.serve.memory_mcp import memory_mcp

    return memory_mcp(server, trust)


def _add_watching(app: FastAPI) -> None:
    @app.get("/health", tags=["watching"])
    async def health() -> HealthReply:
        """Status 200 while the process answers; needs no key."""
        return HealthReply(status="ok")

    @app.get("/ready", tags=["watching"], responses={503: {"model": ReadyReply}})
    def ready(request: Request, response: Response) -> ReadyReply:
        """Status 200 while the database answers and the worker lives, 503 when not; needs no key."""
        server = server_of(request)
        backlog: Backlog | None = None
        try:
            backlog = server.memory.store.inbox.backlog()
        except MemalphaError:
            response.status_code = 503
        if not server.worker.alive:
            response.status_code = 503
        return ReadyReply(
            ready=backlog is not None and server.worker.alive,
            database=backlog is not None,
            worker=server.worker.alive,
            waiting=None if backlog is None else backlog.waiting,
        )

    @app.get(
        "/metrics",
        tags=["watching"],
        dependencies=[Depends(watcher)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
        openapi_extra={"security": [{}]},  # or none, on this machine
    )
    def metrics(request: Request) -> Response:
        """For Prometheus; needs a key, but from this machine."""
        return Response(server_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
