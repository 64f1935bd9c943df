"""What Prometheus is told, and what it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from memalpha.memory.store import Backlog
from memalpha.serve.memory_metrics import Metrics
from memalpha.service.worker import Outcome


def lines(metrics: Metrics) -> set[str]:
    return set(metrics.text().decode().splitlines())


def test_requests_letters_and_the_backlog_are_counted() -> None:
    oldest = datetime.now(UTC) - timedelta(seconds=100)
    metrics = Metrics(lambda: Backlog(waiting=3, dead=1, oldest=oldest))
    metrics.answered("GET", "/v1/users", 200, 0.02)
    metrics.answered("GET", "/v1/users", 200, 0.3)
    metrics.answered("GET", "/v1/users", 401, 0.001)
    metrics.tried(Outcome.WRITTEN)
    told = lines(metrics)
    assert {
        'memalpha_requests_total{method="GET",route="/v1/users",status="200"} 2.0',
        'memalpha_requests_total{method="GET",route="/v1/users",status="401"} 1.0',
        'memalpha_request_seconds_bucket{le="0.025",method="GET",route="/v1/users"} 2.0',
        'memalpha_request_seconds_count{method="GET",route="/v1/users"} 3.0',
        'memalpha_inbox_tried_total{outcome="written"} 1.0',
        'memalpha_inbox_tried_total{outcome="dead"} 0.0',
        "memalpha_inbox_waiting 3.0",
        "memalpha_inbox_dead 1.0",
    } <= told
    (age,) = (float(line.split()[1]) for line in told if line.startswith("memalpha_inbox_oldest_seconds "))
    assert 100 <= age < 160


def test_two_applications_count_apart() -> None:
    empty = Backlog(waiting=0, dead=0, oldest=None)
    first, second = Metrics(lambda: empty), Metrics(lambda: empty)
    first.tried(Outcome.WRITTEN)
    assert 'memalpha_inbox_tried_total{outcome="written"} 0.0' in lines(second)
    assert "memalpha_inbox_oldest_seconds 0.0" in lines(second)


def test_no_label_names_anybody(memories: Any) -> None:
    client = memories.client("acme-secret")
    client.post("/v1/users/ana-secret/memories", json={"text": "keep secret"})
    client.get("/v1/users/ana-secret/memories/1")
    client.get("/secret/path")
    client.request("SECRET", "/v1/users")
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "secret" not in told.text.lower()
    assert 'memalpha_requests_total{method="GET",route="/v1/users/{user}/memories/{ref}",status="200"} 1.0' in told.text
    assert 'memalpha_requests_total{method="GET",route="none",status="404"} 1.0' in told.text
    assert 'method="other"' in told.text
