"""What goes wrong in a memory as a status and one sentence, in the shape of the OpenAI protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from memalpha.errors import (
    BankError,
    ConfigError,
    ConflictError,
    MemalphaError,
    MissingExtraError,
    ModelError,
    OutputError,
    StoreError,
    UnknownEntryError,
)
from memalpha.serve.openai_errors import ErrorKind, RefusedError

_SHOWN_CHARACTERS = 80
_PLACES = ("body", "query", "path", "header")
_STATUS: tuple[tuple[type[MemalphaError], int, str], ...] = (
    (UnknownEntryError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (BankError, 422, "refused"),
    (ConfigError, 422, "invalid"),
    (ModelError, 502, "model_failed"),
    (StoreError, 503, "store_unavailable"),
    (MissingExtraError, 503, "not_installed"),
    (OutputError, 507, "disk_full"),
)
"""The first that fits decides."""


def refusal(error: MemalphaError) -> RefusedError:
    """The answer to a request that ended in an error."""
    if isinstance(error, RefusedError):
        return error
    status, code = next(((status, code) for what, status, code in _STATUS if isinstance(error, what)), (500, "failed"))
    kind = ErrorKind.REQUEST if status < 500 else ErrorKind.SERVER
    return RefusedError(str(error), status=status, kind=kind, code=code)


def missing(what: str) -> RefusedError:
    """That there is no such thing."""
    return RefusedError(what, status=404, code="not_found")


def invalid(message: str, param: str | None = None) -> RefusedError:
    """That a request cannot be meant as it stands."""
    return RefusedError(message, status=422, code="invalid", param=param)


def shape_errors(app: FastAPI) -> None:
    """Every error of an application leaves as one sentence in one shape."""

    @app.exception_handler(MemalphaError)
    async def told(_: Request, error: MemalphaError) -> JSONResponse:
        return reply(refusal(error))

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        return reply(_sentence(error.errors()))

    @app.exception_handler(HTTPException)
    async def not_there(http: Request, error: HTTPException) -> JSONResponse:
        mends = {
            400: ("got a body that cannot be read, expected one JSON object in UTF-8", "invalid"),
            404: (f"got the path {http.url.path}, which leads nowhere; /docs names those that do", "not_found"),
            405: (f"got {http.method} {http.url.path}, expected another method; /docs names it", "wrong_method"),
        }
        message, code = mends.get(error.status_code, (str(error.detail), "refused"))
        refused = RefusedError(message, status=error.status_code, code=code)
        return reply(refused, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        message = f"the server failed on this request ({type(error).__name__}); see its log"
        return reply(RefusedError(message, status=500, kind=ErrorKind.SERVER, code="failed"))


def reply(error: RefusedError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response."""
    return JSONResponse(error.body(), status_code=error.status, headers={**error.headers, **(headers or {})})


def _sentence(errors: Sequence[Mapping[str, Any]]) -> RefusedError:
    """The first error of a validation."""
    error = errors[0]
    path = [str(part) for part in error["loc"]]
    field = ".".join(path[1:] if path and path[0] in _PLACES else path) or None
    match error["type"]:
        case "json_invalid":
            message = f"got a body that is not JSON ({error['ctx']['error']}), expected one JSON object"
            return RefusedError(message, code="invalid")
        case "missing" if field is None:
            return RefusedError("got no body, expected one JSON object, sent as application/json", code="invalid")
        case "missing":
            message = f"{field!r} is missing; /docs says what is expected there"
        case "extra_forbidden":
            message = f"got the unknown field {field!r}; leave it out, /docs names those that are known"
        case "value_error":
            message = str(error["ctx"]["error"])
        case _ if field is None:
            message = f"got {_shown(error['input'])}, expected one JSON object with names and texts in UTF-8"
        case _:
            said = error["msg"]
            message = f"got {_shown(error['input'])} at {field!r}: {said[0].lower()}{said[1:]}"
    return invalid(message, field)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, default=lambda each: type(each).__name__)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
