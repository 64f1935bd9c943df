"""How sure a mean score is, and whether two systems differ: pure functions of scores.

The unit is the episode, since the questions of one episode share a memory. Where a suite is one long context with a
hundred questions, the questions are all there is to resample; so both are drawn, episodes and then the questions of
each (two-stage bootstrap, Davison and Hinkley 1997, section 3.8). Of many episodes with few questions this is a little
wider than drawing episodes alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000
FLIPS = 10_000
"""Sign patterns that are tried: all of them when there are no more, else as many at random."""

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""Student's t at 97.5% for 1, 2, ... degrees of freedom; the last stands for all beyond, a little wide."""


def mean_of(scores_EQ: Sequence[np.ndarray]) -> float:
    """Mean over the questions of each episode, then over episodes; one array of scores [questions] an episode."""
    return float(np.mean([scores_Q.mean() for scores_Q in scores_EQ]))


def resampled_means(scores_EQ: Sequence[np.ndarray], *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """`mean_of` of resamples: episodes drawn with replacement, and of each draw its questions. Shape [resamples]."""
    rng = np.random.default_rng(seed)
    drawn_RE = rng.integers(0, len(scores_EQ), size=(resamples, len(scores_EQ)))
    means_RE = np.empty(drawn_RE.shape)
    for episode, scores_Q in enumerate(scores_EQ):
        places = drawn_RE == episode
        asked = rng.integers(0, len(scores_Q), size=(int(places.sum()), len(scores_Q)))
        means_RE[places] = scores_Q[asked].mean(axis=1)
    return np.asarray(means_RE.mean(axis=1))


def interval(means_R: np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile."""
    return float(np.quantile(means_R, 0.025)), float(np.quantile(means_R, 0.975))


def student(values_N: np.ndarray) -> tuple[float, float]:
    """Student's interval of 95% around the mean of two or more values, too few to be drawn again."""
    half = _t_95(len(values_N) - 1) * values_N.std(ddof=1) / math.sqrt(len(values_N))
    return float(values_N.mean() - half), float(values_N.mean() + half)


def welch(ours_N: np.ndarray, theirs_M: np.ndarray) -> tuple[float, float]:
    """The same for the difference of two means of two or more values each (Welch 1947).

    The degrees of freedom are those of the smaller side, the least that Welch's can be, which is a little wide.
    """
    difference = ours_N.mean() - theirs_M.mean()
    error = math.sqrt(ours_N.var(ddof=1) / len(ours_N) + theirs_M.var(ddof=1) / len(theirs_M))
    half = _t_95(min(len(ours_N), len(theirs_M)) - 1) * error
    return float(difference - half), float(difference + half)


def _t_95(freedom: int) -> float:
    return _T_95[min(freedom, len(_T_95)) - 1]


def sign_flip(differences_E: np.ndarray, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of a mean difference by flipping the signs of episodes (paired permutation, Fisher 1935).

    Exact where all sign patterns can be tried, which of n episodes leaves no p below 2 / 2^n; else by `flips` random
    patterns, the one observed counted in.
    """
    n = len(differences_E)
    observed = abs(differences_E.mean())
    # A mean that equals the observed one up to rounding is as extreme as it.
    close = 1e-12 * max(1.0, float(np.abs(differences_E).max(initial=0.0)))
    if 2**n <= flips:
        patterns_PE = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(patterns_PE @ differences_E / n) >= observed - close))
    signs_PE = np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, n))
    extreme = int((np.abs(signs_PE @ differences_E / n) >= observed - close).sum())
    return (extreme + 1) / (flips + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The same p values for as many comparisons as there are, in their order (step-down, Holm 1979)."""
    adjusted, floor = [math.nan] * len(p_values), 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = floor
    return adjusted
