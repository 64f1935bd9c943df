"""Experience: G samples of each episode, their rewards, and one training row for each chunk they read.

A row holds the ids that were sampled with their log-probabilities; nothing is decoded and encoded again. Groups whose
rewards do not differ teach nothing and are left out. What rows are made of is in `memalpha.rl.trajectory`, how in
`memalpha.rl.rows`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memalpha.agent.model import Sampling
from memalpha.agent.reader import Reader
from memalpha.agent.writer import Writer, write_budget
from memalpha.episode import Count, Start, Trace, finish, run_episodes, store_first
from memalpha.memory.bank import Bank
from memalpha.memory.layout import MEMALPHA
from memalpha.memory.layouts import RELEASED
from memalpha.memory.tools import Source, apply
from memalpha.records import Episode
from memalpha.rewards import EpisodeReward, RewardWeights, RuleValidator, Validator, reward
from memalpha.rl.config import LayoutName, TrainConfig
from memalpha.rl.rows import Row, rows
from memalpha.rl.trajectory import sampled_step, trajectory_of

LAYOUTS = {LayoutName.MEMALPHA: MEMALPHA, LayoutName.RELEASED: RELEASED}
"""The memory of a run by its name."""
LARGEST_FIRST_ID = 10_000
"""Ids begin anywhere up to here, small ones as often as large ones: in a short episode they would have one digit, and
the policy would unlearn to copy longer ones (docs/log.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All samples of one episode."""

    traces: tuple[Trace, ...]
    rewards: tuple[EpisodeReward, ...]
    branches: tuple[tuple[tuple[Trace, ...], NDArray[np.float64]], ...] = ()
    """At each branch point: traces that end there, one for each sample, and their rewards [K]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What one step of training learns from."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    dropped_groups: int
    """Groups whose advantages were all zero."""


class Collector:
    """Runs the writer on groups of episodes and turns what it did into rows."""

    def __init__(
        self,
        config: TrainConfig,
        writer: Writer,
        reader: Reader,
        count_tokens: Count,
        *,
        validator: Validator | None = None,
        progress: float = 1.0,
    ) -> None:
        """`validator` judges r4, the rules by default; `progress` is the share of the run that is over, in [0, 1]."""
        self.config = config
        self.writer = writer
        self.reader = reader
        self.count_tokens = count_tokens
        self.validator = validator or RuleValidator()
        self._progress = progress
        self.weights = RewardWeights(compression=config.reward.compression, content=config.reward.content)

    def collect(
        self, episodes: Sequence[Episode], *, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Experience:
        """Sample every episode `rollout.group` times; raises `ModelError` when model or reader fails."""
        size, rng = self.config.rollout.group, random.Random(seed)
        repeated = [episode for episode in episodes for _ in range(size)]
        share = stored_share(self.config, self._progress)
        starts = [draw_start(episode, share, rng) for episode in episodes]
        traces = run_episodes(
            self.writer,
            self.reader,
            repeated,
            count_tokens=self.count_tokens,
            sampling=lambda index: self._sampling(seed * 1_000_003 + index),
            progress=progress,
            starts=[start for start in starts for _ in range(size)],
            layout=LAYOUTS[self.config.writer.layout],
        )
        rewards = [self.reward(trace) for trace in traces]
        groups = tuple(
            Group(
                traces=tuple(traces[at : at + size]),
                rewards=tuple(rewards[at : at + size]),
                branches=self._branches(traces[at], rng, seed + at) if self.config.rollout.branches else (),
            )
            for at in range(0, len(traces), size)
        )
        found = [self._rows(number, group) for number, group in enumerate(groups)]
        return Experience(
            groups=groups,
            rows=tuple(row for each in found for row in each),
            dropped_groups=sum(not each for each in found),
        )

    def _sampling(self, seed: int) -> Sampling:
        rollout = self.config.rollout
        return Sampling(temperature=rollout.temperature, max_tokens=rollout.max_new_tokens, seed=seed % (2**63))

    def reward(self, trace: Trace) -> EpisodeReward:
        """All terms of a trace, by the configured rules; raises `ModelError` when a judge fails."""
        return reward(trace, preset=self.config.reward.preset, validator=self.validator, count_tokens=self.count_tokens)

    def _rows(self, number: int, group: Group) -> list[Row]:
        trajectories = [
            trajectory_of(trace, earned, self.config.reward, validator=self.validator, count_tokens=self.count_tokens)
            for trace, earned in zip(group.traces, group.rewards, strict=True)
        ]
        branches = [
            [sampled_step(trace.steps[-1], float(value)) for trace, value in zip(traces, values_K, strict=True)]
            for traces, values_K in group.branches
        ]
        return rows(trajectories, self.config, progress=self._progress, group=number, branches=branches)

    def _branches(
        self, leader: Trace, rng: random.Random, seed: int
    ) -> tuple[tuple[tuple[Trace, ...], NDArray[np.float64]], ...]:
        """Groups that start from the leader's memory before a chunk, scored right after it (arXiv:2605.21768)."""
        size, wanted = self.config.rollout.group, self.config.rollout.branches
        places = sorted(rng.sample(range(len(leader.steps)), min(wanted, len(leader.steps))))
        found = []
        for place in places:
            banks = [replay(leader, place, self.writer.config.budget) for _ in range(size)]
            index = leader.steps[place].index
            work = [(bank, leader.episode.chunks[index], index) for bank in banks]
            steps = self.writer.write_batch(work, self._sampling(seed * 7919 + place))
            traces = tuple(
                finish(leader.episode, (step,), bank, self.reader, self.count_tokens)
                for step, bank in zip(steps, banks, strict=True)
            )
            # Every sample has the same past, so that the episode's own r1 and r3 already are local.
            values_K = np.array([self.reward(trace).totals(self.weights)[0] for trace in traces])
            found.append((traces, values_K))
        return tuple(found)


def stored_share(config: TrainConfig, progress: float) -> float:
    """Share of the episodes that begin with a filled memory when the share `progress` of the run is over."""
    return config.data.stored * (1.0 - progress)


def draw_start(episode: Episode, share: float, rng: random.Random) -> Start:
    """What the samples of an episode begin with: a share of the episodes in their middle, each with a first id."""
    return Start(
        stored=len(episode.chunks) // 2 if rng.random() < share else 0,
        first_id=int(LARGEST_FIRST_ID ** rng.random()),
    )


def replay(trace: Trace, until: int, budget: float | None = None) -> Bank:
    """The memory as it was before step number `until`, rebuilt from the calls of the trace."""
    bank = Bank(count_tokens=trace.bank.count_tokens, layout=trace.bank.layout, first_id=trace.bank.first_id)
    store_first(trace.episode, trace.steps[0].index if trace.steps else 0, bank)
    for step in trace.steps[:until]:
        chunk = trace.episode.chunks[step.index]
        allowed = write_budget(budget, chunk, bank)
        for call in step.calls:
            apply(bank, call, Source(chunk=chunk, index=step.index), allowed)
    return bank
