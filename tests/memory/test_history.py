"""What a log says: states before and after, what undo goes back to, logs that are not whole."""

from __future__ import annotations

import pytest

from memalpha.errors import ConflictError, UnknownEntryError
from memalpha.memory.bank import Bank, MemoryKind, Operation, Provenance
from memalpha.memory.entry import Action, Version
from memalpha.memory.history import before_operation, entries_after, states

CORE, SEMANTIC = MemoryKind.CORE, MemoryKind.SEMANTIC
SAID = Provenance(chunk=0, time="2024-03-05")
LATER = Provenance(chunk=4, author="user")


def bank() -> Bank:
    """#1 inserted, updated; the core written; #2 inserted, deleted."""
    made = Bank(count_tokens=len)
    made.insert(SEMANTIC, "one", SAID)
    made.update(SEMANTIC, 1, "uno", LATER)
    made.update(CORE, None, "core", SAID)
    made.insert(SEMANTIC, "two", SAID)
    made.delete(SEMANTIC, 2, LATER)
    return made


def test_a_log_leaves_the_entries_of_its_bank() -> None:
    made = bank()
    assert entries_after(made.log) == {(SEMANTIC, 1): made.get(1), (CORE, 0): made.core, (SEMANTIC, 2): None}


def test_each_operation_has_the_entry_before_and_after_it() -> None:
    texts = [(old and old.text, new and new.text) for _, old, new in states(bank().log)]
    assert texts == [(None, "one"), ("one", "uno"), (None, "core"), (None, "two"), ("two", None)]


def test_what_stood_before_is_whole() -> None:
    place, entry = before_operation(bank().log, 2)
    assert place == (SEMANTIC, 1)
    assert entry is not None
    assert (entry.text, entry.provenance, entry.versions) == ("one", SAID, ())
    assert before_operation(bank().log, 3) == ((CORE, 0), None)


def test_only_the_last_change_of_an_entry_can_be_gone_back_on() -> None:
    with pytest.raises(ConflictError, match="operation 1 to undo, but operation 2 changed the same entry"):
        before_operation(bank().log, 1)
    with pytest.raises(UnknownEntryError, match="operation 9, which is not in the log"):
        before_operation(bank().log, 9)


def test_a_log_without_its_beginning_is_read_as_far_as_it_goes() -> None:
    update, delete = bank().log[1], bank().log[4]
    found = entries_after([update, delete])
    entry = found[SEMANTIC, 1]
    assert entry is not None
    assert (entry.text, entry.versions) == ("uno", ())
    assert found[SEMANTIC, 2] is None


def test_an_undo_of_what_is_missing_leaves_nothing() -> None:
    undo = Operation(
        number=7, action=Action.UPDATE, kind=CORE, entry_id=None, before="b", after="a", provenance=SAID, undoes=3
    )
    assert entries_after([undo]) == {(CORE, 0): None}


def test_versions_gather() -> None:
    made = bank()
    made.update(SEMANTIC, 1, "eins", SAID)
    entry = entries_after(made.log)[SEMANTIC, 1]
    assert entry is not None
    assert entry.versions == (Version(text="one", provenance=SAID), Version(text="uno", provenance=LATER))
