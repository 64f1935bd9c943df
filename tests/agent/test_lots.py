"""Rows of like length together: every row once, within the budget and the padding."""

from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.lots import lots


def test_lots_by_hand() -> None:
    # 20 + 20 + 19 + 18 leave 3 of 80 places empty, within 5%; 10 beside them would not be.
    assert lots([10, 18, 20, 10, 19, 20], budget=1000) == [[2, 5, 4, 1], [0, 3]]
    assert lots([10, 18, 20, 10, 19, 20], budget=40) == [[2, 5], [4, 1], [0, 3]]
    assert lots([5, 9], budget=1) == [[1], [0]]
    assert lots([], budget=10) == []


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 300))
def test_lots_hold_every_row_once_within_their_limits(lengths: list[int], budget: int) -> None:
    found = lots(lengths, budget=budget)
    assert sorted(row for lot in found for row in lot) == list(range(len(lengths)))
    for lot in found:
        places = len(lot) * lengths[lot[0]]
        assert len(lot) == 1 or places <= budget
        assert sum(lengths[row] for row in lot) >= 0.95 * places - 1e-9
    order = [lengths[row] for lot in found for row in lot]
    assert order == sorted(order, reverse=True)
