"""Tokens to text as they come, up to the first stop text; the pieces together are what all tokens decode to at once.

A token may be part of a character, and a text may turn out to be the start of a stop text: both are held back until it
is known. Works with any `decode` from token ids to text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Decode = Callable[[list[int]], str]

_PARTIAL = "\ufffd"
"""What part of a character decodes to."""


class TextStream:
    """The text of one completion on its way."""

    def __init__(self, decode: Decode, stop: Sequence[str] = ()) -> None:
        """The text ends before the first of the `stop` texts."""
        self._decode = decode
        self._stop = stop
        self._ids: list[int] = []
        self._from = 0
        """Decoding starts here: one piece early, since a token may be spelled by what stands before it."""
        self._told = 0
        """Ids whose text is known."""
        self.text = ""
        """All that is known, stop texts cut off."""
        self.stopped = False
        """Whether a stop text was met; then nothing changes any more."""

    @property
    def sure(self) -> str:
        """The text without what may yet become a stop text."""
        return self.text if self.stopped else self.text[: len(self.text) - held_back(self.text, self._stop)]

    def push(self, token: int) -> None:
        """Take one more token."""
        self._ids.append(token)
        piece = self._decode(self._ids[self._from :])
        if piece.endswith(_PARTIAL):
            return
        known = self._decode(self._ids[self._from : self._told])
        self._from, self._told = self._told, len(self._ids)
        self._add(piece[len(known) :])

    def finish(self) -> str:
        """The whole text, with what was held back; nothing more will come."""
        whole = self._decode(self._ids)
        if whole.startswith(self.text):
            self._add(whole[len(self.text) :])
        self._stop = ()
        return self.text

    def _add(self, piece: str) -> None:
        if self.stopped:
            return
        longest = max(map(len, self._stop), default=0)
        start = max(0, len(self.text) - longest + 1)
        self.text += piece
        ends = [at for at in (self.text.find(stop, start) for stop in self._stop) if at >= 0]
        if ends:
            self.text = self.text[: min(ends)]
            self.stopped = True


def held_back(text: str, marks: Iterable[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of the `marks`."""
    return max((n for mark in marks for n in range(1, len(mark)) if text.endswith(mark[:n])), default=0)
