"""Texts as vectors, and the nearest of them.

`HashedEmbedder` needs no download and learns nothing: it sees spelling, not meaning. A neural encoder from a folder is
`memalpha.agent.encoder`.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from memalpha.memory.search import tokenize

Vectors = npt.NDArray[np.float32]
"""[N, D], each row of length 1, or 0 for a text with nothing in it."""

_BLOCK = 512
"""Texts embedded, or queries compared, at once, so that the table between them stays small."""
COSINE_SCALE = 1e5
"""Cosines that agree to five decimals tie; the last bits of 32 must not decide an order."""
_LONG = 6
"""Letters from which a word counts in full; short words are mostly function words."""
_UNRELATED = (
    "The kettle in the kitchen leaks again.",
    "My sister plays the cello in an orchestra.",
    "Trains to the coast leave every two hours.",
    "He repaired the fence after the storm.",
    "The court rejected the appeal on Tuesday.",
    "Tomatoes need plenty of sun and water.",
    "She sold her shares before the crash.",
    "The glacier lost a third of its ice.",
    "Our dog is afraid of fireworks.",
    "They painted the nursery pale green.",
    "The bridge was opened in 1932.",
    "I am allergic to peanuts.",
    "The compiler reports an unused variable.",
    "A vaccine against malaria was approved.",
    "The choir rehearses on Thursday evenings.",
    "Copper conducts electricity well.",
    "What time does the pharmacy close?",
    "Who wrote the letter to the mayor?",
    "How do I renew my passport?",
    "Which team won the cup final?",
    "Where did they bury the king?",
    "Why is the printer so slow?",
    "When does the lease on the flat end?",
    "How many moons does Saturn have?",
)


class Embedder(Protocol):
    """Anything that turns texts into vectors."""

    @property
    def name(self) -> str:
        """Stands in tables."""
        ...

    @property
    def dimensions(self) -> int:
        """D."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, in order; raises `ModelError` when it cannot."""
        ...


def record_of(embedder: Embedder | None) -> str | None:
    """What a store remembers of its embedder, as JSON; None without one."""
    return None if embedder is None else json.dumps({"name": embedder.name, "dimensions": embedder.dimensions})


def noise(embedder: Embedder) -> float:
    """The largest cosine among sentences that have nothing to do with each other: nearer ones are near."""
    rows_ND = embedder.embed(_UNRELATED)
    pairs = np.triu_indices(len(rows_ND), 1)
    return float(np.max((rows_ND @ rows_ND.T)[pairs]))


class HashedEmbedder:
    """Words and their letter trigrams, each hashed to a column with a sign (the hashing trick, arXiv:0902.2206).

    A word weighs (letters / 6)², at most 1, and its trigrams together as much as itself, so that "paints" is near to
    "painted". The same text gives the same row on every machine.
    """

    def __init__(self, dimensions: int = 1024) -> None:
        """`dimensions` columns; with few of them words collide."""
        self._dimensions = dimensions

    @property
    def name(self) -> str:
        """Says that nothing is learnt."""
        return "hashed n-grams"

    @property
    def dimensions(self) -> int:
        """D."""
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text."""
        rows = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            rows[start : start + len(block)] = self._block(block)
        return unit_rows(rows)

    def _block(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        features = [(row, *_features(word)) for row, text in enumerate(texts) for word in tokenize(text)]
        if not features:
            return np.zeros((len(texts), self._dimensions))
        rows = np.repeat([row for row, _, _ in features], [len(hashes) for _, hashes, _ in features])
        columns = np.concatenate([hashes for _, hashes, _ in features]) % self._dimensions
        weights = np.concatenate([weights for _, _, weights in features])
        cells: npt.NDArray[np.float64] = np.bincount(
            rows * self._dimensions + columns, weights=weights, minlength=len(texts) * self._dimensions
        ).astype(np.float64)
        return cells.reshape(len(texts), self._dimensions)


def unit_rows(rows: npt.NDArray[np.float32]) -> Vectors:
    """The rows at length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def nearest(vectors_ND: Vectors, queries_QD: Vectors, k: int) -> list[list[int]]:
    """For each query the rows with the largest cosine, the best first; between equals the earlier row."""
    if not len(vectors_ND) or k < 1:
        return [[] for _ in queries_QD]
    found: list[list[int]] = []
    for start in range(0, len(queries_QD), _BLOCK):
        cosines_QN = np.rint(queries_QD[start : start + _BLOCK] @ vectors_ND.T * COSINE_SCALE)
        found += [np.argsort(-row, kind="stable")[:k].tolist() for row in cosines_QN]
    return found


@lru_cache(maxsize=200_000)
def _features(word: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Hashes and signed weights of a word and its trigrams."""
    marked = f"<{word}>"
    trigrams = [f"{marked[at : at + 3]}#" for at in range(len(marked) - 2)]
    weight = (min(len(word), _LONG) / _LONG) ** 2
    hashes = [zlib.crc32(feature.encode()) for feature in (word, *trigrams)]
    weights = [weight, *[weight / math.sqrt(len(trigrams))] * len(trigrams)]
    # The highest bit is the sign and takes no part in the column.
    signs = [1.0 if each >> 31 else -1.0 for each in hashes]
    return np.array([each & 0x7FFFFFFF for each in hashes]), np.array(weights) * np.array(signs)
