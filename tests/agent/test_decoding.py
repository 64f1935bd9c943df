"""The decoding loop row by row, on chains worked by hand; batches of real networks are in test_local.py."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from memalpha.agent.decoding import Decoder, Drawn, Row, Sample, inverse, nucleus
from memalpha.errors import ModelError

END = 1
HALF, QUARTER = math.log(0.5), math.log(0.25)


class Chain(torch.nn.Module):
    """A Markov chain of ten tokens: the next one hangs on the last alone. 4 leads to 5, 6 or 7; these to the end."""

    device, config = torch.device("cpu"), None

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.full((10, 10), -math.inf)
        self.table[4, 5:8] = torch.tensor([0.5, 0.25, 0.25]).log()
        self.table[[END, 5, 6, 7], END] = 0.0
        self.table[2, 2] = 0.0  # for ever
        self.table[3] = math.nan
        self.widths: list[int] = []

    def forward(self, *, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        self.widths.append(len(input_ids))
        return SimpleNamespace(logits=self.table[input_ids[:, -1:]])


def decoder(*rows: Row, network: Any = None) -> Decoder:
    return Decoder(network or Chain(), rows, frozenset({END}))


def row(*ids: int, **more: Any) -> Row:
    return Row(ids=ids, **{"max_tokens": 9, **more})


def to_the_end(made: Decoder) -> list[Drawn]:
    drawn: list[Drawn] = []
    while made.alive:
        drawn += made.step()
    return drawn


def test_each_row_goes_its_own_way() -> None:
    made = decoder(row(4), row(9, 2, max_tokens=3), row(5))
    found = [[(each.row, each.token, each.ended) for each in made.step()] for _ in range(3)]
    assert found == [[(0, 5, False), (1, 2, False), (2, END, True)], [(0, END, True), (1, 2, False)], [(1, 2, False)]]
    assert not made.alive


def test_a_row_that_is_dropped_draws_nothing_more() -> None:
    made = decoder(row(2), row(4))
    made.step()
    made.drop(0)
    assert [each.row for each in to_the_end(made)] == [1]


def test_rows_that_ended_leave_once_they_are_half_of_a_large_batch() -> None:
    network = Chain()
    to_the_end(decoder(*[row(5)] * 6, *[row(2, max_tokens=3)] * 6, network=network))
    # The two prompts that differ are read once each; the first tokens of all twelve rows are drawn from that.
    assert network.widths == [2, 6, 6]
    network = Chain()
    to_the_end(decoder(*[row(5)] * 4, *[row(2, max_tokens=3)] * 4, network=network))
    assert network.widths == [2, 8, 8]


def test_the_likeliest_tokens_are_told() -> None:
    (drawn,) = decoder(row(4, likeliest=2)).step()
    assert (drawn.token, drawn.logprob) == (5, pytest.approx(HALF))
    assert drawn.likeliest[0][0] == 5
    assert [logprob for _, logprob in drawn.likeliest] == pytest.approx([HALF, QUARTER])
    assert decoder(row(4)).step()[0].likeliest == ()


def test_temperatures_side_by_side() -> None:
    # At temperature 1/2 the chances 2 : 1 : 1 become 4 : 1 : 1.
    rows = [row(4, seed=at, temperature=0.5) for at in range(600)] + [row(4)] * 5
    drawn = decoder(*rows).step()
    assert [each.token for each in drawn[600:]] == [5] * 5
    assert drawn[600].logprob == pytest.approx(HALF)
    assert {round(math.exp(each.logprob) * 6) for each in drawn[:600]} == {4, 1}
    assert sum(each.token == 5 for each in drawn[:600]) / 600 == pytest.approx(4 / 6, abs=0.06)


def test_top_p_leaves_out_the_rest_and_not_its_log_probabilities() -> None:
    drawn = decoder(*[row(4, seed=at, temperature=1.0, top_p=0.4) for at in range(50)]).step()
    assert {(each.token, round(each.logprob, 5)) for each in drawn} == {(5, round(HALF, 5))}
    drawn = decoder(*[row(4, seed=at, temperature=1.0, top_p=0.6) for at in range(200)]).step()
    assert {each.token for each in drawn} == {5, 6}


def test_the_nucleus_by_hand() -> None:
    chances = torch.tensor([0.1, 0.4, 0.3, 0.2])
    assert nucleus(chances, 0.7).tolist() == pytest.approx([0.0, 0.4, 0.3, 0.0])
    assert nucleus(chances, 0.75).tolist() == pytest.approx([0.0, 0.4, 0.3, 0.2])
    assert nucleus(chances, 0.01).tolist() == pytest.approx([0.0, 0.4, 0.0, 0.0])
    assert nucleus(torch.tensor([0.5, 0.5]), 0.5).tolist() == [0.5, 0.0]


def test_a_seed_makes_a_row_repeatable_whatever_stands_beside_it() -> None:
    def drawn(seed: int, *beside: Row) -> list[int]:
        made = decoder(*beside, row(4, seed=seed, temperature=1.0))
        return [each.token for each in to_the_end(made) if each.row == len(beside)]

    alone = [drawn(seed) for seed in range(40)]
    assert alone == [drawn(seed, row(2), row(4, temperature=1.0)) for seed in range(40)]
    assert len({tuple(each) for each in alone}) == 3


def test_numbers_that_are_not_finite_raise() -> None:
    for temperature in (0.0, 1.0):
        with pytest.raises(ModelError, match="not finite"):
            decoder(row(4), row(3, temperature=temperature)).step()


def test_rows_join_at_any_time() -> None:
    made = decoder(row(2, max_tokens=4), row(4))
    assert [(each.row, each.token) for each in made.step()] == [(0, 2), (1, 5)]
    assert list(made.admit([row(9, 9, 6), row(4)])) == [2, 3]
    assert [(each.row, each.token) for each in made.step()] == [(2, END), (3, 5)]
    assert [(each.row, each.token) for each in made.step()] == [(0, 2), (1, END), (3, END)]
    assert [(each.row, each.token) for each in to_the_end(made)] == [(0, 2), (0, 2)]
    assert list(made.admit([row(6)])) == [4]
    assert [(each.row, each.token) for each in made.step()] == [(4, END)]
    assert not made.alive


def test_who_is_dropped_before_being_read_is_not_read() -> None:
    network = Chain()
    made = decoder(row(4), row(6), network=network)
    made.drop(0)
    assert [each.row for each in to_the_end(made)] == [1]
    assert network.widths == [1]


def test_tokens_at_which_the_sum_of_chances_passes_a_draw() -> None:
    chances = torch.tensor([0.0, 0.5, 0.0, 0.25, 0.25, 0.0])
    draws = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.75, 1 - 1e-16], dtype=torch.float64)
    assert inverse(chances.expand(6, 6), draws).tolist() == [1, 1, 3, 3, 4, 4]
    # Half of the chances, left by a nucleus, count as all.
    assert inverse(chances.expand(1, 6) / 2, torch.tensor([0.6], dtype=torch.float64)).tolist() == [3]


def letters(ids: list[int]) -> str:
    return "".join("abcdefghij"[each] for each in ids)


def taken(*tokens: int, **more: Any) -> Sample:
    sample = Sample(letters, **more)
    for token in tokens:
        if sample.take(Drawn(0, token, -1.0, token == END)):
            break
    return sample


def test_a_sample_that_ends_by_itself_is_finished() -> None:
    sample = taken(5, 6, END)
    assert (sample.said, sample.finished, sample.finish()) == ([5, 6], True, "fg")
    cut = taken(5, 6)
    assert (cut.finished, cut.finish()) == (False, "fg")
    assert (taken().finished, taken().finish()) == (False, "")


def test_a_sample_stops_at_a_stop_text() -> None:
    sample = taken(5, 6, 7, 8, stop=("gh",))
    assert (len(sample.drawn), sample.finished, sample.finish()) == (3, True, "f")
    assert taken(5, 6, stop=("gh",)).sure == "f"


def test_a_sample_that_is_followed_tells_its_text_as_it_goes() -> None:
    assert taken(5, 6, follow=True).sure == "fg"
    assert taken(5, END, follow=True).finish() == "f"
