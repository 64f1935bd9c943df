"""Search over all kinds: order, filters, explanation, and nothing where nothing matches."""

from __future__ import annotations

from datetime import UTC, datetime

from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.find import SignalName, Where, find

SEMANTIC, EPISODIC = MemoryKind.SEMANTIC, MemoryKind.EPISODIC


def bank() -> Bank:
    made = Bank(count_tokens=len)
    made.insert(SEMANTIC, "Ann lives in Oslo", Provenance(time="2026-01-01"))
    made.insert(EPISODIC, "Bo moved to Rome", Provenance(time="2026-02-01T10:00+01:00"))
    made.insert(SEMANTIC, "Cy sings", Provenance(time="some day"))
    made.insert(SEMANTIC, "Di paints", Provenance())
    return made


def ids(query: str, k: int = 9, **where: object) -> list[int]:
    return [found.entry.id for found in find(bank(), query, k, Where(**where))]  # type: ignore[arg-type]


def test_only_what_matches_is_found() -> None:
    assert ids("Oslo") == [1]
    assert set(ids("Oslo Rome")) == {1, 2}
    assert ids("Tokyo") == []
    assert ids("Oslo", 0) == []


def test_kinds_and_times_are_filters() -> None:
    everything = "Ann Bo Cy Di"
    assert set(ids(everything, kinds=(SEMANTIC,))) == {1, 3, 4}
    assert ids(everything, since=datetime(2026, 2, 1, 9, tzinfo=UTC)) == [2]
    assert ids(everything, since=datetime(2026, 2, 1, 9, 1, tzinfo=UTC)) == []
    assert ids(everything, until=datetime(2026, 1, 1, tzinfo=UTC)) == [1]


def test_an_explanation_names_the_signal_and_its_rank() -> None:
    (found,) = find(bank(), "Oslo", 3, explain=True)
    assert (found.signals[0].name, found.signals[0].rank) == (SignalName.BM25, 1)
    assert find(bank(), "Oslo", 3)[0].signals == ()
