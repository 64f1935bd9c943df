"""Stores to test: every database behind one fixture, so that each promise is asked of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.memory.store.database import Database

OpenStore = Callable[..., Store]


class Clock:
    """Says the time it is set to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go(self, days: float) -> None:
        self.time += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Opens a database, the same one each time."""
    return partial(SQLiteDatabase, tmp_path / "memory.db", wait_seconds=20)


@pytest.fixture
def open_store(connect: Callable[[], Database], clock: Clock) -> Iterator[OpenStore]:
    """Opens a store of that database, with tokens as words; all are closed at the end."""
    made: list[Store] = []

    def opened(**options: object) -> Store:
        made.append(Store(connect(), **{"count_tokens": words, "clock": clock, **options}))
        return made[-1]

    yield opened
    for store in made:
        store.close()


def words(text: str) -> int:
    return len(text.split())
