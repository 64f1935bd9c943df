"""Vectors under integer keys in RAM, in one matrix that grows, and what is near to a query."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from memalpha.memory.embedding import COSINE_SCALE, Vectors


class VectorIndex:
    """Unit vectors of one length, ranked against another by their cosine."""

    __slots__ = ("_keys", "_matrix_ND", "_rows", "_size")

    def __init__(self, dimensions: int) -> None:
        """Start empty."""
        self._rows: dict[int, int] = {}
        self._size = 0
        # More rows than are in use, so that most additions copy nothing; the last one moves into a gap.
        self._keys: npt.NDArray[np.int64] = np.zeros(8, dtype=np.int64)
        self._matrix_ND: Vectors = np.zeros((8, dimensions), dtype=np.float32)

    def __len__(self) -> int:
        """Number of vectors."""
        return self._size

    def put(self, keys: Iterable[int], vectors_ND: npt.NDArray[np.floating]) -> None:
        """Add vectors, or replace those of the same keys."""
        rows = np.array([self._row(key) for key in keys], dtype=np.int64)
        if len(rows):
            self._matrix_ND[rows] = vectors_ND

    def drop(self, key: int) -> None:
        """Take a vector out; a key without one is left alone."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        self._size -= 1
        if row != self._size:
            moved = int(self._keys[self._size])
            self._keys[row] = moved
            self._matrix_ND[row] = self._matrix_ND[self._size]
            self._rows[moved] = row
        self._matrix_ND[self._size] = 0

    def near(self, query_D: Vectors, above: float) -> list[tuple[int, float]]:
        """Keys whose cosine with a query is above a limit, with it, the nearest first; ties go to the smaller key."""
        cosines_N = np.rint(self._matrix_ND[: self._size] @ query_D * COSINE_SCALE) / COSINE_SCALE
        rows = np.flatnonzero(cosines_N > above)
        keys, cosines = self._keys[rows], cosines_N[rows]
        order = np.lexsort((keys, -cosines))
        return list(zip(keys[order].tolist(), cosines[order].tolist(), strict=True))

    def _row(self, key: int) -> int:
        """The row of a key, a new one at the end when it has none."""
        row = self._rows.get(key)
        if row is not None:
            return row
        row = self._rows[key] = self._size
        if row == len(self._keys):
            self._keys = np.concatenate((self._keys, np.zeros_like(self._keys)))
            self._matrix_ND = np.concatenate((self._matrix_ND, np.zeros_like(self._matrix_ND)))
        self._keys[row] = key
        self._size += 1
        return row
