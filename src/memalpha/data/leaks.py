"""What a training set may give away of a test, as records; how it is found is in `memalpha.data.contamination`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class LeakPolicy(StrEnum):
    """What becomes of a training set that gives a test away."""

    REFUSE = "refuse"
    DROP = "drop"
    """Leave out what gives it away."""
    KEEP = "keep"
    """Report it only."""


class LeakKind(StrEnum):
    """How a training episode gives a test away."""

    SAME_QUESTION = "same question"
    SAME_ANSWER = "same question and answer but for case, articles and punctuation"
    NEAR_QUESTION = "nearly the same question"
    TOLD = "tells a sample that the test asks about"
    STREAM = "is a stream of the test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One finding."""

    kind: LeakKind
    episode: int
    """Index of the training episode."""
    source: str
    """Of the training episode."""
    test: str
    """The name of what is given away."""
    text: str
    """Question or line of the training episode, as it stands; of a stream its first telling line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings."""

    leaks: tuple[Leak, ...]
    """In the order of the training episodes."""
    shares: Mapping[tuple[str, str], float]
    """By source and test: mean share of the telling lines of an episode that stand in a stream of the test."""
    tests: Mapping[str, int]
    """Questions of each test."""

    def counts(self) -> Counter[tuple[str, str, LeakKind]]:
        """How many leaks there are, by source, test and kind."""
        return Counter((leak.source, leak.test, leak.kind) for leak in self.leaks)
