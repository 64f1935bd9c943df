"""The application as a whole: watching, stopping in order, many clients at once, and being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import memalpha
from memalpha.errors import StoreError
from memalpha.memory.store import Right
from memalpha.service import Memory

SCRIPT = Path(__file__).with_name("serving_memories.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1]), "NO_PROXY": "127.0.0.1"}


def until(reached: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_healthy_and_ready_are_two_things(memories: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(path: str) -> httpx.Response:
        return httpx.get(memories.url + path)

    assert (get("/health").status_code, get("/health").json()) == (200, {"status": "ok"})
    ready = {"ready": True, "database": True, "worker": True, "waiting": 0}
    assert (get("/ready").status_code, get("/ready").json()) == (200, ready)

    def away() -> None:
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(memories.memory.store.inbox, "backlog", away)
        assert (get("/ready").status_code, get("/ready").json()["database"]) == (503, False)
    memories.app.state.server.worker.close()
    assert (get("/ready").status_code, get("/ready").json()["worker"]) == (503, False)
    assert get("/health").status_code == 200


def test_each_route_is_documented_with_what_it_answers(memories: Any) -> None:
    document = memories.app.openapi()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"] and operation["description"], path
            assert {"401", "422", "429", "503"} <= set(operation["responses"]), path
            error = operation["responses"]["422"]["content"]["application/json"]["schema"]["$ref"]
            assert error.endswith("/ErrorReply"), (method, path)
    assert httpx.get(f"{memories.url}/docs").status_code == 200


@pytest.mark.parametrize("requests", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_two_hundred_clients_at_once_are_served(memories: Any, requests: int) -> None:
    key = memories.key()
    headers = {"Authorization": f"Bearer {key}"}
    start = threading.Barrier(200)

    def work(number: int) -> list[int]:
        user = f"/v1/users/user {number % 50}"
        with httpx.Client(base_url=memories.url, headers=headers, timeout=120) as client:
            start.wait()
            statuses = []
            for turn in range(requests):
                text = {"text": f"{number} says {turn}", "wait": False, "infer": False}
                statuses.append(client.post(f"{user}/memories", json=text).status_code)
                statuses.append(client.post(f"{user}/search", json={"query": f"says {turn}"}).status_code)
        return statuses

    with ThreadPoolExecutor(200) as pool:
        answered = [status for statuses in pool.map(work, range(200)) for status in statuses]
    assert sorted(answered) == [200] * 200 * requests + [202] * 200 * requests
    inbox = memories.memory.store.inbox
    until(lambda: inbox.backlog().waiting == 0, seconds=200)
    users = memories.memory.store.census("acme")
    assert (len(users), sum(each.entries for each in users)) == (50, 200 * requests)


def test_stopping_ends_what_is_on_its_way_and_keeps_what_was_accepted(serve_memories: Any, tmp_path: Path) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def reply(_: Any) -> str:
        reading.set()
        assert go_on.wait(30)
        return ""

    with ThreadPoolExecutor(1) as pool:
        with serve_memories(reply) as memories:
            client = httpx.Client(
                base_url=memories.url, headers={"Authorization": f"Bearer {memories.key()}"}, timeout=60
            )
            asked = pool.submit(client.post, "/v1/users/ana/memories", json={"text": "keep"})
            assert reading.wait(30)
            for number in range(5):
                sent = {"text": f"keep {number}", "wait": False, "infer": False}
                assert client.post("/v1/users/bo/memories", json=sent).status_code == 202
            later = {"text": "keep later", "wait": False}
            assert client.post("/v1/users/cy/memories", json=later).status_code == 202
            threading.Timer(0.3, go_on.set).start()
        assert asked.result(30).status_code == 200
    with Memory(tmp_path / "memory.db", user="bo", tenant="acme") as bo:
        waiting = {letter.ticket for letter in bo.store.inbox.letters(bo.scope.address)}
        assert len(waiting) + len(bo.get_all()) == 5
        assert bo.store.check() == ()


@contextmanager
def started(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    child = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(path)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield child, child.stdout.readline().strip()
    finally:
        child.kill()
        child.communicate(timeout=60)


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.slow)])
def test_a_server_that_is_killed_has_kept_what_it_accepted(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "memory.db"
    with Memory(path, user="server") as memory:
        headers = {"Authorization": f"Bearer {memory.store.keys.create('acme', '', list(Right))[1]}"}
    accepted: list[str] = []
    for number in range(kills):
        with started(path) as (child, url), httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            killing = threading.Timer(number % 7 / 50, child.send_signal, (signal.SIGKILL,))
            try:
                for turn in range(100_000):
                    text = f"{number}-{turn}"
                    sent = {"text": text, "wait": turn % 3 > 0, "infer": False, "key": text}
                    reply = client.post("/v1/users/ana/memories", json=sent)
                    assert reply.status_code in (200, 202)
                    accepted.append(text)
                    if turn == 20 + number:
                        killing.start()
            except httpx.TransportError:
                pass
    with started(path) as (_, url), httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        until(lambda: client.get("/ready").json()["waiting"] == 0)
        found: list[str] = []
        after: int | None = 0
        while after is not None:
            page = client.get("/v1/users/ana/memories", params={"after": after}).json()
            found, after = found + [entry["text"] for entry in page["entries"]], page["next"]
    assert len(accepted) > 20 * kills
    assert len(found) == len(set(found))
    assert set(accepted) <= set(found)
    assert len(set(found) - set(accepted)) <= kills  # one that was written when its answer was cut off
    with Memory(path, user="server") as memory:
        assert memory.store.check() == ()
