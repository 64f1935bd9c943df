"""Micro-batches: two rows laid out by hand, the token budget, and that nothing is lost or added."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memalpha.rl.batch import MicroBatch, micro_batches, padding_share
from memalpha.rl.rows import Row

SHORT = Row(prompt_ids=(4,), token_ids=(2, 3, 1), logprobs=(-0.3, -0.4, -0.5), advantage=-1.0, group=0)
LONG = Row(prompt_ids=(5, 6, 7), token_ids=(8, 9), logprobs=(-0.1, -0.2), advantage=1.5, group=3)


def row(prompt: int, sampled: int) -> Row:
    """A row of these lengths."""
    return Row(
        prompt_ids=tuple(range(10, 10 + prompt)),
        token_ids=tuple(range(50, 50 + sampled)),
        logprobs=(-1.0,) * sampled,
        advantage=1.0,
        group=0,
    )


ROWS = st.lists(st.builds(row, st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=9)


def test_two_rows_by_hand() -> None:
    (batch,) = micro_batches([SHORT, LONG], token_budget=100, padding=1.0)
    assert batch.rows == (1, 0)  # the longer one first
    assert batch.ids_NL.tolist() == [[5, 6, 7, 8, 9], [4, 2, 3, 1, 0]]
    assert batch.attention_NL.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    # The logits of a token stand one place before it: 8 is at place 3, 2 at place 1.
    assert batch.positions_NC.tolist() == [[2, 3, 0], [0, 1, 2]]
    assert batch.targets_NC.tolist() == [[8, 9, 0], [2, 3, 1]]
    assert batch.mask_NC.tolist() == [[1, 1, 0], [1, 1, 1]]
    torch.testing.assert_close(batch.logprobs_NC, torch.tensor([[-0.1, -0.2, 0.0], [-0.3, -0.4, -0.5]]))
    assert batch.advantages_NC.tolist() == [[1.5, 1.5, 0.0], [-1.0, -1.0, -1.0]]
    assert batch.groups_N.tolist() == [3, 0]


def test_tokens_may_have_advantages_of_their_own() -> None:
    own = replace(LONG, token_advantages=(0.5, -0.25))
    (batch,) = micro_batches([own, SHORT], token_budget=100, padding=1.0)
    assert batch.advantages_NC.tolist() == [[0.5, -0.25, 0.0], [-1.0, -1.0, -1.0]]


@pytest.mark.parametrize(
    ("budget", "parts"),
    [
        (15, [(0, 1, 2)]),  # three rows, padded to the 5 of the longest
        (14, [(0, 1), (2,)]),
        (10, [(0, 1), (2,)]),
        (9, [(0,), (1, 2)]),  # 4 + 4 places
        (7, [(0,), (1,), (2,)]),
        (1, [(0,), (1,), (2,)]),  # longer than the budget: by itself
    ],
)
def test_the_budget_counts_padding(budget: int, parts: list[tuple[int, ...]]) -> None:
    rows = [row(3, 2), row(3, 1), row(2, 1)]  # 5, 4 and 3 tokens
    assert [batch.rows for batch in micro_batches(rows, token_budget=budget, padding=1.0)] == parts


def test_rows_of_unlike_length_do_not_go_together() -> None:
    lengths = [20, 20, 19, 18, 10, 10]
    rows = [row(length - 1, 1) for length in lengths]
    # 20 + 20 + 19 leave one place of 60 empty; with 18 beside them it would be 3 of 80, still within 5%.
    batches = micro_batches(rows, token_budget=1000)
    assert [batch.rows for batch in batches] == [(0, 1, 2, 3), (4, 5)]
    assert padding_share(batches) == pytest.approx(3 / 100)
    assert [batch.rows for batch in micro_batches(rows, token_budget=1000, padding=0.02)] == [(0, 1, 2), (3,), (4, 5)]


def test_rows_of_one_length_keep_their_order() -> None:
    assert micro_batches([row(2, 2), row(3, 1), row(1, 3)], token_budget=100, padding=1.0)[0].rows == (0, 1, 2)


def test_padding_share_by_hand() -> None:
    assert padding_share(micro_batches([SHORT, LONG], token_budget=100, padding=1.0)) == pytest.approx(
        1 / 10
    )  # 9 tokens, 10 places
    assert padding_share(micro_batches([SHORT, LONG], token_budget=5, padding=1.0)) == 0.0
    assert padding_share([]) == 0.0


def test_no_rows_are_no_batches() -> None:
    assert micro_batches([], token_budget=10) == []


@given(rows=ROWS, budget=st.integers(1, 60))
def test_what_was_sampled_is_what_is_trained(rows: list[Row], budget: int) -> None:
    batches = micro_batches(rows, token_budget=budget)
    assert sorted(at for batch in batches for at in batch.rows) == list(range(len(rows)))
    for batch in batches:
        assert len(batch.rows) == 1 or batch.ids_NL.numel() <= budget
        assert padding_share([batch]) <= 0.05 + 1e-9
        for n, at in enumerate(batch.rows):
            assert real_ids(batch, n) == [*rows[at].prompt_ids, *rows[at].token_ids]
            sampled = batch.mask_NC[n].bool()
            assert batch.targets_NC[n][sampled].tolist() == list(rows[at].token_ids)
            assert batch.ids_NL[n][batch.positions_NC[n][sampled] + 1].tolist() == list(rows[at].token_ids)


def real_ids(batch: MicroBatch, n: int) -> list[int]:
    ids: list[int] = batch.ids_NL[n][batch.attention_NL[n].bool()].tolist()
    return ids
