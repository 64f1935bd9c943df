"""Intervals and tests against slow twins and numbers worked by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.evaluation.statistics import holm, interval, mean_of, resampled_means, sign_flip, student, welch


def test_the_mean_weighs_episodes_alike_whatever_they_are_asked() -> None:
    # (1 + 0 + 0 + 1) / 4 = 0.5 and 1, so 0.75 and not 3 of 5.
    assert mean_of([np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0])]) == 0.75


def test_one_context_has_an_interval_from_its_questions() -> None:
    # Of 100 answers, half of them right, the standard error is 0.05, and 1.96 of them lie on both sides.
    low, high = interval(resampled_means([np.tile([0.0, 1.0], 50)], resamples=20_000))
    assert low == pytest.approx(0.5 - 0.098, abs=0.01)
    assert high == pytest.approx(0.5 + 0.098, abs=0.01)


def test_episodes_that_agree_with_themselves_vary_as_episodes() -> None:
    # All right or all wrong: questions add nothing, 64 episodes have a standard error of 0.5 / 8.
    means = resampled_means([np.full(10, float(at % 2)) for at in range(64)], resamples=20_000)
    assert means.std() == pytest.approx(0.0625, abs=0.002)


def resampled_means_reference(scores: list[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        parts = []
        for _ in scores:
            drawn = scores[rng.integers(0, len(scores))]
            parts.append(np.mean([drawn[rng.integers(0, len(drawn))] for _ in drawn]))
        found.append(np.mean(parts))
    return np.array(found)


def test_resampling_is_distributed_as_its_slow_twin() -> None:
    scores = [np.array([0.0, 1.0, 0.5]), np.array([1.0]), np.array([0.25, 0.75])]
    quick, slow = resampled_means(scores, resamples=20_000), resampled_means_reference(scores, 4000, 1)
    assert quick.mean() == pytest.approx(slow.mean(), abs=0.01)
    assert quick.std() == pytest.approx(slow.std(), abs=0.01)
    assert quick.mean() == pytest.approx(mean_of(scores), abs=0.005)
    assert (resampled_means(scores) == resampled_means(scores)).all()


def sign_flip_reference(differences: list[float]) -> float:
    means = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(mean >= means[0] - 1e-9 for mean in means) / len(means)


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4).map(lambda quarter: quarter / 4), min_size=1, max_size=8))
def test_flipping_equals_trying_every_sign(differences: list[float]) -> None:
    assert sign_flip(np.array(differences)) == pytest.approx(sign_flip_reference(differences))


def test_flips_by_hand() -> None:
    assert sign_flip(np.array([0.5])) == 1.0
    # Three differences of one sign: of eight patterns only +++ and --- reach their mean.
    assert sign_flip(np.array([0.5, 0.25, 1.0])) == 0.25
    assert sign_flip(np.zeros(20)) == 1.0


def test_many_episodes_are_flipped_at_random() -> None:
    differences = np.array([0.1, -0.1, 0.3, 0.2, 0.1, -0.2, 0.2] * 2)
    assert sign_flip(differences, flips=4000) == pytest.approx(sign_flip(differences, flips=2**14), abs=0.02)
    assert sign_flip(np.full(40, 0.1), flips=999) == 0.001


def test_holm_by_hand() -> None:
    # 3 x 0.01, then 2 x 0.02 = 0.04, then 0.04 is raised from 1 x 0.03 to what stands before it.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_student_and_welch_worked_by_hand() -> None:
    # 1, 2, 3: mean 2, deviation 1, t of two degrees 4.303.
    assert student(np.array([1.0, 2.0, 3.0])) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))
    # 2 ± and 5 ±: variances 1 and 2, of three and two; one degree of freedom.
    half = 12.706 * (1 / 3 + 2 / 2) ** 0.5
    assert welch(np.array([1.0, 2.0, 3.0]), np.array([4.0, 6.0])) == pytest.approx((-3 - half, -3 + half))
    # Beyond the table the last value stands.
    low, high = student(np.tile([0.0, 2.0], 50))
    assert (high - low) / 2 == pytest.approx(2.131 * np.tile([0.0, 2.0], 50).std(ddof=1) / 10)
