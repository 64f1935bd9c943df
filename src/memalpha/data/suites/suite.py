"""What suites share: how much of them is built, where their files are, and what an abstention may say."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from memalpha.data.passages import expect_positive
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Competency, Episode, Metric

_T = TypeVar("_T")

CHUNK_TOKENS = 2048
"""Limit of one chunk unless chosen, as in arXiv:2509.25911."""

QUESTIONS = 100
"""Asked of one context that is built here unless chosen, as in arXiv:2507.05257."""

ABSTENTIONS = (
    "unknown",
    "no information",
    "not enough information",
    "not mentioned",
    "did not mention",
    "do not know",
    "don't know",
    "cannot be answered",
)
"""Accepted where the right answer is that there is none; the first is what readers are told to reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a suite is built; None leaves it to the suite."""

    episodes: int | None = None
    """At most; which ones is drawn by the seed."""
    questions: int | None = None
    """At most, of each episode; which ones is drawn by the seed."""
    length_tokens: int | None = None
    """Of the stream, at most and nearly; for suites whose length can be chosen."""
    chunk_tokens: int | None = None
    """Of one chunk, at most."""

    def __post_init__(self) -> None:
        """Refuse limits that leave nothing; raises `ConfigError`."""
        expect_positive((name, getattr(self, name)) for name in self.__slots__)


NO_LIMITS = Limits()


class Loader(Protocol):
    """How every suite is built; the same seed and limits give the same episodes."""

    def __call__(
        self,
        path: Path,
        *,
        seed: int = 0,
        limits: Limits = NO_LIMITS,
        count_tokens: Callable[[str], int] | None = None,
    ) -> Iterator[Episode]:
        """Episodes from the folder of data sets, or from the one file of a suite.

        Args:
            path: The folder that holds the suite's files; for a suite of one file, that file will do.
            seed: Decides what is drawn, and its order.
            limits: How much is built.
            count_tokens: Counts for the limits; None is the nano policy's tokenizer.

        Raises:
            EpisodeError: For a file or record that cannot be used; names file and line.
            ConfigError: For a limit that the suite does not have.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One benchmark."""

    load: Loader
    files: tuple[str, ...]
    """Below the folder of data sets; a name that ends with / is a folder of files."""
    competencies: tuple[Competency, ...]
    metrics: tuple[Metric, ...]
    """Of its questions, each by what it is."""


def locate(folder: Path, file: str) -> Path:
    """A file of a suite below the folder of data sets; raises `EpisodeError`."""
    found = folder / file
    if not found.exists():
        raise EpisodeError(
            f"{folder}: got a path without {file}, expected the folder of data sets that holds it; check the path"
        )
    return found


def own_file(path: Path, file: str) -> Path:
    """The one file of a suite: `path` itself, or below it in the folder of data sets; raises `EpisodeError`."""
    return path if path.is_file() else locate(path, file)


def chosen(items: Iterable[_T], limit: int | None, rng: random.Random) -> Iterator[_T]:
    """At most `limit` of the items, drawn at random, in their order; without a limit, all of them as they come."""
    if limit is None:
        yield from items
        return
    held = list(items)
    yield from (held[index] for index in sorted(rng.sample(range(len(held)), min(limit, len(held)))))


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put the place before the message of what is refused inside of it, unless it stands there."""
    try:
        yield
    except EpisodeError as error:
        if str(error).startswith(where):
            raise
        raise EpisodeError(f"{where}: {error}") from error


def refuse_length(limits: Limits, suite: str) -> None:
    """Raise `ConfigError` when a length is asked of a suite whose streams are as long as they were published."""
    if limits.length_tokens is not None:
        raise ConfigError(
            f"got length_tokens={limits.length_tokens} for {suite}, whose streams have the length of its records; "
            "leave it out"
        )
