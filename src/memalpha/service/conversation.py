"""Messages as chunks: a sentence a line with its speaker, and whose words each line is.

What tools and documents say stands in chunks of its own: a writer that reads it may be told by it what to do, and what
it does then is held to what such a text may change (`memalpha.memory.tools`). What the assistant says right after them,
before the user speaks again, repeats or sums up what it has just read, and is taken for theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from memalpha.errors import ConfigError
from memalpha.memory.entry import Origin, least_trusted
from memalpha.memory.store.changes import storable
from memalpha.records import Chunk
from memalpha.text import cut_chunks, sentences

Message = str | Mapping[str, object]
"""A text of the user, or `{"role": ..., "content": ...}` as OpenAI writes it; `"name"` names the speaker."""
Messages = Message | Sequence[Message]

_ORIGINS = {
    "user": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "tool": Origin.TOOL,
    "function": Origin.TOOL,
    "document": Origin.DOCUMENT,
}
_NOT_READ = ("system", "developer")
"""Roles of instructions, which are no part of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message."""

    speaker: str
    text: str
    origin: Origin
    role: str = "user"
    """Of the message, which is not always whose words are taken for true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A chunk, and whose words each of its lines is."""

    chunk: Chunk
    origins: tuple[Origin, ...]


def read_messages(messages: Messages, origin: Origin | None = None) -> tuple[Said, ...]:
    """The messages with a text that are part of the conversation; `origin` says whose words all of them are.

    Raises `ConfigError` for what is no message, and when none has a text.
    """
    if origin is not None and origin not in tuple(Origin):
        raise ConfigError(f"got the origin {str(origin)[:40]!r}, expected one of {', '.join(Origin)}")
    given = [messages] if isinstance(messages, str | Mapping) else list(messages)
    read = [_read(message, f"message {number}", origin) for number, message in enumerate(given, start=1)]
    said = _echoes([each for each in read if each is not None])
    if not said:
        raise ConfigError("got no message with a text, expected at least one of the user, the assistant or a tool")
    return said


def portions(
    said: Sequence[Said], time: str | None, max_tokens: int, count_tokens: Callable[[str], int]
) -> list[Portion]:
    """Chunks of at most `max_tokens` in the order of the messages; trusted and other text never share one."""
    found: list[Portion] = []
    for _, run in groupby(said, key=lambda each: each.origin.trusted):
        pieces: list[str] = []
        origins: list[Origin] = []
        for each in run:
            for sentence in sentences(each.text):
                cut = cut_chunks([f"{each.speaker}: {sentence}"], max_tokens, count_tokens)
                pieces += [" ".join(words) for words in cut]
                origins += [each.origin] * len(cut)
        for lines in cut_chunks(pieces, max_tokens, count_tokens, separator="\n"):
            chunk = Chunk(text="\n".join(lines), time=time)
            found.append(Portion(chunk=chunk, origins=tuple(origins[: len(lines)])))
            del origins[: len(lines)]
    return found


def _echoes(told: Sequence[Said]) -> tuple[Said, ...]:
    """The same words, an assistant's after those of tools and documents with the origin of those."""
    heard, read = [], Origin.USER
    for each in told:
        if each.origin is Origin.ASSISTANT:
            each = replace(each, origin=least_trusted((each.origin, read)))
        read = Origin.USER if each.origin is Origin.USER else least_trusted((each.origin, read))
        heard.append(each)
    return tuple(heard)


def _read(message: object, where: str, origin: Origin | None) -> Said | None:
    if isinstance(message, str):
        message = {"role": "user", "content": message}
    if not isinstance(message, Mapping):
        raise ConfigError(f"got {where} of type {type(message).__name__}, expected a text, or a role and a content")
    role, name = message.get("role", "user"), message.get("name")
    if role in _NOT_READ:
        return None
    if not isinstance(role, str) or role not in _ORIGINS:
        raise ConfigError(f"got the role {str(role)[:40]!r} in {where}, expected one of {', '.join(_ORIGINS)}")
    text = _text(message.get("content"), where).strip()
    if not text:
        return None
    speaker = " ".join(name.split()) if isinstance(name, str) and name.strip() else role.capitalize()
    if not storable(text + speaker):
        raise ConfigError(f"got a zero byte or half of a surrogate pair in {where}, expected text; mend it")
    return Said(speaker=speaker, text=text, origin=Origin(origin or _ORIGINS[role]), role=role)


def _text(content: object, where: str) -> str:
    """The text of a content, which may come in parts; a call without words has none."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence) or not all(isinstance(part, Mapping) for part in content):
        raise ConfigError(f"got a content of type {type(content).__name__} in {where}, expected a text or its parts")
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))
