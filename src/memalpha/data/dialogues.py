"""Conversations as chunks: dated sessions of turns, a sentence a line, the speaker on every line.

A line names its speaker because memories quote single lines: "User: I moved to Oslo." says whose move it was.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memalpha.data.passages import pack
from memalpha.errors import EpisodeError
from memalpha.records import Chunk
from memalpha.text import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one speaker says at once."""

    speaker: str
    text: str
    """Of any number of lines and sentences; blank text takes no line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Turns at one time."""

    turns: tuple[Turn, ...]
    time: str | None
    """ISO 8601, the time of its chunks."""


def session_chunks(
    sessions: Sequence[Session], max_tokens: int, count_tokens: Callable[[str], int]
) -> tuple[tuple[Chunk, ...], list[list[range]]]:
    """Chunks of at most `max_tokens`, none of which holds lines of two sessions.

    Returns:
        The chunks in the order of the sessions; and the chunks that hold turn t of session s, as `held[s][t]`.
    """
    chunks: list[Chunk] = []
    held: list[list[range]] = []
    for session in sessions:
        texts, ranges = pack([_lines(turn) for turn in session.turns], max_tokens, count_tokens)
        first = len(chunks)
        held.append([range(first + each.start, first + each.stop) for each in ranges])
        chunks.extend(Chunk(text=text, time=session.time) for text in texts)
    return tuple(chunks), held


def read_time(text: str, form: str, where: str) -> datetime.datetime:
    """The time that a data set writes in the form of `strptime`; raises `EpisodeError` that names the place."""
    try:
        return datetime.datetime.strptime(text.strip(), form)
    except ValueError as error:
        raise EpisodeError(f"{where}: got the time {text!r}, expected the form {form!r}; mend the record") from error


def _lines(turn: Turn) -> list[str]:
    return [f"{turn.speaker}: {sentence}" for sentence in sentences(turn.text)]
