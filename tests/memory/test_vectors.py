"""Vectors in RAM against a plain dict, after any edits."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.memory.vectors import VectorIndex

QUERY = np.array([1.0, 0.0], dtype=np.float32)

edits = st.lists(st.tuples(st.sampled_from(("put", "put", "drop")), st.integers(0, 30), st.integers(0, 6)), max_size=60)


def unit(step: int) -> np.ndarray:
    """One of seven directions, from that of the query to the opposite one."""
    return np.array([np.cos(step * np.pi / 6), np.sin(step * np.pi / 6)], dtype=np.float32)


@settings(deadline=None)
@given(edits, st.sampled_from((-2.0, 0.0, 0.6)))
def test_any_edits_leave_what_a_dict_would_hold(steps: list[tuple[str, int, int]], above: float) -> None:
    index, plain = VectorIndex(2), dict[int, int]()
    for action, key, step in steps:
        if action == "put":
            index.put([key], unit(step)[None])
            plain[key] = step
        else:
            index.drop(key)
            plain.pop(key, None)
    assert len(index) == len(plain)
    expected = sorted(
        ((key, round(float(unit(step)[0]), 5)) for key, step in plain.items()), key=lambda hit: (-hit[1], hit[0])
    )
    found = index.near(QUERY, above)
    assert [key for key, _ in found] == [key for key, cosine in expected if cosine > above]
    np.testing.assert_allclose([cosine for _, cosine in found], [c for _, c in expected if c > above], atol=1e-5)


def test_many_are_put_at_once() -> None:
    index = VectorIndex(2)
    index.put(range(20), np.stack([unit(number % 7) for number in range(20)]))
    assert [key for key, _ in index.near(QUERY, 0.9)] == [0, 7, 14]
    index.put([], np.zeros((0, 2)))
    assert len(index) == 20
