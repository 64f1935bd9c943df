"""Vectors: the same text always gives the same row, what is alike is near, and the nearest are found in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.memory.embedding import HashedEmbedder, Vectors, nearest, noise, unit_rows

EMBEDDER = HashedEmbedder()


def cosine(a: str, b: str) -> float:
    first, second = EMBEDDER.embed([a, b])
    return float(first @ second)


def test_a_row_has_length_one_and_nothing_has_none() -> None:
    rows = EMBEDDER.embed(["Ann lives in Oslo.", "", "?!"])
    assert rows.shape == (3, 1024)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert EMBEDDER.embed([]).shape == (0, 1024)


def test_case_and_marks_do_not_count_and_word_forms_do() -> None:
    assert cosine("Ann lives", "ann, LIVES!") == pytest.approx(1.0)
    # Four trigrams in common, of eight and of seven, and half of each row is the word itself: 4 / √56 / 2 = 0.267.
    assert cosine("painting", "painter") == pytest.approx(4 / 56**0.5 / 2)
    assert abs(cosine("painting", "quartz")) < 0.15


def test_one_word_by_hand() -> None:
    # "ab" weighs (2 / 6)² = 1/9; its trigrams "<ab" and "ab>" weigh 1/9 · 1/√2 each. At length 1 the word has
    # 1 / √(1 + 1/2 + 1/2) = 0.7071 and each trigram 0.5, with a sign, in columns that do not collide here.
    (row,) = EMBEDDER.embed(["ab"])
    assert sorted(np.abs(row[row != 0]).tolist()) == pytest.approx([0.5, 0.5, 0.70710678])


def test_short_words_weigh_less() -> None:
    # "of" weighs (2 / 6)² = 1/9 of "oslo's" 6 letters and more: a text that shares the long word is nearer.
    assert cosine("castle of", "castle") > cosine("castle of", "of")
    assert cosine("castle of", "castle") == pytest.approx(9 / 82**0.5, abs=0.02)


def test_the_nearest_come_in_order_and_ties_by_age() -> None:
    rows = unit_rows(np.array([[1, 0], [0, 1], [1, 1], [2, 0]], dtype=np.float32))
    assert nearest(rows, rows[:1], 3) == [[0, 3, 2]]
    assert nearest(rows, rows[:2], 9) == [[0, 3, 2, 1], [1, 2, 0, 3]]
    assert nearest(rows, rows[:1], 0) == [[]]
    assert nearest(rows[:0], rows[:1], 3) == [[]]


def test_a_few_columns_are_enough_to_work() -> None:
    assert HashedEmbedder(8).dimensions == HashedEmbedder(8).embed(["Ann"]).shape[1] == 8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_a_row_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    together = EMBEDDER.embed(texts)
    apart = np.concatenate([EMBEDDER.embed([text]) for text in texts])
    assert np.allclose(together, apart, atol=1e-6)


def test_many_texts_are_embedded_in_blocks() -> None:
    texts = [f"text number {number}" for number in range(1100)]
    rows = EMBEDDER.embed(texts)
    assert np.array_equal(rows[[0, 600, 1099]], EMBEDDER.embed([texts[0], texts[600], texts[1099]]))
    assert [found[0] for found in nearest(rows, rows[:700], 1)] == list(range(700))


def test_noise_is_the_nearest_of_what_has_nothing_in_common() -> None:
    assert 0.2 < noise(EMBEDDER) < 0.3

    class Constant(HashedEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            return np.ones((len(texts), 1), dtype=np.float32)

    assert noise(Constant()) == 1
