"""One line of JSON for each request, without a word of what was said, and without names and keys."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from typing import Any

import pytest

from memalpha.serve.memory_logs import JsonLines, tenant_hash

ODD = {"X-Request-Id": "no id", "Content-Type": "application/json"}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="memalpha")
    return caplog


def test_each_request_is_a_line_that_names_nobody(memories: Any, logged: pytest.LogCaptureFixture) -> None:
    client = memories.client("acme-secret")
    reply = client.post(
        "/v1/users/ana-secret/memories", json={"text": "keep this secret"}, headers={"X-Request-Id": "abc-1"}
    )
    assert reply.headers["x-request-id"] == "abc-1"
    client.post("/v1/users/ana-secret/search", content=b'{"query": "\\ud800secret"}', headers=ODD)
    client.get("/v1/secret")
    lines = [JsonLines().format(record) for record in logged.records if record.name.startswith("memalpha")]
    assert "secret" not in "".join(lines)
    first, second, third = map(json.loads, lines)
    assert {name: first[name] for name in ("level", "event", "request", "method", "route", "status", "tenant")} == {
        "level": "info",
        "event": "request",
        "request": "abc-1",
        "method": "POST",
        "route": "/v1/users/{user}/memories",
        "status": 200,
        "tenant": hashlib.sha256(b"acme-secret").hexdigest()[:12],
    }
    assert 0 < first["ms"] < 60_000
    assert (second["status"], len(second["request"])) == (422, 32)
    assert (third["status"], third["route"]) == (404, "none")
    assert "tenant" not in third


def test_what_failed_is_told_by_type_and_place(memories: Any, logged: pytest.LogCaptureFixture) -> None:
    client = memories.client()
    memories.memory.store.census = None  # nobody foresaw this
    reply = client.get("/v1/users")
    assert reply.status_code == 500
    assert reply.json()["error"]["message"] == "the server failed on this request (TypeError); see its log"
    assert [record.status for record in logged.records if record.name.endswith("memory_logs")] == [500]  # type: ignore[attr-defined]


def test_the_message_of_an_exception_is_left_out() -> None:
    try:
        raise ValueError("a secret")
    except ValueError:
        record = logging.LogRecord("memalpha", logging.ERROR, "a.py", 1, "a letter failed", (), sys.exc_info())
    record.ticket = 7
    line = JsonLines().format(record)
    assert "secret" not in line
    told = json.loads(line)
    assert (told["event"], told["ticket"], told["exception"]) == ("a letter failed", 7, "ValueError")
    assert told["places"][0].startswith(__file__)


def test_tenants_are_told_apart_without_their_names() -> None:
    assert tenant_hash("acme") != tenant_hash("umbrella")
    assert len(tenant_hash("é")) == 12
