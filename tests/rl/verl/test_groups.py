"""Rows as verl hands them back, out of order and under its keys: to advantages by hand."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.errors import TrainingError
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import OptimConfig, RewardConfig, RolloutConfig, TrainConfig
from memalpha.rl.rows import rows
from memalpha.rl.trajectory import Choice, SampledStep, Trajectory, to_plain
from memalpha.rl.verl.groups import FAILED, MEASURES, STEP, STEPS, deal, learn_from, measures, token_advantages

CONFIG = TrainConfig(
    rollout=RolloutConfig(group=2),
    reward=RewardConfig(call_credit=0.5),
    optim=OptimConfig(estimator=Estimator.PER_STEP, normalise_std=False),
)


def step(reward: float, token: int, *choices: Choice) -> SampledStep:
    return SampledStep(prompt_ids=(9,), token_ids=(token, 1), logprobs=(-1.0, -1.0), reward=reward, choices=choices)


def kept(*samples: Sequence[SampledStep], group: str = "a-b") -> dict[str, dict[str, object]]:
    """As verl keeps the samples of a group."""
    return {
        f"{group}_{sample}_{at}": {STEP: to_plain(step), STEPS: len(steps)}
        for sample, steps in enumerate(samples)
        for at, step in enumerate(steps)
    }


GAIN = Choice(tool="", value=2.0, first=0, stop=1)
ONE = (step(2.0, 10, GAIN), step(1.0, 11))
OTHER = (step(1.0, 12), step(1.0, 13))


def test_advantages_by_key_are_those_of_the_rows() -> None:
    fields = kept(ONE, OTHER)
    keys = list(fields)
    random.Random(0).shuffle(keys)
    found = learn_from({key: fields[key] for key in keys}, CONFIG, progress=1.0, groups=1)
    # Rewards 2 and 1 at the first step, equal at the second; the one call is worth its value over itself.
    assert token_advantages(found["a-b_0_0"]) == pytest.approx([0.25 + 0.5, 0.25], abs=1e-5)
    assert token_advantages(found["a-b_1_0"]) == pytest.approx([-0.25, -0.25])
    assert {key for key, row in found.items() if row.teaches} == {"a-b_0_0", "a-b_1_0"}
    trajectories = [Trajectory(steps=ONE), Trajectory(steps=OTHER)]
    assert [row for row in found.values() if row.teaches] == rows(trajectories, CONFIG, progress=1.0, group=0)


def test_groups_are_kept_apart_and_steps_counted_as_numbers() -> None:
    many = tuple(step(float(at), 20 + at) for at in range(11))
    fields = kept(many, many, group="x") | kept(ONE, OTHER, group="y")
    found = learn_from(fields, CONFIG, progress=1.0, groups=2)
    assert found["x_0_10"].token_ids == (30, 1)
    assert {found["x_0_0"].group, found["y_0_0"].group} == {0, 1}


def test_a_row_without_choices_has_its_advantage_on_every_token() -> None:
    config = TrainConfig(rollout=RolloutConfig(group=2), reward=RewardConfig(call_credit=0.0), optim=CONFIG.optim)
    found = learn_from(kept(ONE, OTHER), config, progress=1.0, groups=1)
    assert token_advantages(found["a-b_0_0"]) == [0.5, 0.5]


def test_a_sample_that_is_missing_is_told() -> None:
    with pytest.raises(TrainingError, match=r"got 1 samples of 1 episodes, expected 2 of each of 1"):
        learn_from(kept(ONE), CONFIG, progress=1.0, groups=1)
    with pytest.raises(TrainingError, match=r"got 2 samples of 1 episodes, expected 2 of each of 3"):
        learn_from(kept(ONE, OTHER), CONFIG, progress=1.0, groups=3)
    with pytest.raises(TrainingError, match=r"got 0 samples of 0 episodes"):
        learn_from({}, CONFIG, progress=1.0, groups=1)


def test_a_step_that_is_missing_is_told() -> None:
    fields = kept(ONE, OTHER)
    del fields["a-b_0_1"]
    with pytest.raises(TrainingError, match=r"got 1 of 2 steps of a sample"):
        learn_from(fields, CONFIG, progress=1.0, groups=1)


def test_a_sample_that_failed_says_why() -> None:
    fields = kept(ONE, OTHER) | {"a-b_1_0": {FAILED: "the reader is down"}}
    with pytest.raises(TrainingError, match=r"^a sample failed: the reader is down; the last checkpoint is whole$"):
        learn_from(fields, CONFIG, progress=1.0, groups=1)


def test_measures_are_means_over_samples() -> None:
    fields = {"a_0_0": {}, "a_0_1": {MEASURES: {"correctness": 1.0}}, "a_1_0": {MEASURES: {"correctness": 0.5}}}
    assert measures(fields) == {"correctness": 0.75, "correctness_spread": 0.25}
    assert measures({}) == {}


def test_rows_are_dealt_to_the_updates_of_each_rank() -> None:
    # Two ranks of four rows, two updates; the last two rows of the second rank are padding.
    padding = [False] * 6 + [True] * 2
    assert deal(padding, ranks=2, parts=2) == [0, 2, 1, 3, 4, 6, 5, 7]


@given(real=st.integers(1, 60), ranks=st.integers(1, 4), parts=st.integers(1, 6), seed=st.integers(0, 9))
def test_every_update_has_a_row_that_is_no_padding(real: int, ranks: int, parts: int, seed: int) -> None:
    parts = max(1, min(parts, real // ranks))
    width = -(-real // (ranks * parts)) * parts
    padding = [False] * real + [True] * (ranks * width - real)
    random.Random(seed).shuffle(padding)
    order = deal(padding, ranks, parts)
    assert sorted(order) == list(range(ranks * width))
    each = width // parts
    for part in range(parts):
        places = [order[rank * width + part * each + at] for rank in range(ranks) for at in range(each)]
        assert not all(padding[at] for at in places)
        assert all(at // width == order.index(at) // width for at in places)
