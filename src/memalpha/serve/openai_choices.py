"""One choice of an answer, whole or as it grows: a message with its calls, or a text.

With `return_token_ids` a choice holds `token_ids`, as vLLM spells it, and `token_offsets`, where each token starts in
the text: with these, calls can be credited. A token whose text is held back comes with the next chunk that has any, the
last ones with the closing chunk, so that none is missing from a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from memalpha.agent.decoding import Drawn, Sample
from memalpha.records import ToolCall
from memalpha.serve.call_stream import CallStream, Part
from memalpha.serve.openai_replies import chat_logprobs, text_logprobs, tool_call
from memalpha.serve.scheduler import Piece


class Speller(Protocol):
    """What tells the text of tokens; `LocalModel` does."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        ...

    def offsets(self, sample: Sample, text: str) -> tuple[int, ...]:
        """Where each token of a sample starts in its text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a choice is to tell beside its text."""

    calls: bool = False
    logprobs: bool = False
    token_ids: bool = False


class Choice(Protocol):
    """What both kinds can do; all of it is JSON of the protocol."""

    def whole(self, sample: Sample) -> dict[str, Any]:
        """The choice of an answer that is sent at once."""
        ...

    def open(self) -> list[dict[str, Any]]:
        """What opens a streamed choice."""
        ...

    def grow(self, piece: Piece) -> list[dict[str, Any]]:
        """What a new piece adds to a streamed choice."""
        ...

    def close(self, sample: Sample) -> list[dict[str, Any]]:
        """What ends a streamed choice."""
        ...


class _Tokens:
    """The tokens of a streamed choice that no chunk has told yet."""

    def __init__(self) -> None:
        self.drawn: list[Drawn] = []
        self.offsets: list[int] = []

    def add(self, piece: Piece) -> None:
        self.drawn.append(piece.drawn)
        self.offsets.append(piece.offset)

    def take(self) -> tuple[list[Drawn], list[int]]:
        taken = self.drawn, self.offsets
        self.drawn, self.offsets = [], []
        return taken


class ChatChoice:
    """A message."""

    def __init__(self, index: int, wanted: Wanted, speller: Speller) -> None:
        """The choice of this number of one answer."""
        self._index, self._wanted, self._speller = index, wanted, speller
        self._untold = _Tokens()
        self._parts = CallStream()
        self._calls = 0

    def whole(self, sample: Sample) -> dict[str, Any]:
        """With `message`."""
        text = sample.finish()
        parts: list[Part] = self._parts.push(text) + self._parts.finish() if self._wanted.calls else [text]
        calls = [tool_call(part) for part in parts if isinstance(part, ToolCall)]
        said = "".join(part for part in parts if isinstance(part, str))
        message: dict[str, Any] = {"role": "assistant", "content": said if said or not calls else None}
        self._calls = len(calls)
        body = {"message": message | ({"tool_calls": calls} if calls else {})}
        offsets = self._speller.offsets(sample, text) if self._wanted.token_ids else ()
        return self._choice(body, sample.drawn, offsets, self._reason(sample))

    def open(self) -> list[dict[str, Any]]:
        """The role."""
        return [self._delta({"role": "assistant", "content": ""})]

    def grow(self, piece: Piece) -> list[dict[str, Any]]:
        """Speech, or calls, each at once."""
        self._untold.add(piece)
        parts = self._parts.push(piece.text) if self._wanted.calls else [piece.text] if piece.text else []
        return [self._part(part) for part in parts]

    def close(self, sample: Sample) -> list[dict[str, Any]]:
        """What was held back, and the reason."""
        parts = self._parts.finish() if self._wanted.calls else []
        return [*map(self._part, parts), self._delta({}, self._reason(sample))]

    def _reason(self, sample: Sample) -> str:
        if not sample.finished:
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return self._delta({"content": part})
        self._calls += 1
        return self._delta({"tool_calls": [{"index": self._calls - 1} | tool_call(part)]})

    def _delta(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return self._choice({"delta": delta}, *self._untold.take(), reason)

    def _choice(
        self, body: dict[str, Any], drawn: Sequence[Drawn], offsets: Sequence[int], reason: str | None
    ) -> dict[str, Any]:
        told = chat_logprobs(drawn, self._speller.decode) if self._wanted.logprobs and drawn else None
        return {"index": self._index} | body | _ended(self._wanted, told, drawn, offsets, reason)


class TextChoice:
    """A text that goes on from a prompt."""

    def __init__(self, index: int, wanted: Wanted, speller: Speller, prompt_ids: Sequence[int]) -> None:
        """The choice of this number of one answer."""
        self._index, self._wanted, self._speller = index, wanted, speller
        self._prompt = {"prompt_token_ids": list(prompt_ids)} if wanted.token_ids else {}
        self._untold = _Tokens()

    def whole(self, sample: Sample) -> dict[str, Any]:
        """With `text`."""
        text = sample.finish()
        offsets = self._speller.offsets(sample, text) if self._wanted.token_ids or self._wanted.logprobs else ()
        return self._choice(text, sample.drawn, offsets, self._reason(sample)) | self._prompt

    def open(self) -> list[dict[str, Any]]:
        """Nothing but the ids of the prompt, if wanted."""
        return [self._choice("", (), (), None) | self._prompt] if self._prompt else []

    def grow(self, piece: Piece) -> list[dict[str, Any]]:
        """New text."""
        self._untold.add(piece)
        return [self._choice(piece.text, *self._untold.take(), None)] if piece.text else []

    def close(self, sample: Sample) -> list[dict[str, Any]]:
        """The reason."""
        return [self._choice("", *self._untold.take(), self._reason(sample))]

    def _reason(self, sample: Sample) -> str:
        return "stop" if sample.finished else "length"

    def _choice(self, text: str, drawn: Sequence[Drawn], offsets: Sequence[int], reason: str | None) -> dict[str, Any]:
        told = text_logprobs(drawn, offsets, self._speller.decode) if self._wanted.logprobs and drawn else None
        return {"index": self._index, "text": text} | _ended(self._wanted, told, drawn, offsets, reason)


def _ended(
    wanted: Wanted,
    logprobs: dict[str, Any] | None,
    drawn: Sequence[Drawn],
    offsets: Sequence[int],
    reason: str | None,
) -> dict[str, Any]:
    """What stands behind the text in every choice."""
    ids = {"token_ids": [each.token for each in drawn], "token_offsets": list(offsets)} if wanted.token_ids else {}
    return {"logprobs": logprobs, "finish_reason": reason} | ids
