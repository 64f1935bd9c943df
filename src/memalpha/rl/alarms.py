"""Alarms of a training run: what went wrong, told from its metrics in a sentence that names the cause and the setting.

Pure functions of the rows of metrics.jsonl. Each rule looks at the last `WINDOW` steps as a whole, so that one odd step
raises nothing, and stays silent where its metric is missing. What the bounds are argued from stands in docs/metrics.md.
Left out: bounds for the reward, whose level says more of the episodes than of the training.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Rows = Sequence[Mapping[str, Any]]
WINDOW = 5
"""Steps that an alarm must hold over."""


class AlarmKind(StrEnum):
    """What went wrong."""

    SAMPLES_ALIKE = "samples_alike"
    SILENCE = "silence"
    KEEPS_ALL = "keeps_all"
    REFUSED_CALLS = "refused_calls"
    ENTROPY_GONE = "entropy_gone"
    ENTROPY_RISING = "entropy_rising"
    MISMATCH = "mismatch"
    GRADIENT = "gradient"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that began to hold at a step."""

    step: int
    kind: AlarmKind
    sentence: str
    """What is wrong, from what numbers, and which setting mends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an alarm holds, and what it says."""

    kind: AlarmKind
    metrics: tuple[str, ...]
    """Whose means over the window `holds` is given, in this order."""
    holds: Callable[..., bool]
    sentence: str
    """With a place for each mean."""
    middle: bool = False
    """Medians in place of means: for a metric that single steps throw far off."""


RULES = (
    Rule(
        kind=AlarmKind.SAMPLES_ALIKE,
        metrics=("correctness_spread", "correctness"),
        # At 0.95 there is little left to learn, and samples are alike because they are right.
        holds=lambda spread, correctness: spread < 0.001 and correctness < 0.95,
        sentence="The samples of a group score alike (correctness_spread {0:.4f} at a correctness of {1:.2f}), so that "
        "the reward teaches nothing; raise rollout.group or rollout.temperature, or take other episodes.",
    ),
    Rule(
        kind=AlarmKind.SILENCE,
        metrics=("write_rate",),
        holds=lambda written: written < 0.05,
        sentence="The writer has gone silent (write_rate {0:.3f}): writing costs more than it earns; lower "
        "reward.compression, or begin from a model that writes.",
    ),
    Rule(
        kind=AlarmKind.KEEPS_ALL,
        metrics=("write_rate", "memory_share"),
        holds=lambda written, kept: written > 0.99 and kept > 0.6,
        sentence="The writer keeps nearly all it reads and makes no choice (write_rate {0:.3f}, memory_share {1:.2f}); "
        "raise reward.compression, set writer.budgets, or leave the preset that pays for writing on noise.",
    ),
    Rule(
        kind=AlarmKind.REFUSED_CALLS,
        metrics=("valid_share", "tools"),
        # A call over the write budget is not valid, but is no fault either: r2 tells the two apart.
        holds=lambda valid, tools: valid < 0.4 and tools < 0.7,
        sentence="Most calls are refused (valid_share {0:.2f}, r2 {1:.2f}): the policy loses the form of calls or "
        "names lines and ids that are not there; lower optim.rate, or begin from a model that writes calls.",
    ),
    Rule(
        kind=AlarmKind.ENTROPY_GONE,
        metrics=("surprise_nats", "correctness"),
        holds=lambda surprise, correctness: surprise < 0.01 and correctness < 0.95,
        sentence="The policy no longer varies (surprise_nats {0:.4f}) and cannot find anything better; lower "
        "optim.rate, raise rollout.temperature or optim.clip_high, and go back to an earlier checkpoint.",
    ),
    Rule(
        kind=AlarmKind.ENTROPY_RISING,
        metrics=("surprise_nats",),
        holds=lambda surprise: surprise > 2.0,
        sentence="The policy falls apart into chance (surprise_nats {0:.2f}); lower optim.rate or optim.minibatches, "
        "or hold it near its start with optim.kl.",
    ),
    Rule(
        kind=AlarmKind.MISMATCH,
        metrics=("mismatch_nats",),
        holds=lambda mismatch: mismatch > 0.1,
        sentence="Sampler and trainer disagree on the sampled tokens (mismatch_nats {0:.3f}), so that the clip acts on "
        'noise; correct for it with optim.importance_cap = 2, or compute alike with engine.precision = "fp32".',
    ),
    Rule(
        kind=AlarmKind.GRADIENT,
        metrics=("gradient_norm",),
        holds=lambda norm: norm > 5.0,
        sentence="The gradient is far above the norm it is cut to (gradient_norm {0:.1f}), step after step; lower "
        "optim.rate, or raise rollout.episodes for steadier gradients.",
        middle=True,
    ),
    Rule(
        kind=AlarmKind.CUT_OFF,
        metrics=("truncated_share",),
        holds=lambda cut: cut > 0.2,
        sentence="Completions run into rollout.max_new_tokens ({0:.0%} of them), and a cut call is lost; raise "
        "rollout.max_new_tokens, or raise reward.compression so that less is written.",
    ),
)


def holding(rows: Rows) -> list[Alarm]:
    """What holds after the last of the rows, which are the metrics of steps in their order."""
    if len(rows) < WINDOW:
        return []
    recent = rows[-WINDOW:]
    found = []
    for rule in RULES:
        if not all(name in row for row in recent for name in rule.metrics):
            continue
        centre = statistics.median if rule.middle else statistics.fmean
        means = [centre([float(row[name]) for row in recent]) for name in rule.metrics]
        if rule.holds(*means):
            found.append(Alarm(step=int(rows[-1]["step"]), kind=rule.kind, sentence=rule.sentence.format(*means)))
    return found


def fresh(rows: Rows) -> list[Alarm]:
    """What holds after the last row and did not before: an alarm is told when it begins and when it returns."""
    before = {alarm.kind for alarm in holding(rows[:-1])}
    return [alarm for alarm in holding(rows) if alarm.kind not in before]


def raised(rows: Rows) -> list[Alarm]:
    """Every alarm of a run, as `fresh` told them step by step."""
    return [alarm for end in range(1, len(rows) + 1) for alarm in fresh(rows[:end])]
