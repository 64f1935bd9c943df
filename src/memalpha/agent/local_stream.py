"""The stream of a model in this process: one decoder, which rows join and leave.

Everything here is a function of what was submitted and in which order, so that a seeded run repeats itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memalpha.agent.decoding import Decoder, Row, Sample
from memalpha.agent.device import memory_limit
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.stream import row_seed

if TYPE_CHECKING:
    from memalpha.agent.local import LocalModel

_JOINING = 0.25
"""Rows wait until they are this share of those on their way: joining costs as much as a step."""


@dataclass(frozen=True, slots=True)
class _Asked:
    key: int
    row: Row
    sample: Sample

    @property
    def tokens(self) -> int:
        """What it may come to."""
        return len(self.row.ids) + self.row.max_tokens


class LocalStream:
    """Rows of one decoder by the keys they were submitted with."""

    def __init__(self, model: LocalModel) -> None:
        """Nothing is sampled before somebody waits."""
        self._model = model
        self._decoder: Decoder | None = None
        self._waiting: list[_Asked] = []
        self._running: dict[int, _Asked] = {}
        """By the number of the row."""

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        """Let it wait for its turn."""
        row = Row(
            ids=self._model.encode(prompt),
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            seed=row_seed(sampling, key),
        )
        self._waiting.append(_Asked(key, row, Sample(self._model.decode, sampling.stop)))

    def ready(self) -> list[tuple[int, Completion]]:
        """Sample until a row has come to its end; all that have, in the order of their rows."""
        found: list[tuple[int, Completion]] = []
        while not found and (self._waiting or self._running):
            self._join()
            decoder = self._decoder
            with memory_limit("sampling", f"lower engine.sample_tokens, now {self._model.sample_tokens}"):
                step = decoder.step() if decoder else []
            for drawn in step:
                asked = self._running[drawn.row]
                stopped = asked.sample.take(drawn)
                if stopped or drawn.ended or len(asked.sample.drawn) == asked.row.max_tokens:
                    del self._running[drawn.row]
                    found.append((asked.key, self._model.completion(asked.row.ids, asked.sample)))
                    if decoder and stopped:
                        decoder.drop(drawn.row)
        return found

    def _join(self) -> None:
        """Let those join that there is room for, the longest first; one alone always may."""
        if len(self._waiting) < max(1, _JOINING * len(self._running)):
            return
        if not self._running:
            self._decoder = None  # numbers and rows of what is over are forgotten
        elif self._decoder and not self._decoder.takes:
            return
        self._waiting.sort(key=lambda asked: -asked.tokens)
        widest = max([asked.tokens for asked in [*self._running.values(), self._waiting[0]]])
        room = max(0 if self._running else 1, self._model.sample_tokens // widest - len(self._running))
        taken, self._waiting = self._waiting[:room], self._waiting[room:]
        if not taken:
            return
        rows = [asked.row for asked in taken]
        if self._decoder is None:
            self._decoder = self._model.start(rows)
            numbers = range(len(rows))
        else:
            numbers = self._decoder.admit(rows)
        self._running.update(zip(numbers, taken, strict=True))
