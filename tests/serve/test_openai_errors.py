"""Errors as clients of the protocol read them."""

from __future__ import annotations

import pytest

from memalpha.serve.openai_errors import ErrorKind, RefusedError


def test_the_body_is_that_of_the_protocol() -> None:
    error = RefusedError("got 3, expected 2", param="n")
    assert error.status == 400
    assert error.body() == {
        "error": {"message": "got 3, expected 2", "type": "invalid_request_error", "param": "n", "code": None}
    }
    failed = RefusedError("failed", status=500, kind=ErrorKind.SERVER, code="sampling_failed")
    assert failed.body()["error"] | {"message": ""} == {
        "message": "",
        "type": "server_error",
        "param": None,
        "code": "sampling_failed",
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, {}), (401, {"WWW-Authenticate": "Bearer"}), (429, {"Retry-After": "1"}), (503, {"Retry-After": "1"})],
)
def test_headers_tell_what_to_do(status: int, expected: dict[str, str]) -> None:
    assert RefusedError("x", status=status).headers == expected
