"""Experience: G samples of each episode, their rewards, and one training row for each chunk they read.

A row holds the ids that were sampled with their log-probabilities; nothing is decoded and encoded again. Groups whose
rewards do not differ teach nothing and are left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memalpha.agent.model import Sampling
from memalpha.agent.reader import Reader
from memalpha.agent.writer import Step, Writer, write_budget
from memalpha.credit import Spans, call_values, pass_values, spans
from memalpha.episode import Count, Start, Trace, finish, run_episodes, store_first
from memalpha.errors import TrainingError
from memalpha.memory.bank import Bank, MemoryKind
from memalpha.memory.tools import Source, apply
from memalpha.records import Episode, ToolStatus
from memalpha.rewards import EpisodeReward, RewardWeights, RuleValidator, Validator, reward
from memalpha.rl import advantage
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import TrainConfig

CENTRED = 0.33
"""Share of a run after which calls of a helpful tool are compared with nothing (`advantage.per_call`)."""
LARGEST_FIRST_ID = 10_000
"""Ids begin anywhere up to here, small ones as often as large ones: in a short episode they would have one digit, and
the policy would unlearn to copy longer ones (docs/log.md)."""
_NO_TOOL = (ToolStatus.MALFORMED, ToolStatus.UNKNOWN_TOOL, ToolStatus.OVER_BUDGET)
PASS = "pass"
"""Stands for a tool where a line was passed over."""


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
        self._weights = RewardWeights(compression=config.reward.compression, content=config.reward.content)

    def collect(
        self, episodes: Sequence[Episode], *, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Experience:
        """Sample every episode `rollout.group` times; raises `ModelError` when model or reader fails."""
        size, rng = self.config.rollout.group, random.Random(seed)
        repeated = [episode for episode in episodes for _ in range(size)]
        share = self.config.data.stored * (1.0 - self._progress)
        starts = [
            Start(
                stored=len(episode.chunks) // 2 if rng.random() < share else 0,
                first_id=int(LARGEST_FIRST_ID ** rng.random()),
            )
            for episode in episodes
        ]
        traces = run_episodes(
            self.writer,
            self.reader,
            repeated,
            count_tokens=self.count_tokens,
            sampling=lambda index: self._sampling(seed * 1_000_003 + index),
            progress=progress,
            starts=[start for start in starts for _ in range(size)],
        )
        rewards = [self._reward(trace) for trace in traces]
        groups = tuple(
            Group(
                traces=tuple(traces[at : at + size]),
                rewards=tuple(rewards[at : at + size]),
                branches=self._branches(traces[at], rng, seed + at) if self.config.rollout.branches else (),
            )
            for at in range(0, len(traces), size)
        )
        rows = [self._rows(number, group) for number, group in enumerate(groups)]
        return Experience(
            groups=groups,
            rows=tuple(row for each in rows for row in each),
            dropped_groups=sum(not each for each in rows),
        )

    def _sampling(self, seed: int) -> Sampling:
        rollout = self.config.rollout
        return Sampling(temperature=rollout.temperature, max_tokens=rollout.max_new_tokens, seed=seed % (2**63))

    def _reward(self, trace: Trace) -> EpisodeReward:
        return reward(trace, preset=self.config.reward.preset, validator=self.validator, count_tokens=self.count_tokens)

    def _credited(self, each: EpisodeReward) -> list[float]:
        return each.credited(self._weights, self.config.reward.credit)

    def _rows(self, number: int, group: Group) -> list[Row]:
        optim = self.config.optim
        rewards_GT = np.array([self._credited(each) for each in group.rewards])
        branch_BK = np.zeros((0, 0))
        match optim.estimator:
            case Estimator.POOLED:
                advantages_GT = advantage.pooled(rewards_GT, normalise_std=optim.normalise_std)
            case Estimator.TRAJECTORY:
                advantages_GT = advantage.trajectory(rewards_GT, normalise_std=optim.normalise_std)
            case Estimator.PER_STEP:
                advantages_GT = advantage.per_step(rewards_GT, normalise_std=optim.normalise_std)
            case Estimator.BRANCHED:
                local_BK = np.array([values for _, values in group.branches])
                both = advantage.branched(rewards_GT, local_BK, mix=optim.mix, normalise_std=optim.normalise_std)
                advantages_GT, branch_BK = both.trajectory_GT, both.branch_BK
        spans_GT = [[spans(step) for step in trace.steps] for trace in group.traces]
        values = self._call_values(group.traces, spans_GT)
        rows = [
            _row(
                step,
                float(advantages_GT[g, t]),
                number,
                _Credit(spans_GT[g][t], values[g][t], self.config.reward.call_credit) if values else None,
            )
            for g, trace in enumerate(group.traces)
            for t, step in enumerate(trace.steps)
        ]
        for values_K, (traces, _) in zip(branch_BK, group.branches, strict=True):
            rows += [_row(trace.steps[-1], float(v), number) for v, trace in zip(values_K, traces, strict=True)]
        return [row for row in rows if _teaches(row)]

    def _call_values(
        self, traces: Sequence[Trace], spans_GT: Sequence[Sequence[Spans]]
    ) -> list[list[list[float]]] | None:
        """Advantages of calls, then of lines passed over [G][T][calls + lines]; None when they do not count."""
        if self.config.reward.call_credit == 0:
            return None
        values, tools = [], []
        for trace, spans_T in zip(traces, spans_GT, strict=True):
            called = call_values(trace, weights=self._weights, validator=self.validator, count_tokens=self.count_tokens)
            passed = pass_values(trace, spans_T)
            values.append([[*calls, *lines.values()] for calls, lines in zip(called, passed, strict=True)])
            tools.append([_names(step, len(lines)) for step, lines in zip(trace.steps, passed, strict=True)])
        return advantage.per_call(values, tools, centring=max(0.0, 1.0 - self._progress / CENTRED))

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
            values_K = np.array([self._reward(trace).totals(self._weights)[0] for trace in traces])
            found.append((traces, values_K))
        return tuple(found)


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


def _teaches(row: Row) -> bool:
    return any(abs(value) > advantage.ROUNDING for value in row.token_advantages or (row.advantage,))


def _names(step: Step, passed: int) -> list[str]:
    """The tool of each call, then PASS for each of `passed` lines.

    Empty for a call of no tool, over the budget or on the core. Those keep their values (`advantage.per_call`):
    compared with their like only, overwriting the one text of the core with small talk would be as good as anything.
    Failed calls count with their tool: an update that fails is no reason to give up those that do not.
    """
    operations, tools = iter(step.operations), []
    for call, result in zip(step.calls, step.results, strict=True):
        core = result.ok and next(operations).kind is MemoryKind.CORE
        tools.append("" if core or result.status in _NO_TOOL else call.name)
    return [*tools, *[PASS] * passed]


@dataclass(frozen=True, slots=True)
class _Credit:
    """Advantages of the single choices of one completion."""

    spans: Spans
    values: Sequence[float]
    """Of the calls, then of the lines passed over."""
    share: float
    """Of the advantage of a token, that of its own choice."""


def _row(step: Step, value: float, group: int, credit: _Credit | None = None) -> Row:
    """The row of a step."""
    completion = step.completion
    if not completion.token_ids or len(completion.token_ids) != len(completion.logprobs):
        raise TrainingError(
            f"the model gave {len(completion.token_ids)} token ids and {len(completion.logprobs)} log-probabilities "
            "for a completion, expected one for each sampled token; train with a local model"
        )
    tokens: list[float] = []
    if credit is not None:
        common = (1 - credit.share) * value
        tokens = [common] * len(completion.token_ids)
        choices = [*credit.spans.calls, *credit.spans.passed.values()]
        # A model that gives no offsets has values for its calls, but no place to put them.
        for (first, stop), own in zip(choices, credit.values, strict=bool(choices)):
            tokens[first:stop] = [common + credit.share * own] * (stop - first)
    return Row(
        prompt_ids=completion.prompt_ids,
        token_ids=completion.token_ids,
        logprobs=completion.logprobs,
        advantage=value,
        token_advantages=tuple(tokens),
        group=group,
    )
