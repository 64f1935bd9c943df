"""What is refused when there is too much of it, and when to come again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from memalpha.serve.memory_limits import Buckets, Limits


def test_a_bucket_holds_two_seconds_and_fills_with_time() -> None:
    now = 100.0
    buckets = Buckets(5, clock=lambda: now)
    assert [buckets.take(1) for _ in range(10)] == [0.0] * 10
    assert buckets.take(1) == pytest.approx(0.2)
    assert buckets.take(2) == 0  # another key has a bucket of its own
    now += 0.1
    assert buckets.take(1) == pytest.approx(0.1)
    now += 0.1
    assert buckets.take(1) == 0
    now += 1000
    assert [buckets.take(1) for _ in range(11)][:10] == [0.0] * 10
    assert buckets.take(1) > 0


def test_a_slow_rate_lets_one_through_at_once() -> None:
    now = 0.0
    buckets = Buckets(0.1, clock=lambda: now)
    assert buckets.take(1) == 0
    assert buckets.take(1) == pytest.approx(10)
    now = 10
    assert buckets.take(1) == 0


def test_buckets_are_not_kept_for_ever() -> None:
    buckets = Buckets(1, clock=lambda: 0.0)
    for key in range(10_050):
        buckets.take(key)
    assert len(buckets._left) == 10_000
    assert 49 not in buckets._left


def test_a_key_that_asks_too_often_is_told_when_to_come_again(serve_memories: Any) -> None:
    with serve_memories(limits=Limits(requests_a_second=0.5)) as memories:
        first, second = memories.client(), memories.client()
        assert first.get("/v1/users").status_code == 200
        refused = first.get("/v1/users")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert refused.json()["error"]["message"].startswith("got more than 0.5 requests a second under this key; ")
        assert second.get("/v1/users").status_code == 200


def test_too_many_requests_at_once_are_refused_and_watching_goes_on(serve_memories: Any) -> None:
    reading, go_on = threading.Semaphore(0), threading.Event()

    def reply(_: Any) -> str:
        reading.release()
        assert go_on.wait(30)
        return ""

    with serve_memories(reply, limits=Limits(requests_at_once=2)) as memories:
        client = memories.client()
        with ThreadPoolExecutor(2) as pool:
            asked: list[Any] = []
            for user in ("ana", "bo"):
                path = f"/v1/users/{user}/memories"
                asked.append(pool.submit(client.post, path, json={"text": "a"}))
            assert reading.acquire(timeout=30)
            until_busy(lambda: client.get("/v1/users").status_code == 503)
            refused = client.get("/v1/users")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "2 requests are on their way, expected at most 2" in refused.json()["error"]["message"]
            for path in ("/health", "/ready", "/metrics"):
                assert client.get(path).status_code == 200
            go_on.set()
            assert [each.result(30).status_code for each in asked] == [200, 200]
        assert client.get("/v1/users").status_code == 200


def until_busy(reached: Callable[[], bool]) -> None:
    for _ in range(1000):
        if reached():
            return
    raise AssertionError


def test_a_body_that_is_too_long_is_refused(serve_memories: Any) -> None:
    with serve_memories(limits=Limits(body_bytes=2000)) as memories:
        client = memories.client()
        for path in ("/v1/users/ana/memories", "/v1/users/ana/search"):
            refused = client.post(path, json={"text": "a" * 3000})
            assert refused.status_code == 413
            assert refused.json()["error"]["message"] == "got a body of more than 2,000 bytes; send a shorter one"


def test_slow_additions_do_not_keep_readers_waiting(serve_memories: Any) -> None:
    go_on = threading.Event()

    def reply(_: Any) -> str:
        assert go_on.wait(30)
        return ""

    with serve_memories(reply) as memories:
        client = memories.client()
        with ThreadPoolExecutor(60) as pool:
            asked = [
                pool.submit(client.post, f"/v1/users/user {number}/memories", json={"text": "a"})
                for number in range(60)
            ]
            for _ in range(20):
                assert client.get("/v1/users/ana/memories").status_code == 200
            assert not any(each.done() for each in asked)
            go_on.set()
            assert {each.result(60).status_code for each in asked} == {200}
