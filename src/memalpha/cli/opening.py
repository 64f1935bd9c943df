"""The memory that a command is about: which store, whose, and times as they are typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from memalpha.errors import ConfigError, StoreError
from memalpha.memory.entry import MemoryKind

if TYPE_CHECKING:
    from memalpha.memory.store import Store
    from memalpha.service import Memory
    from memalpha.service.records import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Which memory a command is about."""

    store: str
    """The path of a file, or postgresql://..."""
    user: str
    tenant: str
    embedder: str | None = None
    """hashed, minilm, or the folder of a sentence encoder."""


@contextmanager
def open_where(store: str, embedder: str | None, *, new: bool = False) -> Iterator[Store]:
    """The store for the time of a block; unless it may be `new`, a file that is not there is a `StoreError`."""
    from memalpha.service.memory import POSTGRES, open_store

    if not new and not store.startswith(POSTGRES) and not Path(store).is_file():
        raise StoreError(f"{store} is not there, expected the file of a store; check --store, or add something first")
    with open_store(store, embedder) as opened:
        yield opened


@contextmanager
def open_memory(whose: Whose, *, new: bool = False, writer: str = "nano-chat") -> Iterator[Memory]:
    """The memory for the time of a block."""
    from memalpha.service import Memory

    with open_where(whose.store, whose.embedder, new=new) as store:
        yield Memory(store, user=whose.user, tenant=whose.tenant, writer=writer)


def read_ref(text: str) -> Ref:
    """An entry by its id, with or without #, or a single text by its kind; raises `ConfigError`."""
    if text.removeprefix("#").isascii() and text.removeprefix("#").isdigit():
        return int(text.removeprefix("#")[:18])
    singles = [kind.value for kind in MemoryKind if kind.single]
    if text.lower() in singles:
        return MemoryKind(text.lower())
    raise ConfigError(f"got {text[:40]!r}, expected the id of an entry, such as 3, or one of {', '.join(singles)}")


def read_time(text: str | None, option: str, *, end_of_day: bool = False) -> datetime | None:
    """A time as ISO 8601, in UTC unless it has a zone; a day is its first moment, or its last."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"got {text[:40]!r} for {option}, expected a day or a time as ISO 8601, such as 2026-05-01"
        ) from error
    if end_of_day and len(text) <= len("2026-05-01"):
        found = datetime.combine(found.date(), time()) + timedelta(days=1, microseconds=-1)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def read_point(text: str) -> int | datetime:
    """A point of a history: the number of an operation, or a time; a day is its end."""
    if text.isascii() and text.isdigit() and len(text) < len("20260501"):
        return int(text)
    point = read_time(text, "--as-of", end_of_day=True)
    assert point is not None
    return point
