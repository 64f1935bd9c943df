"""A log in RAM, and one whose beginning is kept elsewhere: both say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.errors import BankError, ConflictError, UnknownEntryError
from memalpha.memory.bank import Bank, MemoryKind, Operation, Provenance
from memalpha.memory.history import Place, place_of

CORE, SEMANTIC = MemoryKind.CORE, MemoryKind.SEMANTIC
SAID = Provenance()


@dataclass
class Elsewhere:
    """Keeps what it is given, and tells what it was asked."""

    kept: tuple[Operation, ...]
    asked: list[str] = field(default_factory=list)

    def operations(self) -> tuple[Operation, ...]:
        self.asked.append("all")
        return self.kept

    def operations_on(self, place: Place) -> list[Operation]:
        self.asked.append(f"{place[0]} {place[1]}")
        return [operation for operation in self.kept if place_of(operation) == place]

    def place(self, number: int) -> Place | None:
        self.asked.append(f"where {number}")
        return next((place_of(operation) for operation in self.kept if operation.number == number), None)


def bank() -> Bank:
    """#1 inserted and updated, #2 inserted, the core written."""
    made = Bank(count_tokens=lambda text: len(text.split()))
    made.insert(SEMANTIC, "one", SAID)
    made.update(SEMANTIC, 1, "uno", SAID)
    made.insert(SEMANTIC, "two", SAID)
    made.update(CORE, None, "core", SAID)
    return made


def leaning() -> tuple[Bank, Elsewhere]:
    made = bank()
    past = Elsewhere(made.log)
    made.lean_on(past)
    return made, past


def test_a_log_that_leans_asks_when_somebody_wants_to_know() -> None:
    made, past = leaning()
    made.insert(SEMANTIC, "three", SAID)
    made.delete(SEMANTIC, 2, SAID)
    assert [operation.number for operation in made.operations_since(5)] == [5, 6]
    assert past.asked == []
    assert [operation.number for operation in made.log] == [1, 2, 3, 4, 5, 6]
    assert past.asked == ["all"]
    past.asked.clear()
    assert [operation.number for operation in made.operations_beside(3)] == [3, 6]
    assert [operation.number for operation in made.operations_beside(6)] == [3, 6]
    assert [operation.number for operation in made.operations_beside(7)] == []
    assert past.asked == ["where 3", "semantic 2", "semantic 2"]


def test_an_undo_reads_the_log_of_its_entry() -> None:
    made, past = leaning()
    made.undo(2, SAID)
    assert (made.get(1).text, past.asked) == ("one", ["where 2", "semantic 1"])
    with pytest.raises(ConflictError, match="operation 5 changed the same entry since"):
        made.undo(2, SAID)
    with pytest.raises(UnknownEntryError, match="got operation 9"):
        made.undo(9, SAID)


def test_what_is_kept_later_is_not_of_this_log() -> None:
    made, past = leaning()
    twin = made.fork()
    twin.update(SEMANTIC, 1, "eins", SAID)
    past.kept = twin.log
    made.update(SEMANTIC, 1, "un", SAID)
    assert [operation.after for operation in made.log] == ["one", "uno", "two", "core", "un"]
    assert [operation.after for operation in made.operations_beside(1)] == ["one", "uno", "un"]


def test_an_undo_that_others_wrote_is_replayed() -> None:
    made, _ = leaning()
    others = made.fork()
    others.delete(SEMANTIC, 1, SAID)
    others.undo(5, SAID)
    made.replay(others.operations_since(5), next_id=others.next_id, next_number=others.next_number)
    assert made.get(1) == others.get(1)
    assert [version.text for version in made.get(1).versions] == ["one"]
    assert made.log == others.log


edits = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.sampled_from("abcd")), max_size=12)


@given(edits=edits, leave=st.sets(st.integers(0, 12)))
def test_a_bank_that_leans_is_one_that_holds(edits: list[tuple[int, int, str]], leave: set[int]) -> None:
    whole, light = bank(), bank()
    for at, (which, number, text) in enumerate(edits):
        if at in leave:
            light.lean_on(Elsewhere(light.log))

        def edit(made: Bank, at: int = at, which: int = which, number: int = number, text: str = text) -> object:
            actions: list[Callable[[], object]] = [
                lambda: made.insert(SEMANTIC, text, SAID),
                lambda: made.update(SEMANTIC, number, text, SAID),
                lambda: made.delete(SEMANTIC, number, SAID),
                lambda: made.update(CORE, None, text, SAID),
                lambda: made.undo(number + at, SAID),
            ]
            try:
                return actions[which]()
            except (BankError, ConflictError) as error:
                return type(error), str(error)

        assert edit(light) == edit(whole)
    assert light.log == whole.log
    assert light.entries(SEMANTIC) == whole.entries(SEMANTIC)
    assert light.core == whole.core
    for operation in whole.log:
        assert light.operations_beside(operation.number) == whole.operations_beside(operation.number)
