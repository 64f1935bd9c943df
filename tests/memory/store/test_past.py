"""Pages and differences against the whole past; pages worked by hand are in test_scope.py, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.memory.entry import Entry, MemoryKind, Provenance
from memalpha.memory.store import Scope, SQLiteDatabase, Store

KINDS = (MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC)
SAID = Provenance()


def act(scope: Scope, number: int, seed: int) -> None:
    """Insert, update, delete or undo, whatever can be done."""
    live = [entry for kind in KINDS[1:] for entry in scope.entries(kind)]
    match seed % 5:
        case 1 if live:
            entry = live[seed % len(live)]
            scope.update(entry.kind, entry.id, f"changed {number}", SAID)
        case 2 if live:
            entry = live[seed % len(live)]
            scope.delete(entry.kind, entry.id, SAID)
        case 3 if scope.last_number():
            scope.undo(scope.last_number(), SAID)
        case 4:
            scope.update(MemoryKind.CORE, None, f"core {number}", SAID)
        case _:
            scope.insert(KINDS[1 + seed % 2], f"text {number}", SAID)


def whole(scope: Scope, number: int) -> list[Entry]:
    bank = scope.as_of(number)
    return sorted((entry for kind in KINDS for entry in bank.entries(kind)), key=lambda entry: entry.id)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    database = SQLiteDatabase(tmp_path_factory.mktemp("past") / "memory.db")
    with Store(database, count_tokens=lambda text: len(text.split())) as made:
        yield made


users = count()


@settings(max_examples=40, deadline=None)
@given(seeds=st.lists(st.integers(0, 99), max_size=14), cut=st.integers(0, 14), other=st.integers(0, 14))
def test_pages_and_differences_are_those_of_the_whole_past(
    store: Store, seeds: list[int], cut: int, other: int
) -> None:
    scope = store.scope("acme", f"user {next(users)}")
    for number, seed in enumerate(seeds):
        act(scope, number, seed)
    then, later = whole(scope, cut), whole(scope, other)
    assert list(scope.known(cut, limit=100)) == then
    behind = [entry for entry in then if entry.id > 2]
    assert list(scope.known(cut, KINDS[1:], after=2, limit=3)) == behind[:3]
    before, after = ({(entry.kind, entry.id): entry.text for entry in entries} for entries in (then, later))
    found = {(each.kind, each.entry_id or 0): (each.before, each.after) for each in scope.diff(cut, other)}
    assert found == {
        place: (before.get(place), after.get(place))
        for place in {*before, *after}
        if before.get(place) != after.get(place)
    }
