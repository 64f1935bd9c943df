"""Rows by hand from plain data: no model, no memory, no texts."""

from collections.abc import Sequence

import numpy as np
import pytest

from memalpha.errors import TrainingError
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import OptimConfig, RewardConfig, RolloutConfig, TrainConfig
from memalpha.rl.rows import CENTRED, Row, all_rows, rows
from memalpha.rl.trajectory import Choice, SampledStep, Trajectory


def config_of(
    estimator: Estimator = Estimator.TRAJECTORY, *, call_credit: float = 0.0, branches: int = 0, std: bool = False
) -> TrainConfig:
    return TrainConfig(
        rollout=RolloutConfig(group=2, branches=branches),
        reward=RewardConfig(call_credit=call_credit),
        optim=OptimConfig(estimator=estimator, normalise_std=std),
    )


def step(reward: float, *choices: Choice, tokens: int = 6) -> SampledStep:
    return SampledStep(
        prompt_ids=(7, 8),
        token_ids=tuple(range(tokens)),
        logprobs=(-0.5,) * tokens,
        reward=reward,
        choices=choices,
    )


def sample(*steps: SampledStep) -> Trajectory:
    return Trajectory(steps=steps)


def values(found: Sequence[Row]) -> list[float]:
    return [row.advantage for row in found]


# Two samples of two steps: rewards [G, T] are 2 and 1, then 1 and 1.
GROUP = (sample(step(2.0), step(1.0)), sample(step(1.0), step(1.0)))


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (Estimator.POOLED, [0.75, -0.25, -0.25, -0.25]),
        (Estimator.TRAJECTORY, [0.25, 0.25, -0.25, -0.25]),
        (Estimator.PER_STEP, [0.5, 0.0, -0.5, 0.0]),
    ],
)
def test_rows_of_each_estimator(estimator: Estimator, expected: list[float]) -> None:
    whole = all_rows(GROUP, config_of(estimator), progress=1.0, group=3)
    assert values(whole) == pytest.approx(expected)
    assert {row.group for row in whole} == {3}
    assert rows(GROUP, config_of(estimator), progress=1.0, group=3) == [row for row in whole if abs(row.advantage) > 0]


def test_a_row_is_the_step_with_its_advantage() -> None:
    first, *_ = rows(GROUP, config_of(), progress=1.0, group=0)
    assert first == Row(
        prompt_ids=(7, 8),
        token_ids=(0, 1, 2, 3, 4, 5),
        logprobs=(-0.5,) * 6,
        advantage=pytest.approx(0.25),
        group=0,
    )


def test_branches_come_after_the_trajectories() -> None:
    config = config_of(Estimator.BRANCHED, branches=1)
    found = rows(GROUP, config, progress=1.0, group=0, branches=[[step(1.0), step(3.0)]])
    assert values(found) == pytest.approx([0.125, 0.125, -0.125, -0.125, -0.5, 0.5])


def test_choices_are_credited_apart() -> None:
    # Values 3 and -1 of two calls that have no baseline: over the root of their mean square, sqrt(5).
    calls = (Choice(tool="", value=3.0, first=1, stop=3), Choice(tool="", value=-1.0, first=4, stop=5))
    group = (sample(step(1.0, *calls)), sample(step(0.0)))
    kept, other = rows(group, config_of(call_credit=0.75), progress=1.0, group=0)
    common, unit = 0.25 * 0.5, 0.75 / np.sqrt(5.0)
    expected = [common, common + 3 * unit, common + 3 * unit, common, common - unit, common]
    assert kept.advantage == pytest.approx(0.5)
    assert list(kept.token_advantages) == pytest.approx(expected, abs=1e-5)
    assert list(other.token_advantages) == pytest.approx([-common] * 6)


def test_a_choice_without_a_place_counts_among_its_like_and_credits_no_token() -> None:
    group = (
        sample(step(0.0, Choice(tool="", value=3.0, first=0, stop=1))),
        sample(step(0.0, Choice(tool="", value=4.0))),
    )
    (kept,) = rows(group, config_of(call_credit=1.0), progress=1.0, group=0)
    assert list(kept.token_advantages) == pytest.approx([3.0 / np.sqrt(12.5), 0, 0, 0, 0, 0], abs=1e-5)


def test_where_no_choice_has_a_place_all_tokens_count_by_the_step() -> None:
    group = (sample(step(1.0, Choice(tool="", value=3.0))), sample(step(0.0, Choice(tool="", value=3.0))))
    found = rows(group, config_of(call_credit=0.75), progress=1.0, group=0)
    assert [(row.advantage, row.token_advantages) for row in found] == [(0.5, ()), (-0.5, ())]


def test_without_a_difference_in_reward_choices_still_teach() -> None:
    group = tuple(sample(step(1.0, Choice(tool="", value=value, first=0, stop=2))) for value in (1.0, -1.0))
    found = rows(group, config_of(call_credit=0.75), progress=1.0, group=0)
    assert values(found) == pytest.approx([0.0, 0.0])
    assert [max(row.token_advantages, key=abs) for row in found] == pytest.approx([0.75, -0.75], abs=1e-5)


def test_early_in_a_run_calls_of_a_helpful_tool_are_compared_with_each_other() -> None:
    group = tuple(sample(step(1.0, Choice(tool="insert", value=value, first=0, stop=1))) for value in (1.0, 3.0))
    starts = [row.token_advantages[0] for row in rows(group, config_of(call_credit=1.0), progress=0.0, group=0)]
    ends = [row.token_advantages[0] for row in rows(group, config_of(call_credit=1.0), progress=CENTRED, group=0)]
    assert starts == pytest.approx([-1.0, 1.0], abs=1e-5)
    assert ends == pytest.approx([1 / np.sqrt(5.0), 3 / np.sqrt(5.0)], abs=1e-5)


def test_equal_samples_give_no_row_and_infinite_rewards_are_refused() -> None:
    assert rows((sample(step(1.0)),) * 2, config_of(std=True), progress=1.0, group=0) == []
    with pytest.raises(TrainingError, match="got an infinite reward"):
        rows((sample(step(float("inf"))),) * 2, config_of(), progress=1.0, group=0)
