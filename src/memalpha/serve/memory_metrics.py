"""What Prometheus is told: counts, times, queues. No label holds a name of a tenant or user, or a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from memalpha.memory.store import Backlog
from memalpha.service.worker import Outcome

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        """`backlog` is asked whenever the metrics are."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "memalpha_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "memalpha_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.on_their_way = Gauge(
            "memalpha_requests_on_their_way", "Requests not answered yet.", registry=self._registry
        )
        self._letters = Counter(
            "memalpha_inbox_tried", "Letters that the worker tried, by what became of them.", ("outcome",),
            registry=self._registry,
        )  # fmt: skip
        for outcome in Outcome:
            self._letters.labels(outcome.value)
        self._registry.register(_BacklogCollector(backlog))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def tried(self, outcome: Outcome) -> None:
        """Count a letter."""
        self._letters.labels(outcome.value).inc()

    def text(self) -> bytes:
        """All of them in the text format."""
        return generate_latest(self._registry)


class _BacklogCollector(Collector):
    def __init__(self, backlog: Callable[[], Backlog]) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[GaugeMetricFamily]:
        backlog = self._backlog()
        age = 0.0 if backlog.oldest is None else (datetime.now(UTC) - backlog.oldest).total_seconds()
        for name, text, value in (
            ("memalpha_inbox_waiting", "Letters that wait to be read.", backlog.waiting),
            ("memalpha_inbox_dead", "Letters that are tried no more.", backlog.dead),
            ("memalpha_inbox_oldest_seconds", "How long the oldest letter has waited.", max(age, 0.0)),
        ):
            yield GaugeMetricFamily(name, text, value=value)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that registering asks the database nothing."""
        return iter(())
