"""What a developer's first messages come to with the writer that a memory has by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.service import Memory


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("everyday") / "memory.db", user="0")


def left(memory: Memory, user: str, *said: str) -> list[str]:
    own = memory.for_user(user)
    for each in said:
        own.add(each)
    return [entry.text for entry in own.get_all()]


def test_statements_are_kept_and_questions_are_not(memory: Memory) -> None:
    own = memory.for_user("ana")
    own.add(
        [
            {"role": "user", "content": "I moved to Lisbon last week. My sister Maria has a dog named Rex."},
            {"role": "assistant", "content": "How nice! Do you like it?"},
        ],
        at="2026-05-01",
    )
    own.add("Thanks, that was helpful!")
    own.add("How long should I boil eggs?")
    assert [entry.text for entry in own.get_all()] == [
        "User: I moved to Lisbon last week.",
        "User: My sister Maria has a dog named Rex.",
    ]


def test_a_correction_updates_what_it_corrects(memory: Memory) -> None:
    assert left(memory, "bo", "My phone number is 555 0123.", "My phone number is now 555 0188.") == [
        "User: My phone number is now 555 0188."
    ]
    assert left(memory, "cy", "My sister Maria lives in Porto.", "My sister Maria lives in Berlin now.") == [
        "User: My sister Maria lives in Berlin now."
    ]


def test_what_assistants_say_is_not_read(memory: Memory) -> None:
    own = memory.for_user("di")
    added = own.add({"role": "assistant", "content": "I live in Porto and my phone number is 555 0123."})
    assert added.changes == () and own.get_all() == []


def test_a_memory_of_its_own_file_has_the_same_writer(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", user="ana") as memory:
        plan = memory.add("I'm vegetarian and I can't stand coriander.", dry_run=True)
    assert [change.operation.after for change in plan.changes] == ["User: I'm vegetarian and I can't stand coriander."]
