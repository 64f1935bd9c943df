"""What a search reads beside the entries: vectors and valid times stay in step with every write, whoever made it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from memalpha.errors import BankError
from memalpha.memory.bank import MemoryKind, Provenance
from memalpha.memory.embedding import HashedEmbedder
from memalpha.memory.find import SignalName, Where
from memalpha.memory.store import Scope, Store

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
SAID = Provenance(author="user")
OpenStore = Callable[..., Store]
EMBEDDER = HashedEmbedder(64)


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def ids(scope: Scope, query: str, **where: Any) -> list[int]:
    return [found.entry.id for found in scope.find(query, 9, Where(**where))]


def near(scope: Scope, query: str) -> list[int]:
    """What the vectors alone find."""
    return [
        found.entry.id
        for found in scope.find(query, 9, explain=True)
        if any(signal.name is SignalName.VECTOR and signal.rank for signal in found.signals)
    ]


def vectors(scope: Scope) -> dict[int, bytes]:
    """The vectors in RAM after a search."""
    scope.find("x", 1)
    index = scope._memories._live(scope.address).margin.vectors
    assert index is not None
    return {key: index._matrix_ND[row].astype(np.float16).tobytes() for key, row in index._rows.items()}


def stored(scope: Scope) -> dict[int, bytes]:
    found = scope._memories.rows(scope.address, lambda rows: rows.vectors())
    return {entry_id: bytes(vector) for entry_id, vector in found if vector is not None and entry_id}


def test_times_are_kept_of_live_entries_alone(open_store: OpenStore) -> None:
    ana = open_store().scope("acme", "ana")
    for number in (1, 2, 3):
        ana.insert(SEMANTIC, f"Ann {number}", SAID, valid=day(number))
    ana.delete(SEMANTIC, 2, SAID)
    ana.update(SEMANTIC, 3, "Ann four", SAID, valid=day(4))

    def kept() -> dict[int, int]:
        ana.find("Ann", 9)
        times = ana._memories._live(ana.address).margin._valid
        return {each: datetime.fromtimestamp(time / 1e6, UTC).day for each, time in times.items()}

    assert kept() == {1: 1, 3: 4}
    ana.undo(4, SAID)
    ana.undo(5, SAID)
    ana.undo(1, SAID)
    assert kept() == {2: 2, 3: 3}
    assert ids(ana, "Ann", since=day(3)) == [3]


def test_vectors_follow_every_write(open_store: OpenStore) -> None:
    ana = open_store(embedder=EMBEDDER).scope("acme", "ana")
    other = open_store(embedder=EMBEDDER).scope("acme", "ana")
    assert near(ana, "paintings") == []
    ana.update(CORE, None, "Ann paints", SAID)  # in view anyway, and in no list
    ana.insert(SEMANTIC, "Ann painted boats", SAID)
    ana.insert(EPISODIC, "Bo sings", SAID)
    assert near(ana, "painted") == [1]
    assert vectors(ana) == stored(ana)
    other.update(SEMANTIC, 1, "Ann sold boats", SAID)
    assert near(ana, "painted") == []
    assert vectors(ana) == stored(ana)
    other.undo(4, SAID)
    other.delete(EPISODIC, 2, SAID)
    assert near(ana, "painted") == [1]
    assert vectors(ana) == stored(ana)
    assert list(vectors(ana)) == [1]
    with pytest.raises(BankError):
        ana.insert(SEMANTIC, "Ann painted boats", SAID)
    assert vectors(ana) == stored(ana)
    ana.erase(SEMANTIC, 1)
    assert ana._memories._live(ana.address).margin.vectors is not None
    assert len(ana._memories._live(ana.address).margin.vectors or ()) == 0
    assert near(ana, "painted") == []
    assert vectors(other) == {}


def test_vectors_are_read_from_the_database_once(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = open_store(embedder=EMBEDDER).scope("acme", "ana")
    with ana.edit() as bank:
        for number in range(20):
            bank.insert(SEMANTIC, f"boat number{number}", SAID)
    asked: list[object] = []
    from memalpha.memory.store.rows import Rows

    reads = Rows.vectors
    monkeypatch.setattr(Rows, "vectors", lambda self, places=None: (asked.append(places), reads(self, places))[1])
    ana.find("number3", 3)
    ana.find("number4", 3)
    assert asked == [None]
    ana.insert(SEMANTIC, "a new boat", SAID)
    ana.find("number4", 3)
    assert [list(places or ()) for places in asked[1:]] == [[(SEMANTIC, 21)]]  # type: ignore[call-overload]


def test_filters_ask_when_an_entry_is_true(open_store: OpenStore) -> None:
    ana = open_store().scope("acme", "ana")
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, valid=day(3))
    ana.insert(SEMANTIC, "Bo lives in Oslo", Provenance(time="2026-01-05"))
    ana.insert(SEMANTIC, "Cy lives in Oslo", SAID)  # learned on the first of January
    assert ids(ana, "Oslo", since=day(3)) == [2, 1]
    assert ids(ana, "Oslo", until=day(3)) == [1, 3]
    ana.update(SEMANTIC, 3, "Cy moved to Oslo", SAID, valid=day(9))
    assert ids(ana, "Oslo", since=day(4)) == [3, 2]
    ana.undo(4, SAID)  # what came back is true from when on it was before
    assert ids(ana, "Oslo", since=day(4)) == [2]
    again = open_store().scope("acme", "ana")
    assert ids(again, "Oslo", until=day(3)) == [1, 3]
    assert again.find("Oslo", 9) == ana.find("Oslo", 9)


def test_a_search_without_a_match_is_empty(open_store: OpenStore) -> None:
    ana = open_store(embedder=EMBEDDER).scope("acme", "ana")
    assert ana.find("Oslo", 3) == []
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    assert ana.find("what is the of", 3) == []
    assert ana.find("zzz", 3) == []
