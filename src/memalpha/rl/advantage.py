"""Advantage estimators: pure functions from the rewards of one group to one advantage for each row.

A group is all that was sampled for one episode: G trajectories of T steps, one reward for each step, held as a float
array [G, T]. NaN marks a row that does not exist because its rollout failed: it takes no part in any mean and stays
NaN in the result. Axes: G trajectories, T steps (chunk positions), B branch points, K completions of one branch point.

Every estimator subtracts a baseline and, if asked, divides by one standard deviation over the group plus `EPSILON`.
The degrees of freedom are the rows less the baselines: with one baseline this is the n - 1 of GRPO (arXiv:2402.03300).

Left out: value networks, discounts (a step's reward already holds what its whole trajectory earned), leave-one-out
baselines, and the rows that the reference implementation repeats to fill its devices, which count twice there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from memalpha.errors import ConfigError, TrainingError

_T = TypeVar("_T")
FloatArray = npt.NDArray[np.float64]

EPSILON = 1e-6
"""Added to every standard deviation, as in GRPO's usual code."""
ROUNDING = 1e-9
"""Rewards that lie closer together than this are the same reward."""


class Estimator(StrEnum):
    """Which rows a reward is compared with."""

    POOLED = "pooled"
    """All steps of all trajectories (the paper)."""
    TRAJECTORY = "trajectory"
    """The other trajectories, each as a whole."""
    PER_STEP = "per_step"
    """The same step of the other trajectories."""
    BRANCHED = "branched"
    """Other completions from the same memory, mixed with whole trajectories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchedAdvantages:
    """What `branched` returns: one advantage for each row of both kinds."""

    trajectory_GT: FloatArray
    """Advantages of the trajectory rows, already scaled by `mix`."""
    branch_BK: FloatArray
    """Advantages of the branch rows, already scaled by `1 - mix`."""


def pooled(rewards_GT: FloatArray, *, normalise_std: bool = True) -> FloatArray:
    """Advantages [G, T] against the mean of all rows of the group: A = (r - mean) / (std + epsilon).

    Mem-alpha (arXiv:2509.25911): the chunk rows of all rollouts of one episode form one GRPO group. A step at an easy
    chunk position so gains over a step at a hard one, whatever either of them did; `per_step` takes that away.
    """
    rewards_GT = _checked(rewards_GT)
    return _scaled(rewards_GT - _mean(rewards_GT), baselines=1, normalise_std=normalise_std)


def trajectory(rewards_GT: FloatArray, *, normalise_std: bool = True) -> FloatArray:
    """Advantages [G, T], equal along T: each trajectory's mean step reward against the mean of those means.

    GRPO with outcome rewards (arXiv:2402.03300, section 4.1.2) with a trajectory as the outcome. The mean, not the sum,
    so that a rollout that failed half way is not judged by its length.
    """
    rewards_GT = _checked(rewards_GT)
    returns_G1 = _mean(rewards_GT, axis=1)
    advantages_G1 = _scaled(returns_G1 - _mean(returns_G1), baselines=1, normalise_std=normalise_std)
    return np.where(np.isnan(rewards_GT), np.nan, advantages_G1)


def per_step(rewards_GT: FloatArray, *, normalise_std: bool = True) -> FloatArray:
    """Advantages [G, T] against the mean over trajectories at the same step: A_gt = r_gt - mean over g of r_gt.

    GRPO with the rows of one chunk position as the group. There is still only one standard deviation, that of all
    centred rows: dividing each position by its own would blow up positions where the trajectories hardly differ until
    their noise weighs as much as a real difference elsewhere. A step that only one trajectory reached gets 0.
    """
    rewards_GT = _checked(rewards_GT)
    positions = int((~np.isnan(rewards_GT)).any(axis=0).sum())
    return _scaled(rewards_GT - _mean(rewards_GT, axis=0), baselines=positions, normalise_std=normalise_std)


def branched(
    global_GT: FloatArray, local_BK: FloatArray, *, mix: float = 0.5, normalise_std: bool = True
) -> BranchedAdvantages:
    """Advantages from same-state branching, mixed with those of whole trajectories.

    After the first write two trajectories hold different memories and their steps are no longer samples of one
    situation. At each of B branch points K completions are therefore sampled from one and the same memory and compared
    among themselves, as in the local and global groups of Memory-R2 (arXiv:2605.21768). The single standard deviation
    for all branch points and the form of the mix are choices made here.

    Args:
        global_GT: Rewards [G, T] of the trajectories.
        local_BK: Rewards [B, K] of the completions at each branch point; B may be 0.
        mix: Weight in [0, 1] of a trajectory row; a branch row weighs `1 - mix`. It weighs rows, not sums of rows.
        normalise_std: Divide each kind by its own standard deviation.
    """
    if not 0.0 <= mix <= 1.0:
        raise ConfigError(f"mix: got {mix}, expected a number from 0 (branches only) to 1 (trajectories only)")
    # A branch point is to its completions what a chunk position is to the trajectories.
    local_KB = per_step(_checked(local_BK).T, normalise_std=normalise_std)
    return BranchedAdvantages(
        trajectory_GT=mix * trajectory(global_GT, normalise_std=normalise_std),
        branch_BK=(1.0 - mix) * local_KB.T,
    )


def per_call(
    values: Sequence[Sequence[Sequence[float]]], tools: Sequence[Sequence[Sequence[str]]], *, centring: float = 0.0
) -> list[list[list[float]]]:
    """Advantages of calls from their values, both [G][T][calls]: over one deviation, less a part of their tool's mean.

    A value compares a call with leaving it out, which is worth 0, so that in the end no other baseline is needed. But
    early in training most updates hit the wrong entry; where the calls of a tool do harm on average, they are compared
    with each other, or all of them would end before the right ones are found. And where they do good on average, a
    share `centring` of the mean is taken off, or "more of everything" is learned long before "which". A call of
    the empty name keeps its value: what is no tool at all, say, would be free if it were compared with its like only.
    """
    by_tool: dict[str, list[float]] = {}
    for value, tool in zip(_flat(values), _flat(tools), strict=True):
        by_tool.setdefault(tool, []).append(value)
    means = {tool: math.fsum(found) / len(found) if tool else 0.0 for tool, found in by_tool.items()}
    means = {tool: mean if mean < 0 else centring * mean for tool, mean in means.items()}
    squares = [(value - means[tool]) ** 2 for tool, found in by_tool.items() for value in found]
    deviation = math.sqrt(math.fsum(squares) / len(squares)) if squares else 0.0
    scale = 0.0 if deviation < ROUNDING else 1.0 / (deviation + EPSILON)
    return [
        [
            [(value - means[tool]) * scale for value, tool in zip(calls, names, strict=True)]
            for calls, names in zip(steps, named, strict=True)
        ]
        for steps, named in zip(values, tools, strict=True)
    ]


def _flat(nested: Sequence[Sequence[Sequence[_T]]]) -> list[_T]:
    return [item for steps in nested for calls in steps for item in calls]


def zero_variance(rewards_GT: FloatArray, *, estimator: Estimator = Estimator.POOLED) -> bool:
    """Whether the rewards that `estimator` compares are all equal, so that every advantage is 0.

    For `BRANCHED` this looks at the trajectories; branch points are the columns of
    `zero_variance(local_BK.T, estimator=Estimator.PER_STEP)`.
    """
    rewards_GT = _checked(rewards_GT)
    if rewards_GT.size == 0:
        return True
    match estimator:
        case Estimator.POOLED:
            compared = rewards_GT.reshape(-1, 1)
        case Estimator.PER_STEP:
            compared = rewards_GT
        case Estimator.TRAJECTORY | Estimator.BRANCHED:
            compared = _mean(rewards_GT, axis=1)
    spread = np.fmax.reduce(compared, axis=0) - np.fmin.reduce(compared, axis=0)
    return not bool((spread > ROUNDING).any())


def keep_mask(groups: Sequence[FloatArray], *, estimator: Estimator = Estimator.POOLED) -> npt.NDArray[np.bool_]:
    """True for each group worth an update; the others only dilute the mean over tokens (DAPO, arXiv:2503.14476)."""
    return np.array([not zero_variance(rewards_GT, estimator=estimator) for rewards_GT in groups], dtype=np.bool_)


def _checked(rewards: FloatArray) -> FloatArray:
    rewards = np.asarray(rewards, dtype=np.float64)
    if rewards.ndim != 2:
        raise TrainingError(f"rewards: got shape {rewards.shape}, expected two axes, [G, T]; pass one group at a time")
    if np.isinf(rewards).any():
        raise TrainingError("rewards: got an infinite reward, expected numbers; mark a missing row with NaN")
    return rewards


def _mean(values: FloatArray, axis: int | None = None) -> FloatArray:
    """The mean of what is not NaN, with the reduced axes kept; NaN, without a warning, where there is nothing."""
    count: npt.NDArray[np.int64] = np.sum(~np.isnan(values), axis=axis, keepdims=True)
    total: FloatArray = np.nansum(values, axis=axis, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _scaled(centred: FloatArray, *, baselines: int, normalise_std: bool) -> FloatArray:
    freedom = int((~np.isnan(centred)).sum()) - baselines
    if not normalise_std or freedom <= 0:  # no freedom: every row is its own baseline and already 0
        return centred
    std = float(np.sqrt(np.nansum(centred**2) / freedom))
    return centred / (std + EPSILON)
