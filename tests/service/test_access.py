"""What an agent may claim and change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memalpha.errors import MemalphaError, NotAllowedError
from memalpha.memory.entry import MemoryKind, Origin
from memalpha.service import Access, Memory


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """One entry of each origin: #1 of the user, #2 of the assistant, #3 of a tool, #4 of a document."""
    with Memory(tmp_path / "memory.db", user="ana") as opened:
        for origin in Origin:
            opened.add(f"A word of the {origin}.", infer=False, origin=origin)
        yield opened


@pytest.mark.parametrize(
    ("trust", "claims"),
    [
        (Origin.USER, ["user", "assistant", "tool", "document"]),
        (Origin.ASSISTANT, ["assistant", "assistant", "tool", "document"]),
        (Origin.TOOL, ["tool", "tool", "tool", "document"]),
        (Origin.DOCUMENT, ["document"] * 4),
    ],
)
def test_a_claim_is_taken_for_at_most_what_the_connection_is_trusted_with(
    memory: Memory, trust: Origin, claims: list[str]
) -> None:
    access = Access(memory=memory, trust=trust, infer=False)
    taken = []
    for origin in Origin:
        (change,) = access.add(f"It is the {origin}'s.", origin).changes
        taken.append(change.operation.provenance.origin.value)
    assert taken == claims


@pytest.mark.parametrize(
    ("trust", "open_to"),
    [(Origin.USER, {1, 2, 3, 4}), (Origin.ASSISTANT, {2, 3, 4}), (Origin.TOOL, {3, 4}), (Origin.DOCUMENT, {4})],
)
def test_nothing_more_trusted_than_the_connection_is_changed(memory: Memory, trust: Origin, open_to: set[int]) -> None:
    access = Access(memory=memory, trust=trust, infer=False)
    for number in (1, 2, 3, 4):
        calls = (
            lambda number=number: access.undo(number),  # the operation that inserted entry #number
            lambda number=number: access.update(number, f"Changed {number}.", Origin.USER),
            lambda number=number: access.delete(number),
        )
        before = memory.get(number)
        for call in calls:
            if number not in open_to:
                with pytest.raises(NotAllowedError, match=f"trusted as the {trust} at most"):
                    call()
                assert memory.get(number) == before
        if number in open_to:
            update = access.update(number, f"Changed {number}.", Origin.USER)
            assert update.operation.provenance.origin is trust
            assert update.operation.provenance.author == "agent"
            access.undo(update.operation.number)
            assert memory.get(number) == before
            deleted = access.delete(number)
            assert memory.get(number) is None
            access.undo(deleted.operation.number)
            assert memory.get(number) == before


def test_what_the_user_deleted_stays_deleted(memory: Memory) -> None:
    deleted = memory.delete(3)
    access = Access(memory=memory)
    with pytest.raises(NotAllowedError, match="whose words are the user's"):
        access.undo(deleted.operation.number)
    assert memory.get(3) is None


@pytest.mark.parametrize("trust", [Origin.TOOL, Origin.DOCUMENT])
def test_the_core_is_closed_to_what_anybody_may_have_written(memory: Memory, trust: Origin) -> None:
    access = Access(memory=memory, trust=trust)
    with pytest.raises(NotAllowedError):
        access.update(MemoryKind.CORE, "Obey.", Origin.USER)
    assert memory.get(MemoryKind.CORE) is None


def test_the_core_is_open_to_the_assistant_until_the_user_writes_it(memory: Memory) -> None:
    access = Access(memory=memory)
    access.update(MemoryKind.CORE, "Ana likes tea.", Origin.ASSISTANT)
    memory.update(MemoryKind.CORE, "Ana likes coffee.")
    with pytest.raises(NotAllowedError, match="core"):
        access.delete(MemoryKind.CORE)
    core = memory.get(MemoryKind.CORE)
    assert core is not None and core.text == "Ana likes coffee."


def test_a_reader_changes_nothing(memory: Memory) -> None:
    access = Access(memory=memory, trust=Origin.USER, writes=False)
    count = len(memory.history())
    for call in (
        lambda: access.add("More.", Origin.USER),
        lambda: access.update(1, "Other.", Origin.USER),
        lambda: access.delete(1),
        lambda: access.undo(1),
    ):
        with pytest.raises(NotAllowedError, match="may only read"):
            call()
    assert len(memory.history()) == count


def test_what_is_not_there_is_said(memory: Memory) -> None:
    access = Access(memory=memory)
    for call in (lambda: access.delete(99), lambda: access.undo(99), lambda: access.delete(MemoryKind.CORE)):
        with pytest.raises(MemalphaError):
            call()


def test_newest_and_history_begin_with_the_last(memory: Memory) -> None:
    access = Access(memory=memory)
    memory.add("It rained.", infer=False, kind=MemoryKind.EPISODIC)
    assert [entry.id for entry in access.newest(3)] == [5, 4, 3]
    assert [entry.id for entry in access.newest(3, (MemoryKind.EPISODIC,))] == [5]
    memory.update(1, "Another word.")
    assert [change.operation.number for change in access.history(2)] == [6, 5]
    assert [change.operation.number for change in access.history(9, 1)] == [6, 1]


def test_a_user_vouched_for_by_the_assistant_is_heard_as_the_user(memory: Memory) -> None:
    said: list[object] = []
    memory.add = lambda messages, **_: said.append(messages)  # type: ignore[assignment,method-assign]
    Access(memory=memory, trust=Origin.ASSISTANT).add("I moved.", Origin.USER)
    Access(memory=memory, trust=Origin.TOOL).add("I moved.", Origin.USER)
    assert [each["role"] for each in said] == ["user", "tool"]  # type: ignore[index]
