"""What a chat takes from a memory and gives to it, of mappings and of objects alike."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from memalpha.errors import ConfigError
from memalpha.service import Memory
from memalpha.service.chat import new_messages, with_memory

SYSTEM = {"role": "system", "content": "Be brief."}
OpenMemory = Callable[..., Memory]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_what_is_remembered_stands_behind_the_instructions(open_memory: OpenMemory) -> None:
    ana = open_memory()
    assert with_memory(ana, [SYSTEM, user("Oslo?")], 100) == [SYSTEM, user("Oslo?")]
    ana.add("Ann lives in Oslo", infer=False)
    remembered = {
        "role": "system",
        "content": "What is remembered of earlier conversations with this user:\n\n- Ann lives in Oslo",
    }
    question = user([{"type": "text", "text": "Oslo?"}, {"type": "image_url"}])
    assert with_memory(ana, [SYSTEM, SYSTEM, question], 100) == [SYSTEM, SYSTEM, remembered, question]
    assert with_memory(ana, [user("Oslo?"), SYSTEM], 100) == [remembered, user("Oslo?"), SYSTEM]
    asked = SimpleNamespace(role="user", content="Oslo?")
    assert with_memory(ana, [asked], 100) == [remembered, asked]
    assert with_memory(ana, [SYSTEM], 100) == [SYSTEM, remembered]


def test_what_is_new_is_what_came_after_the_last_answer() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": []}
    told = {"role": "tool", "content": "It rains."}
    messages = [SYSTEM, user("one"), {"role": "assistant", "content": "two"}, user("three"), call, told]
    assert [each["content"] for each in new_messages(messages, "four")] == ["three", "It rains.", "four"]
    assert [each["role"] for each in new_messages(messages, "four")] == ["user", "tool", "assistant"]
    assert new_messages([SYSTEM], "") == []
    assert new_messages([user([{"type": "image_url", "image_url": {}}])], "") == []
    spoken = SimpleNamespace(role="user", content="one", name="Ann")
    assert new_messages([spoken], "") == [{"role": "user", "content": "one", "name": "Ann"}]


def test_what_is_no_content_is_an_error() -> None:
    with pytest.raises(ConfigError, match="got a content of type int in a message, expected a text or its parts"):
        new_messages([user(7)], "")
