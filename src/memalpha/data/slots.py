"""Texts that differ in one place: the same words but for a few in a row.

With each run of words left out, a text has a key of what stands before the gap and after it; texts that share a key are
compared word by word. What is missed are texts that many others differ from in the same place, which are lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
"""Words that may stand in the one place and the other."""
CROWD = 8
"""So many texts that differ in one place are a list."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Two texts, and the place in which they differ."""

    first: int
    second: int
    start: int
    """Words before the place, in both."""
    values: tuple[tuple[str, ...], tuple[str, ...]]
    """The words in it; one of them may have none."""


def slot_pairs(texts: Sequence[Sequence[str]]) -> Iterator[Slot]:
    """The pairs of texts, as words, that differ in one place and share two words at least; in order."""
    long = [number for number, words in enumerate(texts) if len(words) >= 2]
    if len(long) < 2:
        return
    keys, owners = _gaps([texts[number] for number in long])
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order], prepend=keys[order[0]] ^ np.uint64(1), append=keys[order[-1]] ^ 1))
    pairs: set[tuple[int, int]] = set()
    sizes = np.diff(bounds)
    for at in np.flatnonzero(sizes > 1).tolist():
        group = np.unique(owners[order[bounds[at] : bounds[at + 1]]]).tolist()
        if len(group) <= CROWD:
            pairs.update(combinations((long[number] for number in group), 2))
    for first, second in sorted(pairs):
        slot = _slot(first, second, texts[first], texts[second])
        if slot is not None:
            yield slot


def _slot(first: int, second: int, one: Sequence[str], other: Sequence[str]) -> Slot | None:
    """Where two texts differ; None when it is in more than one place, or nowhere."""
    shorter = min(len(one), len(other))
    start = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    end = next((at for at in range(shorter - start) if one[-1 - at] != other[-1 - at]), shorter - start)
    values = tuple(one[start : len(one) - end]), tuple(other[start : len(other) - end])
    if values[0] == values[1] or max(map(len, values)) > LONGEST or start + end < 2:
        return None
    return Slot(first=first, second=second, start=start, values=values)


def _gaps(texts: Sequence[Sequence[str]]) -> tuple[_Keys, NDArray[np.int64]]:
    """A key for each run of 0 to `LONGEST` words left out of a text, and whose it is."""
    numbers: dict[str, int] = {}
    lengths = np.array([len(words) for words in texts])
    flat = np.array([numbers.setdefault(word, len(numbers) + 1) for words in texts for word in words], dtype=np.uint64)
    flat = flat * _MIX
    starts = np.concatenate([[0], np.cumsum(lengths)])
    longest = int(lengths.max())
    powers = np.cumprod(np.concatenate([[np.uint64(1)], np.full(longest, _BASE, dtype=np.uint64)]))
    within = np.arange(len(flat)) - np.repeat(starts[:-1], lengths)
    ahead = _sums(flat * powers[within])
    behind = _sums((flat * powers[np.repeat(lengths, lengths) - 1 - within])[::-1])[::-1]
    owners, places = np.repeat(np.arange(len(texts)), lengths + 1), _places(lengths)
    at = starts[owners] + places
    before = ahead[at] - ahead[starts[owners]]
    after = behind[at] - behind[starts[owners + 1]]
    keys, whose = [], []
    for gap in range(LONGEST + 1):
        fits = (places + gap <= lengths[owners]) & (lengths[owners] - gap >= 2)
        left, right = before[fits], after[np.flatnonzero(fits) + gap]
        keys.append((left ^ (left >> np.uint64(29))) * _BASE + right * _MIX)
        whose.append(owners[fits])
    return np.concatenate(keys), np.concatenate(whose)


def _sums(values: _Keys) -> _Keys:
    """Sums of the first 0, 1, ... values, modulo 2^64."""
    return np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)])


def _places(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 to n for each text of n words."""
    ends = np.cumsum(lengths + 1)
    return np.arange(ends[-1]) - np.repeat(ends - lengths - 1, lengths + 1)
