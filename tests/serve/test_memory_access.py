"""Who is let in, to what: keys, rights, tenants, and a server without keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import Request

from memalpha.memory.store import Right
from memalpha.serve.memory_access import watcher
from memalpha.serve.openai_errors import RefusedError

OPEN = {"/health", "/ready", "/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


def every_route(app: Any) -> list[tuple[str, str]]:
    return [(method, path) for path, item in app.openapi()["paths"].items() for method in item]


def test_no_route_but_those_of_watching_answers_without_a_key(serve_memories: Any) -> None:
    from memalpha.serve.memory_proxy import Upstream

    with serve_memories(upstream=Upstream("http://127.0.0.1:9/v1")) as memories:
        routes = every_route(memories.app)
        assert len(routes) > 20
        for method, path in routes:
            asked = path.format(user="ana", ref="1", number="1", ticket="1")
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic wrong"}):
                reply = httpx.request(method, memories.url + asked, headers=headers, json={"text": "x"})
                if path in OPEN:
                    assert reply.status_code == 200, path
                else:
                    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer"), path
                    got = "a key that is not known" if headers.get("Authorization") == "Bearer wrong" else "no key"
                    assert reply.json()["error"]["message"].startswith(f"got {got}")


def test_the_document_says_which_routes_need_a_key(memories: Any) -> None:
    document = memories.app.openapi()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for operation in item.values():
            assert ("security" in operation) == (path not in ("/health", "/ready")), path


@pytest.mark.parametrize(
    ("method", "path", "body", "right"),
    [
        ("GET", "/v1/users", None, Right.READ),
        ("GET", "/v1/users/ana/memories", None, Right.READ),
        ("GET", "/v1/users/ana/operations", None, Right.READ),
        ("POST", "/v1/users/ana/search", {"query": "a"}, Right.READ),
        ("POST", "/v1/users/ana/context", {"query": "a"}, Right.READ),
        ("POST", "/v1/users/ana/memories", {"text": "a"}, Right.WRITE),
        ("POST", "/v1/users/ana/erase", {}, Right.WRITE),
    ],
)
def test_a_key_does_what_it_may(memories: Any, method: str, path: str, body: Any, right: Right) -> None:
    other = next(each for each in Right if each is not right)
    assert memories.client(rights=[right]).request(method, path, json=body).status_code == 200
    refused = memories.client(rights=[other]).request(method, path, json=body)
    assert refused.status_code == 403
    assert refused.json()["error"]["message"].startswith(f"got a key that may not {right}, expected one that may")


def test_a_revoked_key_is_refused_while_the_server_runs(memories: Any) -> None:
    client = memories.client()
    assert client.get("/v1/users").status_code == 200
    memories.memory.store.keys.revoke(1)
    assert client.get("/v1/users").status_code == 401


def test_tenants_with_the_same_users_see_their_own(memories: Any) -> None:
    acme, umbrella = memories.client("acme"), memories.client("umbrella")
    acme.post("/v1/users/ana/memories", json={"text": "keep acme's"})
    umbrella.post("/v1/users/ana/memories", json={"text": "keep umbrella's"})
    for client, text in ((acme, "acme's"), (umbrella, "umbrella's")):
        (entry,) = client.get("/v1/users/ana/memories").json()["entries"]
        assert entry["text"] == f"User: keep {text}"
        assert [each["user"] for each in client.get("/v1/users").json()["users"]] == ["ana"]


def test_a_server_without_keys_has_one_tenant(serve_memories: Any) -> None:
    with serve_memories(keys=False) as memories:
        assert httpx.post(f"{memories.url}/v1/users/ana/memories", json={"text": "keep it"}).status_code == 200
        (entry,) = memories.memory.for_user("ana", tenant="default").get_all()
        assert entry.text == "User: keep it"
        assert httpx.get(f"{memories.url}/v1/users", headers={"Authorization": "Bearer x"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "headers", "let_in"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("10.0.0.1", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=10.0.0.1"}, False),
        (None, {}, False),
    ],
)
def test_metrics_are_for_this_machine_or_a_key(
    memories: Any, host: str | None, headers: dict[str, str], let_in: bool
) -> None:
    scope = {
        "type": "http",
        "app": memories.app,
        "client": host and (host, 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    if let_in:
        watcher(Request(scope), None)
    else:
        with pytest.raises(RefusedError, match="got no key"):
            watcher(Request(scope), None)
    forwarded = {"X-Forwarded-For": "10.0.0.1"}
    assert httpx.get(f"{memories.url}/metrics", headers=forwarded).status_code == 401
    assert memories.client().get("/metrics", headers=forwarded).status_code == 200
