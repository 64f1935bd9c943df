"""Texts that nearly repeat one another: MinHash over word n-grams (Broder 1997), candidates by bands, then counted.

Two texts are near when most n-grams of the shorter one stand in the longer one. MinHash only proposes pairs; each pair
is counted, so that what is reported is exact, and what is missed are pairs of very unlike length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

NEAR = 0.8
"""Share of the n-grams, of three words each, of the shorter text that the longer one has."""
BANDS, ROWS = 32, 3
"""Pairs whose Jaccard similarity is s are proposed with probability 1 - (1 - s^ROWS)^BANDS: 0.99 at a half."""

_MASK = 2**64 - 1
_Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts that are near, by their places in two lists."""

    first: int
    second: int


def near_pairs(first: Sequence[str], second: Sequence[str]) -> Iterator[Pair]:
    """The pairs of a text of the first list and one of the second that are near; texts under n words are near none.

    Pairs come in order. Words are compared as they stand: normalise before.
    """
    numbers: dict[str, int] = {}
    grams = [_grams(text, numbers) for text in (*first, *second)]
    held = [at for at, each in enumerate(grams) if each]
    if not held:
        return
    keys = _band_keys([grams[at] for at in held])
    places = np.array(held)
    proposed = np.concatenate([_equal(band, places, len(first)) for band in keys])
    for one, other in np.unique(proposed, axis=0).tolist():
        small, large = sorted((grams[one], grams[len(first) + other]), key=len)
        if len(small & large) >= NEAR * len(small):
            yield Pair(first=one, second=other)


def _grams(text: str, numbers: dict[str, int]) -> frozenset[int]:
    """The n-grams as 64-bit numbers of nothing but their words, so that two texts are judged alike in any company."""
    words = [numbers.get(word) or numbers.setdefault(word, _number(word)) for word in text.split()]
    return frozenset((a * 3 + b * 5 + c * 7) & _MASK for a, b, c in zip(words, words[1:], words[2:], strict=False))


def _number(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") | 1


def _band_keys(grams: Sequence[frozenset[int]]) -> list[_Keys]:
    """For each band one key a text [N]: equal where the least hashes of all its rows are."""
    flat = np.array([gram for each in grams for gram in each], dtype=np.uint64)
    starts = np.cumsum([0, *(len(each) for each in grams[:-1])])
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**63, size=(BANDS, ROWS), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys: list[_Keys] = []
    for band in factors:
        key = np.zeros(len(grams), dtype=np.uint64)
        for factor in band:
            hashes = _mixed(flat * factor)
            key = _mixed(key * np.uint64(0x9E3779B97F4A7C15) + np.minimum.reduceat(hashes, starts))
        keys.append(key)
    return keys


def _mixed(values: _Keys) -> _Keys:
    """Spread every bit over all others (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return values ^ (values >> np.uint64(33))


def _equal(keys: _Keys, places: NDArray[np.int64], offset: int) -> NDArray[np.int64]:
    """Pairs [N, 2] of a first and a second text with the same key, by their places in the two lists."""
    is_first = places < offset
    order = np.argsort(keys[~is_first], kind="stable")
    seconds = keys[~is_first][order]
    left, right = (np.searchsorted(seconds, keys[is_first], side) for side in ("left", "right"))
    sizes = right - left
    ones = np.repeat(places[is_first], sizes)
    within = np.arange(len(ones)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    others = places[~is_first][order][np.repeat(left, sizes) + within] - offset
    return np.stack([ones, others], axis=1)
