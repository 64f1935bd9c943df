"""A bank in RAM follows the database: what others wrote, what failed, what was erased; and reads what is new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from memalpha.errors import StoreError
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.store import Store
from memalpha.memory.store.rows import Rows

SEMANTIC = MemoryKind.SEMANTIC
SAID = Provenance()
OpenStore = Callable[..., Store]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From which number on a log was read, for each time that one was."""
    made: list[int] = []
    changes = Rows.changes

    def watched(self: Rows, *, first: int = 1, last: int | None = None) -> Any:
        made.append(first)
        return changes(self, first=first, last=last)

    monkeypatch.setattr(Rows, "changes", watched)
    return made


def test_a_log_is_read_once_and_then_what_others_add(open_store: OpenStore, reads: list[int]) -> None:
    here, there = (open_store().scope("acme", "ana") for _ in range(2))
    here.insert(SEMANTIC, "one", SAID)
    here.insert(SEMANTIC, "two", SAID)
    assert reads == []
    there.bank()
    there.bank()
    assert reads == [1]
    here.insert(SEMANTIC, "three", SAID)
    assert [entry.text for entry in there.entries(SEMANTIC)] == ["one", "two", "three"]
    there.insert(SEMANTIC, "four", SAID)
    assert reads == [1, 3]
    here.erase(SEMANTIC, 1)
    reads.clear()
    assert [entry.id for entry in there.entries(SEMANTIC)] == [2, 3, 4]
    assert reads == [1]


def test_a_refusal_does_not_cost_the_bank(open_store: OpenStore, reads: list[int]) -> None:
    scope = open_store().scope("acme", "ana")
    scope.insert(SEMANTIC, "one", SAID)
    with pytest.raises(Exception, match="got the text that semantic #1 has already"):
        scope.insert(SEMANTIC, "one", SAID)
    assert [entry.text for entry in scope.entries(SEMANTIC)] == ["one"]
    assert reads == []


def test_what_could_not_be_written_is_not_seen(open_store: OpenStore, reads: list[int]) -> None:
    scope = open_store().scope("acme", "ana")
    scope.insert(SEMANTIC, "one", SAID)
    with pytest.raises(StoreError, match="zero byte"):
        scope.insert(SEMANTIC, "t\0o", SAID)
    assert [entry.text for entry in scope.entries(SEMANTIC)] == ["one"]
    assert reads == [1]


def test_only_so_many_banks_are_kept(open_store: OpenStore, reads: list[int]) -> None:
    store = open_store(cached_banks=2)
    for user in ("ana", "bo", "cy"):
        store.scope("acme", user).insert(SEMANTIC, user, SAID)
    for user in ("bo", "cy", "ana", "bo"):
        assert [entry.text for entry in store.scope("acme", user).entries(SEMANTIC)] == [user]
    assert reads == [1, 1]  # ana was dropped first, bo when ana came back


def test_a_layout_that_lacks_a_kind_says_so(open_store: OpenStore) -> None:
    from memalpha.memory.layout import FLAT

    smaller = replace(FLAT, name="memalpha")
    open_store().scope("acme", "ana").insert(SEMANTIC, "one", SAID)
    with pytest.raises(
        Exception, match="got insert on semantic, which this memory does not have; expected one of core"
    ):
        open_store(layout=smaller).scope("acme", "ana").bank()
    assert isinstance(open_store().scope("acme", "ana").bank(), Bank)


def test_no_log_is_held_and_an_undo_reads_that_of_its_entry(open_store: OpenStore, reads: list[int]) -> None:
    scope = open_store().scope("acme", "ana")
    for text in ("one", "two", "three"):
        scope.insert(SEMANTIC, text, SAID)
    held: list[tuple[int, ...]] = []

    def see(bank: Bank) -> None:
        held.append(tuple(operation.number for operation in bank.operations_since(1)))
        held.append(tuple(operation.number for operation in bank.operations_beside(2)))

    scope.look(see)
    assert held == [(), (2,)]
    scope.update(SEMANTIC, 2, "zwei", SAID)
    reads.clear()
    scope.undo(4, SAID)
    assert 1 not in reads
    with scope.edit() as bank:
        bank.undo(5, SAID)
        bank.undo(3, SAID)
    texts = [entry.text for entry in scope.entries(SEMANTIC)]
    assert texts == ["one", "zwei"]
    assert [change.operation for change in scope.changes()] == list(scope.bank().log)


def test_a_bank_of_ones_own_has_its_log_whatever_is_written_since(open_store: OpenStore) -> None:
    scope = open_store().scope("acme", "ana")
    scope.insert(SEMANTIC, "one", SAID)
    mine = scope.bank()
    scope.insert(SEMANTIC, "two", SAID)
    mine.insert(SEMANTIC, "mine", SAID)
    assert [operation.after for operation in mine.log] == ["one", "mine"]
    mine.undo(1, SAID)
    assert [entry.text for entry in mine.entries(SEMANTIC)] == ["mine"]
