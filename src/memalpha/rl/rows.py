"""Trajectories of a group to rows with advantages: what every engine learns from, here and on a cluster.

A pure function of plain data. Rows whose advantages are all 0 teach nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memalpha.rl import advantage
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import TrainConfig
from memalpha.rl.trajectory import SampledStep, Trajectory

CENTRED = 0.33
"""Share of a run after which calls of a helpful tool are compared with nothing (`advantage.per_call`)."""

Branches = Sequence[Sequence[SampledStep]]
"""[B][K] the completions from one memory at each branch point, their own local rewards in `reward`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt with one completion to learn from."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of the policy that sampled them, one for each of `token_ids`."""
    advantage: float
    """Of the whole completion."""
    token_advantages: tuple[float, ...] = ()
    """One for each of `token_ids` where calls are credited apart; empty when `advantage` holds for all of them."""
    group: int
    """Rows of one episode share it."""

    @property
    def teaches(self) -> bool:
        """Whether any of its advantages is not 0."""
        return any(abs(value) > advantage.ROUNDING for value in self.token_advantages or (self.advantage,))


def rows(
    trajectories: Sequence[Trajectory], config: TrainConfig, *, progress: float, group: int, branches: Branches = ()
) -> list[Row]:
    """The rows of one group that teach something: sample by sample, step by step, then the branches.

    Args:
        trajectories: All samples of one episode.
        config: Says how rewards are compared and how much of an advantage belongs to single calls.
        progress: The share of the run that is over, in [0, 1].
        group: The number that the rows get.
        branches: For the branched estimator.
    """
    return [
        row for row in all_rows(trajectories, config, progress=progress, group=group, branches=branches) if row.teaches
    ]


def all_rows(
    trajectories: Sequence[Trajectory], config: TrainConfig, *, progress: float, group: int, branches: Branches = ()
) -> list[Row]:
    """The same with the rows that teach nothing, so that each step has one."""
    optim = config.optim
    rewards_GT = np.array([[step.reward for step in each.steps] for each in trajectories])
    branch_BK = np.zeros((0, 0))
    match optim.estimator:
        case Estimator.POOLED:
            advantages_GT = advantage.pooled(rewards_GT, normalise_std=optim.normalise_std)
        case Estimator.TRAJECTORY:
            advantages_GT = advantage.trajectory(rewards_GT, normalise_std=optim.normalise_std)
        case Estimator.PER_STEP:
            advantages_GT = advantage.per_step(rewards_GT, normalise_std=optim.normalise_std)
        case Estimator.BRANCHED:
            local_BK = np.array([[step.reward for step in steps] for steps in branches])
            both = advantage.branched(rewards_GT, local_BK, mix=optim.mix, normalise_std=optim.normalise_std)
            advantages_GT, branch_BK = both.trajectory_GT, both.branch_BK
    values = _choice_advantages(trajectories, config, progress)
    found = [
        _row(step, float(advantages_GT[g, t]), group, config.reward.call_credit, values[g][t] if values else None)
        for g, trajectory in enumerate(trajectories)
        for t, step in enumerate(trajectory.steps)
    ]
    for values_K, steps in zip(branch_BK, branches, strict=True):
        found += [_row(step, float(value), group) for value, step in zip(values_K, steps, strict=True)]
    return found


def _choice_advantages(
    trajectories: Sequence[Trajectory], config: TrainConfig, progress: float
) -> list[list[list[float]]] | None:
    """Advantages of calls, then of lines passed over [G][T][calls + lines]; None when they do not count."""
    if config.reward.call_credit == 0:
        return None
    values = [[[choice.value for choice in step.choices] for step in each.steps] for each in trajectories]
    tools = [[[choice.tool for choice in step.choices] for step in each.steps] for each in trajectories]
    return advantage.per_call(values, tools, centring=max(0.0, 1.0 - progress / CENTRED))


def _row(step: SampledStep, value: float, group: int, share: float = 0.0, values: Sequence[float] | None = None) -> Row:
    """The row of a step; with `values`, a token's own choice makes the part `share` of its advantage.

    Where no token is known to belong to a choice, say because the text has lost its thoughts, all count by the step.
    """
    tokens: list[float] = []
    if values is not None and (not step.choices or any(choice.first < choice.stop for choice in step.choices)):
        common = (1 - share) * value
        tokens = [common] * len(step.token_ids)
        for choice, own in zip(step.choices, values, strict=True):
            tokens[choice.first : choice.stop] = [common + share * own] * (choice.stop - choice.first)
    return Row(
        prompt_ids=step.prompt_ids,
        token_ids=step.token_ids,
        logprobs=step.logprobs,
        advantage=value,
        token_advantages=tuple(tokens),
        group=group,
    )
