"""A local model behind the protocol of OpenAI: chat completions, completions, models, and whether it is healthy.

Left out: embeddings, fine-tuning, files, images and audio, and whatever constrains what a model writes.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from memalpha.agent.local import LocalModel
from memalpha.serve.answering import answer, answer_streamed
from memalpha.serve.asking import Asked, ask_chat, ask_text
from memalpha.serve.body_limit import BodyLimit
from memalpha.serve.openai_errors import ErrorKind, RefusedError
from memalpha.serve.openai_requests import ChatRequest, CompletionRequest, problem
from memalpha.serve.scheduler import Scheduler

_REQUESTS: dict[str, type[BaseModel]] = {"/v1/chat/completions": ChatRequest, "/v1/completions": CompletionRequest}
_CLIENT_GONE = 499
"""What proxies log for a client that did not wait; nobody reads it."""


def model_app(model: LocalModel, *, key: str | None = None, scheduler: Scheduler | None = None) -> FastAPI:
    """The application; its worker thread lives as long as the application runs.

    Args:
        model: Nobody else may sample from it meanwhile.
        key: What clients must send as `Authorization: Bearer <key>`; None lets everyone in.
        scheduler: Of this model; None is one with the default limits.
    """
    worker = scheduler or Scheduler(model)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        await asyncio.to_thread(worker.close)  # the loop goes on meanwhile, so that cut requests give up their jobs

    app = FastAPI(title="memalpha serve-model", lifespan=running)
    app.add_middleware(BodyLimit)
    _shape_errors(app)
    _add_health(app, model, worker)
    secured = [Depends(partial(_check_key, key))] if key is not None else []
    _add_models(app, model, secured)

    @app.post("/v1/chat/completions", dependencies=secured)
    async def chat_completions(request: ChatRequest, http: Request) -> Response:
        """Messages, and tools that may be called."""
        return await _reply(worker, ask_chat(model, request), http, streamed=bool(request.stream))

    @app.post("/v1/completions", dependencies=secured)
    async def completions(request: CompletionRequest, http: Request) -> Response:
        """Texts or token ids to go on from."""
        return await _reply(worker, ask_text(model, request), http, streamed=bool(request.stream))

    return app


async def _reply(scheduler: Scheduler, asked: Asked, http: Request, *, streamed: bool) -> Response:
    if streamed:
        events = await answer_streamed(scheduler, asked)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
    body = await answer(scheduler, asked, partial(_gone, http))
    return Response(status_code=_CLIENT_GONE) if body is None else JSONResponse(body)


async def _gone(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _check_key(key: str, http: Request) -> None:
    """Compares in constant time, so that nothing can be learned from how long it takes."""
    scheme, _, given = http.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), key.encode()):
        got = "another key" if given else "no key"
        raise RefusedError(
            f"got {got}, expected the server's as 'Authorization: Bearer <key>'", status=401, code="invalid_api_key"
        )


def _add_health(app: FastAPI, model: LocalModel, scheduler: Scheduler) -> None:
    @app.get("/health")
    async def health() -> JSONResponse:
        """Status 200 while requests are taken, 503 when not; needs no key."""
        body = {
            "status": "ok" if scheduler.healthy else "closing",
            "model": model.name,
            "waiting": scheduler.waiting,
            "running": scheduler.running,
        }
        return JSONResponse(body, status_code=200 if scheduler.healthy else 503)


def _add_models(app: FastAPI, model: LocalModel, secured: list[Any]) -> None:
    card = {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": "memalpha",
        "max_model_len": model.context_tokens,
        "shows_tools": model.shows_tools,
    }

    @app.get("/v1/models", dependencies=secured)
    async def models() -> dict[str, Any]:
        """The one model that is served."""
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}", dependencies=secured)
    async def one_model(name: str) -> dict[str, Any]:
        """The same by name."""
        if name != model.name:
            raise RefusedError(
                f"got the model {name!r}, expected {model.name!r}, which is the one served here",
                status=404,
                code="model_not_found",
                param="model",
            )
        return card


def _shape_errors(app: FastAPI) -> None:
    """Every error leaves in the shape of the protocol."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse(error.body(), status_code=error.status, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(http: Request, error: RequestValidationError) -> JSONResponse:
        message, param = problem(error.errors(), _REQUESTS[http.url.path])
        return JSONResponse(RefusedError(message, param=param).body(), status_code=400)

    @app.exception_handler(HTTPException)
    async def no_such_path(http: Request, error: HTTPException) -> JSONResponse:
        mends = {
            400: "got a body that cannot be read, expected one JSON object in UTF-8",
            404: f"got the path {http.url.path}, expected one of {', '.join(_REQUESTS)}, /v1/models, /health",
            405: f"got {http.method} {http.url.path}, expected another method; requests are POST, the rest GET",
        }
        message = mends.get(error.status_code, str(error.detail))
        return JSONResponse(RefusedError(message).body(), status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        message = f"the server failed on this request ({type(error).__name__}); see its log"
        return JSONResponse(RefusedError(message, kind=ErrorKind.SERVER).body(), status_code=500)
