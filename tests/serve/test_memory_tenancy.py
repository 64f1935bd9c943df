"""Attempts of one tenant at the memories of another, generated: by ids, filters, names, keys, metadata and bodies."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from memalpha.agent.model import ScriptedModel
from memalpha.memory.store import Right
from memalpha.serve.memory_app import memory_app
from memalpha.serve.memory_limits import Limits
from memalpha.service import Memory

VICTIM, USERS = "umbrella", ("ana", "bo", "secret-user")
SECRETS = ("zanzibar", "secret-user", VICTIM)
"""None of them may stand in an answer to another tenant that did not send it."""


class Attacker:
    """Makes requests that want what belongs to another tenant, out of all that a request is made of."""

    def __init__(self, seed: int, stolen: dict[str, Any]) -> None:
        self.rng = random.Random(seed)
        self.stolen = stolen

    def pick(self, *values: Any) -> Any:
        return self.rng.choice(values)

    def user(self) -> str:
        name = self.pick(*USERS, "ANA", "ana ", "%", "_", "*", "", "..")
        tenant = self.pick(VICTIM, "acme")
        shaped = self.pick(
            name,
            f"{tenant}/{name}",
            f"../{tenant}/{name}",
            f"{name}' OR tenant='{tenant}",
            f'{name}" OR 1=1 --',
            f"{name}\x00{tenant}",
            f"{name}?tenant={tenant}",
            f"{name}\uff0f{tenant}",
            f"{tenant}:{name}",
            f"{name}#" + self.rng.choice(string.printable),
        )
        return quote(shaped, safe=self.pick("", "/", "/?#'\" "))

    def ref(self) -> str:
        return str(self.pick(*range(1, 9), "core", "persona", "1 OR 1=1", -1, 2**63, "1;--", "*"))

    def extra(self) -> dict[str, Any]:
        """Fields and parameters that no route knows, or that name another tenant."""
        return dict(
            self.pick(
                {},
                {"tenant": VICTIM},
                {"tenant_id": VICTIM, "user": "ana"},
                {"user_id": f"{VICTIM}/ana"},
                {"metadata": {"tenant": VICTIM, "user": "ana"}},
                {"filters": {"tenant": {"ne": "acme"}}},
                {"scope": 1},
                {"key": self.stolen["key"]},
            )
        )

    def headers(self) -> dict[str, str]:
        return dict(
            self.pick(
                {},
                {"X-Tenant": VICTIM},
                {"X-Memory-User": "ana", "X-Memory-Tenant": VICTIM},
                {"X-Forwarded-User": f"{VICTIM}/ana"},
                {"Cookie": f"tenant={VICTIM}"},
                {"Host": f"{VICTIM}.localhost"},
            )
        )

    def request(self) -> tuple[str, str, dict[str, Any]]:
        user, ref, extra = self.user(), self.ref(), self.extra()
        path, method, body = self.pick(
            ("/v1/users", "GET", None),
            (f"/v1/users/{user}/memories", "GET", None),
            (f"/v1/users/{user}/memories/{ref}", "GET", None),
            (f"/v1/users/{user}/memories/{ref}/history", "GET", None),
            (f"/v1/users/{user}/operations", "GET", None),
            (f"/v1/users/{user}/diff", "GET", None),
            (f"/v1/users/{user}/receipts", "GET", None),
            (f"/v1/users/{user}/tickets", "GET", None),
            (f"/v1/users/{user}/tickets/{self.pick(*self.stolen['tickets'])}", "GET", None),
            (f"/v1/users/{user}/tickets/{self.pick(*self.stolen['tickets'])}/retry", "POST", None),
            (f"/v1/users/{user}/search", "POST", {"query": self.pick("word", "Ann lives where", "%", "")}),
            (f"/v1/users/{user}/context", "POST", {"query": "Ann lives"}),
            (f"/v1/users/{user}/memories", "POST", {"text": "mine", "infer": False}),
            (f"/v1/users/{user}/memories", "POST", {"text": "mine", "wait": False}),
            (f"/v1/users/{user}/memories/{ref}", "PATCH", {"text": "mine"}),
            (f"/v1/users/{user}/memories/{ref}", "DELETE", None),
            (f"/v1/users/{user}/operations/{self.rng.randint(1, 9)}/undo", "POST", {}),
            (f"/v1/users/{user}/erase", "POST", self.pick({}, {"ref": 1})),
        )
        query = {"first": 0, "last": 9, "kind": "semantic", "after": 0, "as_of": self.pick(1, 9), **extra}
        asked = {name: query[name] for name in query if self.rng.random() < 0.5}
        if self.rng.random() < 0.2:
            asked["after"] = "' OR tenant='umbrella"
        more = extra if self.rng.random() < 0.7 else {}
        sent = None if body is None else {**body, **more}
        return method, path, {"params": asked, "json": sent, "headers": self.headers()}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[TestClient, Memory, dict[str, Any]]]:
    """An application in this process, with a victim whose every text has a word that nobody else writes."""
    with Memory(tmp_path / "memory.db", user="server", writer=ScriptedModel(lambda _: "")) as memory:
        tickets = []
        for user in USERS:
            theirs = memory.for_user(user, tenant=VICTIM)
            theirs.add(
                [f"Ann lives in zanzibar {number}, a word" for number in range(3)], infer=False, key="zanzibar key"
            )
            theirs.update(1, "Ann lives in zanzibar no more")
            theirs.delete(2)
            tickets.append(memory.store.inbox.accept(theirs.scope.address, '"zanzibar"', name="zanzibar letter"))
        with TestClient(
            memory_app(memory, limits=Limits(requests_a_second=1e9)), raise_server_exceptions=False
        ) as client:
            secret = memory.store.keys.create("acme", "attacker", list(Right))[1]
            client.headers["Authorization"] = f"Bearer {secret}"
            yield client, memory, {"tickets": tickets, "key": "zanzibar key"}


def state(memory: Memory) -> list[Any]:
    return [
        (memory.for_user(user, tenant=VICTIM).history(), memory.for_user(user, tenant=VICTIM).get_all())
        for user in USERS
    ]


@pytest.mark.parametrize("attempts", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_attempt_reaches_another_tenant(served: tuple[TestClient, Memory, dict[str, Any]], attempts: int) -> None:
    client, memory, stolen = served
    before, attacker = state(memory), Attacker(attempts, stolen)
    answered: dict[int, int] = {}
    for _ in range(attempts):
        method, path, more = attacker.request()
        reply = client.request(method, path, **more)
        answered[reply.status_code] = answered.get(reply.status_code, 0) + 1
        assert reply.status_code < 500, (method, path, more, reply.text)
        sent = f"{path} {more}".lower()
        leaked = [word for word in SECRETS if word in reply.text.lower() and (reply.is_success or word not in sent)]
        mine = own(memory) if leaked else ""
        assert [word for word in leaked if word not in mine] == [], (method, path, more, reply.text)
    assert state(memory) == before
    assert min(answered.get(200, 0), answered.get(422, 0), answered.get(404, 0)) > attempts / 50, answered


def own(memory: Memory) -> str:
    """The names of the attacker's own users, who may be called after others."""
    return " ".join(each.user for each in memory.store.census("acme")).lower()
