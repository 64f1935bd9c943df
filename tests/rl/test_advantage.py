"""Advantages: hand-worked numbers, slow reference twins in plain loops, and properties on random ragged groups."""

import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from memalpha.errors import ConfigError, TrainingError
from memalpha.rl.advantage import (
    EPSILON,
    Estimator,
    FloatArray,
    branched,
    keep_mask,
    per_call,
    per_step,
    pooled,
    trajectory,
    zero_variance,
)

NAN = math.nan
Rows = list[list[float]]


# Reference twins: lists of floats, one row after the other.


def reference_std(deviations: list[float], baselines: int) -> float:
    freedom = len(deviations) - baselines
    return math.sqrt(sum(d * d for d in deviations) / freedom) if freedom > 0 else 0.0


def reference_pooled(rewards: Rows, normalise_std: bool) -> Rows:
    present = [r for row in rewards for r in row if not math.isnan(r)]
    if not present:
        return rewards
    mean = sum(present) / len(present)
    std = reference_std([r - mean for r in present], 1)
    return [[(r - mean) / (std + EPSILON) if normalise_std else r - mean for r in row] for row in rewards]


def reference_trajectory(rewards: Rows, normalise_std: bool) -> Rows:
    means = []
    for row in rewards:
        present = [r for r in row if not math.isnan(r)]
        means.append(sum(present) / len(present) if present else NAN)
    column = reference_pooled([[mean] for mean in means], normalise_std)
    return [[NAN if math.isnan(r) else column[g][0] for r in row] for g, row in enumerate(rewards)]


def reference_per_step(rewards: Rows, normalise_std: bool) -> Rows:
    centred = [list(row) for row in rewards]
    baselines = 0
    for t in range(len(rewards[0])):
        present = [row[t] for row in rewards if not math.isnan(row[t])]
        if present:
            baselines += 1
            for row in centred:
                row[t] -= sum(present) / len(present)
    std = reference_std([c for row in centred for c in row if not math.isnan(c)], baselines)
    return [[c / (std + EPSILON) if normalise_std else c for c in row] for row in centred]


def reference_branched(trajectories: Rows, branches: Rows, mix: float, normalise_std: bool) -> tuple[Rows, Rows]:
    baselines = 0
    centred = []
    for row in branches:
        present = [r for r in row if not math.isnan(r)]
        baselines += bool(present)
        mean = sum(present) / len(present) if present else NAN
        centred.append([r - mean for r in row])
    std = reference_std([c for row in centred for c in row if not math.isnan(c)], baselines)
    local = [[(1 - mix) * (c / (std + EPSILON) if normalise_std else c) for c in row] for row in centred]
    return [[mix * a for a in row] for row in reference_trajectory(trajectories, normalise_std)], local


def reference_per_call(calls: list[tuple[float, str]], centring: float) -> list[float]:
    centred = []
    for value, tool in calls:
        alike = [other for other, name in calls if name == tool]
        mean = sum(alike) / len(alike)
        baseline = mean if mean < 0 else centring * mean
        centred.append(value - baseline if tool else value)
    std = reference_std(centred, 0)
    return [c / (std + EPSILON) if std > 1e-9 else 0.0 for c in centred]


TWINS: list[tuple[Callable[..., FloatArray], Callable[[Rows, bool], Rows]]] = [
    (pooled, reference_pooled),
    (trajectory, reference_trajectory),
    (per_step, reference_per_step),
]
ESTIMATORS = [twin[0] for twin in TWINS]


@st.composite
def ragged_groups(draw: st.DrawFn) -> FloatArray:
    """Eighths, so that equal rewards are exactly equal, and NaN for what a failed rollout left out."""
    trajectories, steps = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    reward = st.one_of(st.integers(-16, 16).map(lambda n: n / 8), st.just(NAN))
    rows = st.lists(st.lists(reward, min_size=steps, max_size=steps), min_size=trajectories, max_size=trajectories)
    return np.array(draw(rows))


# Numbers worked by hand.


def test_pooled_by_hand() -> None:
    # mean 3; deviations -3 1 1 1; squares 12; variance 12 / 3 = 4; std 2
    assert_allclose(pooled(np.array([[0.0, 4.0], [4.0, 4.0]])), [[-1.5, 0.5], [0.5, 0.5]], atol=1e-5)
    assert_allclose(pooled(np.array([[0.0, 4.0], [4.0, 4.0]]), normalise_std=False), [[-3, 1], [1, 1]])


def test_pooled_leaves_out_what_failed() -> None:
    # of 1 3 5: mean 3; deviations -2 0 2; variance 8 / 2; std 2
    assert_allclose(pooled(np.array([[1.0, NAN], [3.0, 5.0]])), [[-1.0, NAN], [0.0, 1.0]], atol=1e-5)


def test_trajectory_by_hand() -> None:
    # means 1 2 3; std 1
    assert_allclose(trajectory(np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]])), [[-1, -1], [0, 0], [1, 1]], atol=1e-5)


def test_trajectory_takes_the_mean_of_the_steps_that_exist() -> None:
    # means 4 (one step) and 2 (two steps); baseline 3
    assert_allclose(trajectory(np.array([[4.0, NAN], [1.0, 3.0]]), normalise_std=False), [[1.0, NAN], [-1.0, -1.0]])


def test_per_step_by_hand() -> None:
    # baselines 1 and 11; deviations -1 0 1 twice; squares 4 over 6 - 2 degrees of freedom; std 1
    assert_allclose(per_step(np.array([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]])), [[-1, -1], [0, 0], [1, 1]], atol=1e-5)


def test_per_step_has_one_std_so_that_a_quiet_position_stays_quiet() -> None:
    advantages = per_step(np.array([[0.0, 5.0], [2.0, 5.01]]))
    assert_allclose(advantages[1, 1] / advantages[1, 0], 0.005)


def test_a_hard_position_costs_in_pooled_and_not_in_per_step() -> None:
    rewards_GT = np.array([[1.0, 3.0], [1.0, 3.0]])  # two equal trajectories
    assert_allclose(pooled(rewards_GT, normalise_std=False), [[-1, 1], [-1, 1]])
    assert_allclose(per_step(rewards_GT), 0.0)
    assert_allclose(trajectory(rewards_GT), 0.0)


def test_branched_by_hand() -> None:
    got = branched(
        np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]), np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]]), mix=0.25
    )
    assert_allclose(got.trajectory_GT, [[-0.25, -0.25], [0.0, 0.0], [0.25, 0.25]], atol=1e-5)
    assert_allclose(got.branch_BK, [[-0.75, 0, 0.75], [-0.75, 0, 0.75]], atol=1e-5)


def test_per_call_by_hand() -> None:
    # Inserts 3 1 2 help and are compared with 0, updates -1 -3 do harm and are compared with their mean, -2.
    # Centred 3 1 2 and 1 -1; squares 9 1 4 1 1 of five calls: the deviation is the root of 16 / 5.
    values = [[[3.0, -1.0], []], [[1.0], [-3.0, 2.0]]]
    tools = [[["insert", "update"], []], [["insert"], ["update", "insert"]]]
    got = per_call(values, tools)
    unit = math.sqrt(5) / 4
    assert [[len(calls) for calls in steps] for steps in got] == [[2, 0], [1, 2]]
    assert_allclose(got[0][0], [3 * unit, unit], atol=1e-5)
    assert_allclose(got[1][0], [unit], atol=1e-5)
    assert_allclose(got[1][1], [-unit, 2 * unit], atol=1e-5)


def test_a_share_of_the_mean_of_a_helpful_tool_is_taken_off() -> None:
    # Inserts 3 1 have the mean 2; half of it is taken off: 2 0. Squares 4 and 0 of two calls: the root of 2.
    got = per_call([[[3.0, 1.0]]], [[["insert", "insert"]]], centring=0.5)
    assert_allclose(got[0][0], [2 / math.sqrt(2), 0.0], atol=1e-5)


def test_a_call_that_failed_keeps_its_value() -> None:
    # Compared with the mean of failures it would be 0. Squares 1 and 1 of two calls: the deviation is 1.
    assert_allclose(per_call([[[1.0, -1.0]]], [[["insert", ""]]])[0][0], [1.0, -1.0], atol=1e-5)


@pytest.mark.parametrize(
    "values", [[[[-0.3], [-0.3]]], [[[-0.1 - 0.2], [-0.3]]], [[[-5.0], []]], [[[0.0], []]], [[[]]]]
)
def test_harm_that_does_not_differ_from_its_like_has_no_advantage(values: list[list[list[float]]]) -> None:
    got = per_call(values, [[["update" for _ in calls] for calls in steps] for steps in values])
    assert [value for steps in got for calls in steps for value in calls] == pytest.approx(
        [0.0 for steps in values for calls in steps for _ in calls], abs=1e-12
    )


def test_branched_at_its_ends() -> None:
    rewards_GT, local_BK = np.array([[0.0], [2.0]]), np.array([[1.0, 3.0]])
    assert_allclose(branched(rewards_GT, local_BK, mix=1.0).trajectory_GT, trajectory(rewards_GT))
    assert_allclose(branched(rewards_GT, local_BK, mix=1.0).branch_BK, 0.0)
    assert_allclose(branched(rewards_GT, local_BK, mix=0.0).trajectory_GT, 0.0)
    assert branched(rewards_GT, np.empty((0, 4))).branch_BK.shape == (0, 4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_nothing_to_compare_gives_zero(estimator: Callable[..., FloatArray]) -> None:
    assert_allclose(estimator(np.array([[0.7]])), 0.0)
    assert_allclose(estimator(np.full((3, 2), 0.1)), 0.0, atol=1e-9)
    assert_allclose(estimator(np.full((2, 2), NAN)), NAN)


# Twins and properties.


@pytest.mark.parametrize(("fast", "slow"), TWINS)
@given(rewards_GT=ragged_groups(), normalise_std=st.booleans())
def test_equals_its_reference(
    fast: Callable[..., FloatArray], slow: Callable[[Rows, bool], Rows], rewards_GT: FloatArray, normalise_std: bool
) -> None:
    expected = slow(rewards_GT.tolist(), normalise_std)
    assert_allclose(fast(rewards_GT, normalise_std=normalise_std), expected, atol=1e-9, equal_nan=True)


CALLS = st.lists(st.tuples(st.integers(-16, 16).map(lambda n: n / 8), st.sampled_from(["insert", "update", ""])))


@given(st.lists(st.lists(CALLS, max_size=3), max_size=4), st.sampled_from([0.0, 0.25, 1.0]))
def test_per_call_equals_its_reference(group: list[list[list[tuple[float, str]]]], centring: float) -> None:
    values = [[[value for value, _ in calls] for calls in steps] for steps in group]
    tools = [[[tool for _, tool in calls] for calls in steps] for steps in group]
    got = per_call(values, tools, centring=centring)
    expected = reference_per_call([call for steps in group for calls in steps for call in calls], centring)
    assert [[len(calls) for calls in steps] for steps in got] == [[len(calls) for calls in steps] for steps in group]
    assert_allclose([value for steps in got for calls in steps for value in calls], expected, atol=1e-9)


@given(global_GT=ragged_groups(), local_BK=ragged_groups(), mix=st.floats(0, 1), normalise_std=st.booleans())
def test_branched_equals_its_reference(
    global_GT: FloatArray, local_BK: FloatArray, mix: float, normalise_std: bool
) -> None:
    got = branched(global_GT, local_BK, mix=mix, normalise_std=normalise_std)
    trajectories, branches = reference_branched(global_GT.tolist(), local_BK.tolist(), mix, normalise_std)
    assert_allclose(got.trajectory_GT, trajectories, atol=1e-9, equal_nan=True)
    assert_allclose(got.branch_BK, branches, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(rewards_GT=ragged_groups(), shift=st.integers(-80, 80).map(lambda n: n / 8))
def test_a_shift_changes_nothing_and_nan_stays_where_it_was(
    estimator: Callable[..., FloatArray], rewards_GT: FloatArray, shift: float
) -> None:
    given_GT = rewards_GT.copy()
    advantages_GT = estimator(rewards_GT)
    assert_allclose(estimator(rewards_GT + shift), advantages_GT, atol=1e-7, equal_nan=True)
    assert np.array_equal(np.isnan(advantages_GT), np.isnan(rewards_GT))
    assert np.array_equal(rewards_GT, given_GT, equal_nan=True)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(rewards_GT=ragged_groups())
def test_a_failed_trajectory_changes_nothing_for_the_others(
    estimator: Callable[..., FloatArray], rewards_GT: FloatArray
) -> None:
    failed_1T = np.full((1, rewards_GT.shape[1]), NAN)
    with_failed_GT = estimator(np.concatenate([rewards_GT, failed_1T]))
    assert_allclose(with_failed_GT[:-1], estimator(rewards_GT), atol=1e-9, equal_nan=True)


@given(rewards_GT=ragged_groups(), shifts=st.lists(st.integers(-80, 80).map(lambda n: n / 8), min_size=5, max_size=5))
def test_per_step_sums_to_zero_and_ignores_how_hard_a_position_is(rewards_GT: FloatArray, shifts: list[float]) -> None:
    advantages_GT = per_step(rewards_GT)
    assert_allclose(np.nansum(advantages_GT, axis=0), 0.0, atol=1e-9)
    shifted_GT = rewards_GT + np.array(shifts[: rewards_GT.shape[1]])
    assert_allclose(per_step(shifted_GT), advantages_GT, atol=1e-7, equal_nan=True)


@given(rewards_GT=ragged_groups())
def test_zero_variance_means_that_every_advantage_is_zero(rewards_GT: FloatArray) -> None:
    for kind, estimator in zip((Estimator.POOLED, Estimator.TRAJECTORY, Estimator.PER_STEP), ESTIMATORS, strict=True):
        advantages_GT = estimator(rewards_GT, normalise_std=False)
        assert zero_variance(rewards_GT, estimator=kind) == bool((np.abs(np.nan_to_num(advantages_GT)) < 1e-9).all())


def test_keep_mask_by_hand() -> None:
    groups = [
        np.array([[1.0, 1.0], [1.0, 1.0]]),
        np.array([[1.0, 3.0], [1.0, 3.0]]),
        np.array([[1.0, 3.0], [3.0, 1.0]]),
        np.array([[1.0, 3.0], [2.0, 3.0]]),
        np.array([[NAN, NAN], [3.0, NAN]]),
        np.empty((0, 2)),
    ]
    assert keep_mask(groups).tolist() == [False, True, True, True, False, False]
    assert keep_mask(groups, estimator=Estimator.PER_STEP).tolist() == [False, False, True, True, False, False]
    assert keep_mask(groups, estimator=Estimator.TRAJECTORY).tolist() == [False, False, False, True, False, False]
    assert keep_mask(groups, estimator=Estimator.BRANCHED).tolist() == [False, False, False, True, False, False]


def test_what_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"shape \(3,\).*\[G, T\]"):
        pooled(np.zeros(3))
    with pytest.raises(TrainingError, match="infinite"):
        per_step(np.array([[math.inf, 1.0]]))
    with pytest.raises(ConfigError, match=r"mix: got 1\.5"):
        branched(np.zeros((2, 2)), np.zeros((1, 2)), mix=1.5)


def test_the_estimators_need_no_torch() -> None:
    code = "import sys, memalpha.rl.advantage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
