"""Which rows of an index have a word, and how often: a dict while they are few, growing arrays when they are many."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

DENSE = 64
"""A word in more rows than this is kept in arrays, which numpy scores at once; a dict is quicker to edit."""


class ArrayPosting:
    """Rows and counts in two arrays with spare room at the end, in no particular order."""

    __slots__ = ("_counts", "_rows", "_size")

    def __init__(self, counts: dict[int, int]) -> None:
        """Take over what a dict held."""
        self._size = len(counts)
        self._rows: npt.NDArray[np.int64] = np.zeros(2 * self._size, dtype=np.int64)
        self._counts: npt.NDArray[np.int32] = np.zeros(2 * self._size, dtype=np.int32)
        self._rows[: self._size] = list(counts.keys())
        self._counts[: self._size] = list(counts.values())

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> ArrayPosting:
        """Copy what arrays hold."""
        posting = cls({})
        posting._size = len(rows)
        posting._rows = np.concatenate((rows, np.zeros_like(rows)))
        posting._counts = np.concatenate((counts, np.zeros_like(counts))).astype(np.int32)
        return posting

    def __len__(self) -> int:
        """Number of rows that have the word."""
        return self._size

    def copy(self) -> ArrayPosting:
        """The same rows in arrays of their own."""
        twin = ArrayPosting.__new__(ArrayPosting)
        twin._size = self._size
        twin._rows = self._rows.copy()
        twin._counts = self._counts.copy()
        return twin

    def items(self) -> Iterable[tuple[int, int]]:
        """Row and count of each, as a dict gives them."""
        return zip(self._rows[: self._size].tolist(), self._counts[: self._size].tolist(), strict=True)

    def arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Views of rows and counts, good until the next change."""
        return self._rows[: self._size], self._counts[: self._size]

    def add(self, row: int, count: int) -> None:
        """Put a row at the end."""
        at = self._size
        if at == len(self._rows):
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)))
            self._counts = np.concatenate((self._counts, np.zeros_like(self._counts)))
        self._rows[at] = row
        self._counts[at] = count
        self._size = at + 1

    def remove(self, row: int) -> None:
        """Take a row out; the last one moves into its place."""
        last = self._size - 1
        at = int(np.argmax(self._rows[: self._size] == row))
        self._rows[at] = self._rows[last]
        self._counts[at] = self._counts[last]
        self._size = last


Posting = dict[int, int] | ArrayPosting


def arrays_of(posting: Posting) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Rows and counts of any posting as arrays."""
    if isinstance(posting, ArrayPosting):
        return posting.arrays()
    size = len(posting)
    return np.fromiter(posting.keys(), np.int64, size), np.fromiter(posting.values(), np.int32, size)


def postings_of(texts: Iterable[Sequence[str]]) -> tuple[dict[str, Posting], list[int]]:
    """The postings of many texts at once, row 0 being the first, and the number of words of each text."""
    number: defaultdict[str, int] = defaultdict(count().__next__)
    words = array("q")
    lengths: list[int] = []
    for text in texts:
        words.extend(map(number.__getitem__, text))
        lengths.append(len(text))
    texts_of_word = max(len(lengths), 1)
    rows_T = np.repeat(np.arange(len(lengths)), lengths)
    pairs_P, counts_P = np.unique(np.asarray(words) * texts_of_word + rows_T, return_counts=True)
    words_P, rows_P = np.divmod(pairs_P, texts_of_word)
    ends = np.searchsorted(words_P, np.arange(len(number)), side="right").tolist()
    rows, counts = rows_P.tolist(), counts_P.tolist()
    postings: dict[str, Posting] = {}
    start = 0
    for word, end in zip(number, ends, strict=True):
        if end - start > DENSE:
            postings[word] = ArrayPosting.of(rows_P[start:end], counts_P[start:end])
        else:
            postings[word] = dict(zip(rows[start:end], counts[start:end], strict=True))
        start = end
    return postings, lengths
