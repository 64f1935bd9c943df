"""Exact BM25 over a few or many texts that change all the time.

Scores are those of the Okapi variant of Robertson and Zaragoza (2009) with one addition that the field's reference
library also makes: a word in more than half of the texts, whose idf is negative, gets a quarter of the mean idf of the
vocabulary. Nothing is rebuilt for a query: idf depends only on how many texts have a word, so its mean is a sum over
the few distinct counts, kept in a histogram. Small indexes are scored in plain Python, large ones with numpy; both do
the same arithmetic in the same order and give the same bits.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from memalpha.memory.postings import DENSE, ArrayPosting, Posting, arrays_of, postings_of

SMALL = 80
"""Up to this many texts plain Python is quicker than numpy."""

_K1 = 1.5
MOST_OF_A_WORD = _K1 + 1
"""Most that a word counts beside its idf, in a short text that repeats it."""
_B = 0.75
_EPSILON = 0.25
_SCALE = 1e9
"""Scores that agree to nine decimals tie; the last bits must not decide an order."""

_BLOCK = 256
_WORD = re.compile(r"\w+")


def tokenize(text: str) -> list[str]:
    """The words of a text as search sees them: runs of letters, digits and underscores, in lower case."""
    return _WORD.findall(text.lower())


class BM25Index:
    """Texts under integer keys, ranked against a query; ties go to the text inserted first."""

    __slots__ = (
        "_free",
        "_histogram",
        "_idfs",
        "_inserted",
        "_keys",
        "_lengths",
        "_norms",
        "_order",
        "_owned",
        "_postings",
        "_rows",
        "_size",
        "_texts",
        "_total_length",
    )

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[int, int] = {}
        self._texts: dict[int, str] = {}
        self._postings: dict[str, Posting] = {}
        # Postings that no fork shares; the others are copied before they are changed.
        self._owned: set[str] = set()
        self._histogram: dict[int, int] = {}
        self._total_length = 0
        self._inserted = 0
        self._size = 0
        # One row a text. Rows of removed texts are used again, so the place in the order is a column of its own.
        self._free: list[int] = []
        self._keys: npt.NDArray[np.int64] = np.zeros(8, dtype=np.int64)
        self._order: npt.NDArray[np.int64] = np.full(8, -1, dtype=np.int64)
        self._lengths: npt.NDArray[np.int64] = np.zeros(8, dtype=np.int64)
        # Both follow from the texts and are made anew by the first query after a change.
        self._idfs: dict[int, float] | None = None
        self._norms: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._rows)

    def fork(self) -> BM25Index:
        """An index with the same texts; neither sees later changes of the other. Postings are shared until changed."""
        twin = BM25Index.__new__(BM25Index)
        twin._rows = self._rows.copy()
        twin._texts = self._texts.copy()
        twin._postings = self._postings.copy()
        self._owned = set()
        twin._owned = set()
        twin._histogram = self._histogram.copy()
        twin._total_length = self._total_length
        twin._inserted = self._inserted
        twin._size = self._size
        twin._free = self._free.copy()
        twin._keys = self._keys.copy()
        twin._order = self._order.copy()
        twin._lengths = self._lengths.copy()
        twin._idfs = self._idfs
        twin._norms = self._norms
        return twin

    def add(self, key: int, text: str) -> None:
        """Index a text under a key that is not in use."""
        if key in self._rows:
            raise ValueError(f"got the key {key}, which is in use; call update to replace its text")
        row = self._free.pop() if self._free else self._new_row()
        self._rows[key] = row
        self._keys[row] = key
        self._order[row] = self._inserted
        self._inserted += 1
        self._post(key, row, text)

    def add_all(self, texts: Mapping[int, str]) -> None:
        """Index many texts in their order; several times quicker than one by one while nothing else is indexed."""
        if self._inserted or len(texts) <= SMALL:
            for key, text in texts.items():
                self.add(key, text)
            return
        self._texts = dict(texts)
        self._postings, lengths = postings_of(map(tokenize, texts.values()))
        self._owned = set(self._postings)
        self._histogram = dict(Counter(map(len, self._postings.values())))
        self._rows = {key: row for row, key in enumerate(texts)}
        self._size = self._inserted = len(texts)
        self._keys = np.array(list(texts), dtype=np.int64)
        self._order = np.arange(self._size)
        self._lengths = np.array(lengths, dtype=np.int64)
        self._total_length = sum(lengths)

    def update(self, key: int, text: str) -> None:
        """Replace the text of a key, which keeps its place among ties."""
        row = self._rows[key]
        self._unpost(key, row)
        self._post(key, row, text)

    def remove(self, key: int) -> None:
        """Take a key and its text out."""
        row = self._rows[key]
        self._unpost(key, row)
        del self._rows[key]
        self._order[row] = -1
        self._free.append(row)

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The k best keys with their scores, the best first; keys that score zero fill up to k."""
        k = min(k, len(self._rows))
        if k <= 0:
            return []
        if len(self._rows) <= SMALL:
            # A score of zero, the most common one, needs no rounding.
            pairs = self._small_scores(query)
            return sorted(pairs, key=lambda pair: pair[1] and -round(pair[1] * _SCALE))[:k]
        scores = self._large_scores(query)
        best = self._best_rows(scores, k)
        return list(zip(self._keys[best].tolist(), scores[best].tolist(), strict=True))

    def matches(self, weights: Mapping[str, float], telling: Collection[str]) -> Iterator[tuple[int, float]]:
        """Key and score of each text that has a telling word, the best first; equal ones from the largest key down.

        The words weigh as the caller says, in place of their idf.
        """
        norms = self._statistics()[1]
        scores = np.zeros(len(norms))
        matched = np.zeros(len(norms), dtype=bool)
        for word, weight in weights.items():
            posting = self._postings.get(word)
            if posting is not None:
                rows, counts = arrays_of(posting)
                scores[rows] += weight * (counts * MOST_OF_A_WORD / (counts + norms[rows]))
                matched[rows] |= word in telling
        rows = np.flatnonzero(matched)
        rows = rows[np.lexsort((-self._keys[rows], -np.rint(scores[rows] * _SCALE)))]
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            yield from zip(self._keys[block].tolist(), scores[block].tolist(), strict=True)

    def frequency(self, word: str) -> int:
        """How many texts have a word, which is in lower case."""
        return len(self._postings.get(word, ()))

    def scores(self, query: str) -> dict[int, float]:
        """The score of every key, in insertion order."""
        if len(self._rows) <= SMALL:
            return dict(self._small_scores(query))
        scores = self._large_scores(query).tolist()
        return {key: scores[row] for key, row in self._rows.items()}

    def _small_scores(self, query: str) -> list[tuple[int, float]]:
        """Key and score of every text, in insertion order."""
        idfs, norms_array = self._statistics()
        norms = norms_array.tolist()
        scores = [0.0] * len(norms)
        for word, times in Counter(tokenize(query)).items():
            posting = self._postings.get(word)
            if posting is not None:
                weight = idfs[len(posting)] * times
                for row, count in posting.items():
                    scores[row] += weight * (count * MOST_OF_A_WORD / (count + norms[row]))
        return [(key, scores[row]) for key, row in self._rows.items()]

    def _large_scores(self, query: str) -> npt.NDArray[np.float64]:
        """The score of every row; rows that are free get zero."""
        idfs, norms = self._statistics()
        scores = np.zeros(len(norms))
        for word, times in Counter(tokenize(query)).items():
            posting = self._postings.get(word)
            if posting is not None:
                weight = idfs[len(posting)] * times
                rows, counts = arrays_of(posting)
                scores[rows] += weight * (counts * MOST_OF_A_WORD / (counts + norms[rows]))
        return scores

    def _best_rows(self, scores: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.int64]:
        """The k best live rows, the best first; sorts only those that can be among them."""
        order = self._order[: len(scores)]
        rounded = np.where(order >= 0, np.rint(scores * _SCALE), -np.inf)
        last = np.partition(rounded, len(rounded) - k)[len(rounded) - k]
        better = np.flatnonzero(rounded > last)
        level = np.flatnonzero(rounded == last)
        room = k - len(better)
        if room < len(level):
            level = level[np.argpartition(order[level], room)[:room]]
        best = np.concatenate((better, level))
        return best[np.lexsort((order[best], -rounded[best]))]

    def _statistics(self) -> tuple[dict[int, float], npt.NDArray[np.float64]]:
        """The idf of a word by how many texts have it, and the length norm of each row."""
        if self._idfs is None or self._norms is None:
            self._idfs = _idfs(len(self._rows), self._histogram)
            # Without a single word there is no posting either, and the norms are never read.
            mean_length = self._total_length / len(self._rows) if self._total_length else 1.0
            lengths = self._lengths[: self._size].astype(np.float64)
            self._norms = _K1 * (1 - _B + _B * lengths / mean_length)
        return self._idfs, self._norms

    def _new_row(self) -> int:
        row = self._size
        if row == len(self._keys):
            self._keys = np.concatenate((self._keys, np.zeros_like(self._keys)))
            self._order = np.concatenate((self._order, np.zeros_like(self._order)))
            self._lengths = np.concatenate((self._lengths, np.zeros_like(self._lengths)))
        self._size = row + 1
        return row

    def _post(self, key: int, row: int, text: str) -> None:
        words = tokenize(text)
        self._texts[key] = text
        self._lengths[row] = len(words)
        self._total_length += len(words)
        self._idfs = self._norms = None
        postings, owned = self._postings, self._owned
        for word, count in Counter(words).items():
            posting = postings.get(word)
            if posting is None:
                postings[word] = {row: count}
                owned.add(word)
                self._count_word(0, 1)
                continue
            if word not in owned:
                posting = postings[word] = posting.copy()
                owned.add(word)
            rows = len(posting)
            if isinstance(posting, ArrayPosting):
                posting.add(row, count)
            else:
                posting[row] = count
                if rows == DENSE:
                    postings[word] = ArrayPosting(posting)
            self._count_word(rows, rows + 1)

    def _unpost(self, key: int, row: int) -> None:
        words = tokenize(self._texts.pop(key))
        self._lengths[row] = 0
        self._total_length -= len(words)
        self._idfs = self._norms = None
        postings, owned = self._postings, self._owned
        for word in set(words):
            posting = postings[word]
            rows = len(posting)
            self._count_word(rows, rows - 1)
            if rows == 1:
                del postings[word]
                owned.discard(word)
                continue
            if word not in owned:
                posting = postings[word] = posting.copy()
                owned.add(word)
            if isinstance(posting, ArrayPosting):
                posting.remove(row)
            else:
                del posting[row]

    def _count_word(self, before: int, after: int) -> None:
        """Move one word of the vocabulary in the histogram of how many texts have it."""
        histogram = self._histogram
        if before:
            histogram[before] -= 1
            if not histogram[before]:
                del histogram[before]
        if after:
            histogram[after] = histogram.get(after, 0) + 1


def _idfs(texts: int, histogram: dict[int, int]) -> dict[int, float]:
    """The idf of a word by how many texts have it, for the counts that occur."""
    raw = {rows: math.log(texts - rows + 0.5) - math.log(rows + 0.5) for rows in histogram}
    if not raw:
        return raw
    # An exact sum, so that the score does not depend on the order in which the texts came and went.
    floor = _EPSILON * math.fsum(raw[rows] * words for rows, words in histogram.items()) / sum(histogram.values())
    return {rows: floor if idf < 0 else idf for rows, idf in raw.items()}
