"""Completions as they come: prompts go in one by one, whoever is ready comes out, nobody waits for the longest.

A model that can, such as one in this process or behind a server, has a stream of its own; any other is asked in waves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import groupby
from typing import Protocol, runtime_checkable

from memalpha.agent.model import Completion, Model, Prompt, Sampling

SEED_STEP = 1_000_003
"""Between the seeds of rows that are sampled in the same way but by their key."""


class Stream(Protocol):
    """Completions on their way."""

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        """Ask for a completion; keys on their way are unlike each other, and prompts that are alike are drawn apart."""
        ...

    def ready(self) -> list[tuple[int, Completion]]:
        """Wait for at least one completion, and return all that are ready; nothing when none is on its way.

        Raises `ModelError`; then the stream is over.
        """
        ...


@runtime_checkable
class Streaming(Protocol):
    """A model with a stream of its own."""

    def stream(self) -> Stream:
        """A new one."""
        ...


def open_stream(model: Model) -> Stream:
    """The model's own stream, or waves."""
    return model.stream() if isinstance(model, Streaming) else Waves(model)


def complete_all(stream: Stream, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
    """One completion for each prompt, in order."""
    for key, prompt in enumerate(prompts):
        stream.submit(key, prompt, sampling)
    found: dict[int, Completion] = {}
    while len(found) < len(prompts):
        found.update(stream.ready())
    return [found[key] for key in range(len(prompts))]


def row_seed(sampling: Sampling, key: int) -> int | None:
    """The seed of one row: a function of the sampling and the key alone."""
    return None if sampling.seed is None else sampling.seed * SEED_STEP + key


class Waves:
    """All that wait are completed together, those with the same sampling in one call."""

    def __init__(self, model: Model) -> None:
        """Ask this model."""
        self._model = model
        self._waiting: list[tuple[Sampling, int, Prompt]] = []

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        """Let it wait."""
        self._waiting.append((sampling, key, prompt))

    def ready(self) -> list[tuple[int, Completion]]:
        """All that waited."""
        waiting, self._waiting = self._waiting, []
        found: list[tuple[int, Completion]] = []
        for sampling, group in groupby(waiting, key=lambda each: each[0]):
            keys, prompts = zip(*[(key, prompt) for _, key, prompt in group], strict=True)
            found += zip(keys, self._model.complete(prompts, sampling), strict=True)
        return found


class Futures:
    """Completions that are made elsewhere, such as by threads that wait for a server."""

    def __init__(self, send: Callable[[Prompt, Sampling, int], Future[Completion]]) -> None:
        """`send` starts one completion."""
        self._send = send
        self._keys: dict[Future[Completion], int] = {}

    def submit(self, key: int, prompt: Prompt, sampling: Sampling) -> None:
        """Start it."""
        self._keys[self._send(prompt, sampling, key)] = key

    def ready(self) -> list[tuple[int, Completion]]:
        """Those that have come in, in the order of their keys; the first error is raised and ends the others."""
        done, _ = wait(self._keys, return_when=FIRST_COMPLETED)
        try:
            return sorted(((self._keys.pop(each), each.result()) for each in done), key=lambda found: found[0])
        except BaseException:
            for each in self._keys:
                each.cancel()
            self._keys.clear()
            raise
