"""What one sample of an episode was, as plain data: ids, log-probabilities, rewards and the values of its calls.

A trajectory holds no memory, no texts and no model, so that it can be sent from where it was sampled to where it is
learned from; `memalpha.rl.rows` makes rows of the trajectories of a group.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memalpha.agent.writer import Step
from memalpha.credit import call_values, pass_values, spans
from memalpha.episode import Count, Trace
from memalpha.errors import TrainingError
from memalpha.memory.bank import MemoryKind
from memalpha.records import ToolStatus
from memalpha.rewards import EpisodeReward, RewardWeights, Validator
from memalpha.rl.config import RewardConfig

PASS = "pass"
"""Stands for a tool where a line was passed over."""
_NO_TOOL = (ToolStatus.MALFORMED, ToolStatus.UNKNOWN_TOOL, ToolStatus.OVER_BUDGET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One call of a completion, or one line that it passed over."""

    tool: str
    """The tool that was called; `PASS` for a line; empty for a call that is compared with nothing (`tool_names`)."""
    value: float
    """What it earned (`memalpha.credit`)."""
    first: int = 0
    """Its first token, the first of a completion is 0."""
    stop: int = 0
    """One past its last token; equal to `first` where the model does not tell which tokens are which text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledStep:
    """One prompt with its completion."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    """As sampled, with the end-of-turn token."""
    logprobs: tuple[float, ...]
    """Of the policy that sampled, one for each of `token_ids`."""
    reward: float
    """r of the step, with what is credited to it (`EpisodeReward.credited`)."""
    choices: tuple[Choice, ...] = ()
    """Calls, then lines passed over; empty where choices are not credited apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One sample of an episode."""

    steps: tuple[SampledStep, ...]
    """In the order of the chunks."""


def trajectory_of(
    trace: Trace, earned: EpisodeReward, config: RewardConfig, *, validator: Validator, count_tokens: Count
) -> Trajectory:
    """A trace as plain data, with its rewards; raises `TrainingError` when the model told no token ids."""
    weights = RewardWeights(compression=config.compression, content=config.content)
    rewards = earned.credited(weights, config.credit)
    choices: Sequence[tuple[Choice, ...]] = [()] * len(trace.steps)
    if config.call_credit > 0:
        choices = _choices(trace, weights, validator, count_tokens)
    return Trajectory(
        steps=tuple(
            sampled_step(step, reward, chosen)
            for step, reward, chosen in zip(trace.steps, rewards, choices, strict=True)
        )
    )


def sampled_step(step: Step, reward: float, choices: tuple[Choice, ...] = ()) -> SampledStep:
    """One step as plain data; raises `TrainingError` when the model told no token ids."""
    completion = step.completion
    if not completion.token_ids or len(completion.token_ids) != len(completion.logprobs):
        raise TrainingError(
            f"the model gave {len(completion.token_ids)} token ids and {len(completion.logprobs)} log-probabilities "
            "for a completion, expected one for each sampled token; train with a local model"
        )
    return SampledStep(
        prompt_ids=completion.prompt_ids,
        token_ids=completion.token_ids,
        logprobs=completion.logprobs,
        reward=reward,
        choices=choices,
    )


def to_plain(step: SampledStep) -> dict[str, Any]:
    """A step as dicts, lists and numbers, which `from_plain` reads."""
    return dataclasses.asdict(step)


def from_plain(plain: Mapping[str, Any]) -> SampledStep:
    """The step that `to_plain` wrote, also after a way through JSON."""
    return SampledStep(
        prompt_ids=tuple(plain["prompt_ids"]),
        token_ids=tuple(plain["token_ids"]),
        logprobs=tuple(plain["logprobs"]),
        reward=plain["reward"],
        choices=tuple(Choice(**choice) for choice in plain["choices"]),
    )


def _choices(
    trace: Trace, weights: RewardWeights, validator: Validator, count_tokens: Count
) -> list[tuple[Choice, ...]]:
    spans_T = [spans(step) for step in trace.steps]
    called = call_values(trace, weights=weights, validator=validator, count_tokens=count_tokens)
    passed = pass_values(trace, spans_T)
    found = []
    for step, where, calls, lines in zip(trace.steps, spans_T, called, passed, strict=True):
        values = [*calls, *lines.values()]
        # A model that gives no offsets has values for its calls, but no place to put them.
        places = [*where.calls, *where.passed.values()] or [(0, 0)] * len(values)
        found.append(
            tuple(
                Choice(tool=tool, value=value, first=first, stop=stop)
                for tool, value, (first, stop) in zip(tool_names(step, len(lines)), values, places, strict=True)
            )
        )
    return found


def tool_names(step: Step, passed: int) -> list[str]:
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
