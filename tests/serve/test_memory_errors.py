"""Each error as a status and one sentence; bad bodies of every kind are the sender's fault, never the server's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memalpha import errors
from memalpha.errors import MemalphaError
from memalpha.serve.memory_errors import refusal
from memalpha.serve.openai_errors import ErrorKind, RefusedError

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UnknownEntryError("a"), 404),
        (errors.ConflictError("a"), 409),
        (errors.DuplicateError("a"), 422),
        (errors.OverLimitError("a"), 422),
        (errors.ConfigError("a"), 422),
        (errors.ModelError("a"), 502),
        (errors.StoreError("a"), 503),
        (errors.MissingExtraError("a"), 503),
        (errors.OutputError("a"), 507),
        (errors.TrainingError("a"), 500),
    ],
)
def test_each_error_has_its_status(error: MemalphaError, status: int) -> None:
    told = refusal(error)
    assert (str(told), told.status) == ("a", status)
    assert told.kind is (ErrorKind.REQUEST if status < 500 else ErrorKind.SERVER)
    assert told.headers == ({"Retry-After": "1"} if status == 503 else {})
    assert refusal(told) is told


def test_halves_of_surrogate_pairs_are_written_out() -> None:
    body = RefusedError("got \ud800", param="\udfff").body()["error"]
    assert (body["message"], body["param"]) == ("got \\ud800", "\\udfff")


ADD, SEARCH, UPDATE, CONTEXT = "memories", "search", "memories/1", "context"
BAD = [
    (ADD, b"", 400, "got no body"),
    (ADD, b"{", 400, "got a body that is not JSON"),
    (ADD, b"\xff", 400, "got a body that cannot be read"),
    (ADD, b"[" * 99_999, 400, "got a body that cannot be read"),
    (ADD, b'{"text": ' + b"9" * 5000 + b"}", 400, "got a body that cannot be read"),
    (ADD, b"[]", 422, "got []"),
    (ADD, b"null", 422, "got null, expected one JSON object"),
    (ADD, b"{}", 422, "got neither text nor messages, or both; send one of them"),
    (ADD, b'{"text": "a", "messages": []}', 422, "got [] at 'messages'"),
    (ADD, b'{"text": 1}', 422, "got 1 at 'text'"),
    (ADD, b'{"text": "\\ud800"}', 422, "got \"\\ud800\" at 'text'"),
    (ADD, b'{"text": "a\\u0000b"}', 422, "got a zero byte or half of a surrogate pair in 'a\\x00b'"),
    (ADD, b'{"text": NaN}', 422, "got NaN at 'text'"),
    (ADD, b'{"text": "a", "at": "yesterday"}', 422, "got the time 'yesterday', expected ISO 8601"),
    (ADD, b'{"text": "a", "at": "0001-01-01T00:00+14:00"}', 422, "got the time '0001-01-01T00:00+14:00'"),
    (ADD, b'{"text": "a", "at": "9999-12-31T23:59-14:00"}', 422, "got the time"),
    (ADD, b'{"text": "a", "kind": "gossip"}', 422, "got \"gossip\" at 'kind'"),
    (ADD, b'{"text": "a", "kind": "file", "infer": false}', 422, "file"),
    (ADD, b'{"text": "a", "key": ""}', 422, "got '' as key"),
    (ADD, b'{"text": "a", "key": "inbox 1"}', 422, "got 'inbox 1' as key"),
    (ADD, b'{"text": "a", "dry_run": true, "wait": false}', 422, "got dry_run with wait false"),
    (ADD, b'{"text": "a", "tenant": "other"}', 422, "got the unknown field 'tenant'; leave it out"),
    (ADD, b'{"text": "a", "\\ud800": 1}', 422, 'got "\\ud800", expected one JSON object'),
    (ADD, b'{"text": " "}', 422, "got no message with a text"),
    (ADD, b'{"messages": [{"role": "root", "content": "a"}]}', 422, "got \"root\" at 'messages.0.role'"),
    (ADD, b'{"messages": [{"role": "user", "content": "a\\u0000"}]}', 422, "got a zero byte"),
    (ADD, b'{"messages": "a"}', 422, "got \"a\" at 'messages'"),
    (SEARCH, b"{}", 422, "'query' is missing"),
    (SEARCH, b'{"query": "a", "limit": 0}', 422, "got 0 at 'limit'"),
    (SEARCH, b'{"query": "a", "limit": 1e400}', 422, "got Infinity at 'limit'"),
    (SEARCH, b'{"query": "a", "limit": 1.5}', 422, "got 1.5 at 'limit'"),
    (SEARCH, b'{"query": "a", "limit": true}', 422, "got true at 'limit'"),
    (SEARCH, b'{"query": "a", "as_of": -1}', 422, "got -1 as number of an operation"),
    (SEARCH, b'{"query": "a", "as_of": ' + b"9" * 4000 + b"}", 422, "as number of an operation"),
    (SEARCH, b'{"query": "a", "as_of": "9' + b"9" * 38 + b'"}', 422, "as number of an operation"),
    (SEARCH, b'{"query": "a", "since": "now"}', 422, "got the time 'now'"),
    (CONTEXT, b'{"query": "a", "max_tokens": 99999999999999999999}', 422, "got 99999999999999999999 at 'max_tokens'"),
    (UPDATE, b'{"text": "a", "seen_version": 0}', 422, "got 0 at 'seen_version'"),
]


@pytest.mark.parametrize(("path", "body", "status", "expected"), BAD, ids=range(len(BAD)))
def test_a_bad_body_is_one_sentence(acme: Any, path: str, body: bytes, status: int, expected: str) -> None:
    method = "PATCH" if path == UPDATE else "POST"
    reply = acme.request(method, f"/v1/users/ana/{path}", content=body, headers=JSON)
    error = json.loads(reply.text)["error"]
    assert (reply.status_code, expected in error["message"]) == (status, True), error
    assert "\n" not in error["message"]
    assert len(error["message"]) < 400


def test_ten_megabytes_are_refused(acme: Any) -> None:
    for body in ({"text": "a" * 10_000_000}, {"messages": [{"role": "user", "content": "a" * 10_000_000}]}):
        reply = acme.post("/v1/users/ana/memories", json=body)
        assert reply.status_code == 413
        assert reply.json()["error"]["message"] == "got a body of more than 4,194,304 bytes; send a shorter one"
    long = acme.post("/v1/users/ana/memories", json={"text": "a" * 1_000_001})
    assert (long.status_code, long.json()["error"]["param"]) == (422, "text")


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("operations?first=x", "first"),
        ("operations?first=99999999999999999999", "first"),
        ("operations?limit=0", "limit"),
        ("diff", "first"),
        ("diff?first=1&last=-1", "last"),
        ("memories?kind=gossip", "kind.0"),
        ("memories?as_of=never", "as_of"),
        ("memories?as_of=99999999999999999999", "as_of"),
        ("memories?after=-1", "after"),
        ("tickets/0", "ticket"),
        ("tickets/x", "ticket"),
    ],
)
def test_a_bad_query_names_what_is_at_fault(acme: Any, path: str, param: str) -> None:
    reply = acme.get(f"/v1/users/ana/{path}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param)


def test_what_is_not_there_and_what_is_asked_wrongly(acme: Any) -> None:
    lost = acme.get("/v1/nothing")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "not_found")
    wrong = acme.put("/v1/users")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["error"]["message"] == "got PUT /v1/users, expected another method; /docs names it"
