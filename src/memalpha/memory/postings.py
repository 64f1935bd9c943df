"""Which rows of an index have a word, and how often: a dict while they are few, growing arrays when they are many."""

from __future__ import annotations

from collections.abc import Iterable

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
