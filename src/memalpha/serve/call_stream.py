"""Splits what a model writes into speech and tool calls while it is being written.

However the text is cut into pieces, the parts are those that `parse_calls` finds in the whole: a call is handed on once
it can be read; from a block that cannot, everything waits for the end, since what follows may still mend it.
"""

from __future__ import annotations

from memalpha.agent.parsing import CLOSE, OPEN, call_at
from memalpha.agent.text_stream import held_back
from memalpha.records import ToolCall

Part = str | ToolCall
"""Speech, or a call; one with a `problem` holds the text of its whole block."""


class CallStream:
    """One completion on its way."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        """All before it has been handed on."""

    def push(self, piece: str) -> list[Part]:
        """The parts that are certain now."""
        self._text += piece
        parts: list[Part] = []
        while (start := self._text.find(OPEN, self._at)) >= 0:
            self._speak(start, parts)
            if CLOSE not in self._text[start:]:
                return parts
            call, end = call_at(self._text, start)
            if call.problem is not None:
                return parts
            parts.append(call)
            self._at = end
        self._speak(len(self._text) - held_back(self._text, (OPEN,)), parts)
        return parts

    def finish(self) -> list[Part]:
        """The parts that are left; nothing more will come."""
        parts: list[Part] = []
        while (start := self._text.find(OPEN, self._at)) >= 0:
            self._speak(start, parts)
            call, self._at = call_at(self._text, start)
            parts.append(call)
        self._speak(len(self._text), parts)
        return parts

    def _speak(self, end: int, parts: list[Part]) -> None:
        if end > self._at:
            parts.append(self._text[self._at : end])
            self._at = end


def split_calls(text: str) -> tuple[str, list[ToolCall]]:
    """What is said beside the calls, and the calls, of a whole completion."""
    stream = CallStream()
    parts = stream.push(text) + stream.finish()
    said = "".join(part for part in parts if isinstance(part, str))
    return said, [part for part in parts if isinstance(part, ToolCall)]
