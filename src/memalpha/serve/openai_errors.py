"""Errors in the shape of the OpenAI protocol: a status, and a body with one clear sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from memalpha.errors import MemalphaError


class ErrorKind(StrEnum):
    """What went wrong, in the words of the protocol."""

    REQUEST = "invalid_request_error"
    KEY = "authentication_error"
    LIMIT = "rate_limit_error"
    SERVER = "server_error"


class RefusedError(MemalphaError):
    """A request that is not answered, with the status and the body that say why."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: ErrorKind = ErrorKind.REQUEST,
        code: str | None = None,
        param: str | None = None,
        retry_seconds: int = 1,
    ) -> None:
        """`code` is a word for programs, `param` the field of the request that is at fault."""
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self._retry_seconds = retry_seconds

    @property
    def headers(self) -> dict[str, str]:
        """When to come again, where that helps, and how to name the key."""
        if self.status in (429, 503):
            return {"Retry-After": str(self._retry_seconds)}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}

    def body(self) -> dict[str, Any]:
        """The JSON of the protocol."""
        return {
            "error": {
                "message": _encodable(str(self)),
                "type": self.kind.value,
                "param": self.param and _encodable(self.param),
                "code": self.code,
            },
        }


def _encodable(text: str) -> str:
    """Halves of surrogate pairs written out, since no encoding has them."""
    return text.encode("utf-8", "backslashreplace").decode()
