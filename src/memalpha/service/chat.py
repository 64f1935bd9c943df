"""What goes into a conversation with a chat model out of a memory, and what of it goes into the memory.

Messages are mappings, or objects with the same fields, as clients of the OpenAI protocol have both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memalpha.errors import ConfigError
from memalpha.service.memory import Memory

_INSTRUCTIONS = ("system", "developer")
_HEAD = "What is remembered of earlier conversations with this user:"


def with_memory(memory: Memory, messages: Sequence[Any], max_tokens: int) -> list[Any]:
    """The messages, with what is remembered for the last one of the user behind the instructions that come first."""
    known = memory.context(_last_question(messages), max_tokens=max_tokens)
    if not known:
        return list(messages)
    first = next((at for at, each in enumerate(messages) if _field(each, "role") not in _INSTRUCTIONS), len(messages))
    return [*messages[:first], {"role": "system", "content": f"{_HEAD}\n\n{known}"}, *messages[first:]]


def new_messages(messages: Sequence[Any], reply: str) -> list[dict[str, Any]]:
    """What has been said in words since the assistant last said something, and its reply; no instructions."""
    answers = [at for at, each in enumerate(messages) if _field(each, "role") == "assistant" and _text(each)]
    new = [
        {"role": _field(each, "role"), "content": _text(each), "name": _field(each, "name")}
        for each in messages[answers[-1] + 1 if answers else 0 :]
        if _field(each, "role") not in _INSTRUCTIONS and _text(each)
    ]
    return [*new, {"role": "assistant", "content": reply}] if reply else new


def _last_question(messages: Sequence[Any]) -> str:
    return next((_text(each) for each in reversed(messages) if _field(each, "role") == "user"), "")


def _text(message: Any) -> str:
    """The words of a message, whose content may come in parts; calls and images have none."""
    content = _field(message, "content")
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence):
        raise ConfigError(f"got a content of type {type(content).__name__} in a message, expected a text or its parts")
    return "\n".join(text for part in content if isinstance(text := _field(part, "text"), str))


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)
