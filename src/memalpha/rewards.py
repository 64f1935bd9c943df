"""What an episode is worth: r = r1 + r2 + β·r3 + γ·r4 (arXiv:2509.25911, section 3), each term apart.

    r1  correctness   mean score of the questions                       the whole episode
    r2  tool calls    share of the calls of a step that were carried out one step
    r3  compression   1 - memory tokens / chunk tokens                   the whole episode
    r4  content       share of the calls of a step whose text is fit     one step

The paper gives r2 = r4 = 0 to a step without a call, which pays for writing on every chunk; here doing nothing is a
valid action and scores 1 on both. `RewardPreset.PAPER` keeps the paper's rule. Weights are not normalised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from memalpha.agent.judge import Judge
from memalpha.agent.writer import Step
from memalpha.episode import Count, Trace
from memalpha.memory.bank import Action, MemoryKind, Operation
from memalpha.memory.search import tokenize

_RELATIVE = frozenset("today yesterday tonight tomorrow".split())
_PERSONAL_ACT = re.compile(
    r"\b(?:i|we|he|she|they|you)\s+\w+|\b\w+ed\b|\b(?:met|went|saw|bought|made|took|came|won|lost)\b"
)
_EMPTY_TALK = re.compile(r"(?:\w+: )?(?:thanks|thank you|ok(?:ay)?|sure|alright|hello|hi|good morning|no worries)\b")


class RewardPreset(StrEnum):
    """Which rule holds for a step without a call, and for deletes in r4."""

    DEFAULT = "default"
    PAPER = "paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWeights:
    """r = r1 + r2 + β·r3 + γ·r4."""

    compression: float = 0.05
    """β, weight of r3."""
    content: float = 0.1
    """γ, weight of r4."""


class Validator(Protocol):
    """Decides whether the text of an entry is fit for its kind of memory."""

    def valid(self, operation: Operation) -> bool:
        """Whether what this operation wrote is fit; raises `ModelError` when it cannot tell."""
        ...


class RuleValidator:
    """The rules of r4 when no judge is at hand (docs/concepts.md lists them).

    Unfit is: fewer than three words; a question; thanks, greetings and other empty talk; an episodic entry without a
    time, or without an act of somebody; a semantic entry whose truth hangs on the day it was said ("yesterday").
    """

    def valid(self, operation: Operation) -> bool:
        """Whether the text stands up to every rule; deletes are fit."""
        if operation.action is Action.DELETE or operation.after is None:
            return True
        text = operation.after.strip().lower()
        words = tokenize(text)
        if len(words) < 3 or text.endswith("?") or _EMPTY_TALK.match(text):
            return False
        if operation.kind is MemoryKind.EPISODIC:
            return operation.provenance.time is not None and bool(_PERSONAL_ACT.search(text))
        if operation.kind is MemoryKind.SEMANTIC:
            return not _RELATIVE & set(words)
        return True


class JudgeValidator:
    """r4 by a language model; an outage raises and is never a score."""

    def __init__(self, judge: Judge) -> None:
        """Ask this judge."""
        self.judge = judge

    def valid(self, operation: Operation) -> bool:
        """The verdict on the text; deletes are fit. Raises `ModelError`."""
        if operation.action is Action.DELETE or operation.after is None:
            return True
        dated = f"[{operation.provenance.time}] " if operation.provenance.time else ""
        return self.judge.valid_entry(operation.kind.value, dated + operation.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReward:
    """The terms that belong to one step."""

    tools: float
    """r2, in [0, 1]."""
    content: float
    """r4, in [0, 1]."""
    own_correctness: float | None
    """Mean score of the questions whose evidence lies in this chunk; None when there are none."""
    own_compression: float
    """1 - tokens in memory that are from this chunk / tokens of the chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeReward:
    """All terms of one trace."""

    correctness: float
    """r1, in [0, 1]."""
    compression: float
    """r3, at most 1; negative when the memory outgrew its source."""
    steps: tuple[StepReward, ...]

    def totals(self, weights: RewardWeights) -> list[float]:
        """r of each step, with the episode's r1 and r3."""
        shared = self.correctness + weights.compression * self.compression
        return [shared + step.tools + weights.content * step.content for step in self.steps]

    def credited(self, weights: RewardWeights, credit: float) -> list[float]:
        """r of each step, where a share `credit` of r1 and r3 is the step's own.

        A step's own correctness is that of the questions whose evidence it has read (compare Fine-Mem,
        arXiv:2601.08435); a step without such questions keeps the episode's. 0 gives `totals`.
        """
        rewards = []
        for step, total in zip(self.steps, self.totals(weights), strict=True):
            own = self.correctness if step.own_correctness is None else step.own_correctness
            gain = own - self.correctness + weights.compression * (step.own_compression - self.compression)
            rewards.append(total + credit * gain)
        return rewards


def compression(memory_tokens: int, chunk_tokens: int) -> float:
    """r3 = 1 - |memory| / |all chunks|, in tokens; negative when the memory outgrew its source."""
    return 1.0 - memory_tokens / chunk_tokens


def tools(step: Step, preset: RewardPreset) -> float:
    """r2: the share of the calls without a fault; without a call 1, in the paper 0."""
    if not step.calls:
        return 0.0 if preset is RewardPreset.PAPER else 1.0
    return sum(not result.faulty for result in step.results) / len(step.results)


def content(step: Step, preset: RewardPreset, validator: Validator) -> float:
    """r4: the share of the calls that wrote something fit; without a call 1, in the paper 0, where deletes score 0 too.

    A call that failed wrote nothing, so it counts as unfit; one over the budget does not count.
    """
    paper = preset is RewardPreset.PAPER
    counted = sum(result.ok or result.faulty for result in step.results)
    if not counted:
        return 0.0 if paper else 1.0
    fit = sum(validator.valid(each) for each in step.operations if not (paper and each.action is Action.DELETE))
    return fit / counted


def reward(trace: Trace, *, preset: RewardPreset, validator: Validator, count_tokens: Count) -> EpisodeReward:
    """All terms of one trace; raises `ModelError` when a judge fails."""
    own = own_correctness(trace)
    kept = _kept_tokens(trace, count_tokens)
    return EpisodeReward(
        correctness=trace.score,
        compression=compression(trace.memory_tokens, trace.raw_tokens),
        steps=tuple(
            StepReward(
                tools=tools(step, preset),
                content=content(step, preset, validator),
                own_correctness=own[step.index],
                own_compression=compression(kept[step.index], count_tokens(trace.episode.chunks[step.index].text)),
            )
            for step in trace.steps
        ),
    )


def own_correctness(trace: Trace) -> list[float | None]:
    """For each chunk the mean score of the questions that have their evidence there, None without any."""
    scores: list[list[float]] = [[] for _ in trace.episode.chunks]
    for question, value in zip(trace.episode.questions, trace.scores, strict=True):
        for index in question.evidence:
            scores[index].append(value)
    return [sum(values) / len(values) if values else None for values in scores]


def _kept_tokens(trace: Trace, count_tokens: Count) -> Sequence[int]:
    """Tokens in memory at the end that are from each chunk."""
    kept = [0] * len(trace.episode.chunks)
    for kind in MemoryKind:
        for entry in trace.bank.entries(kind):
            if entry.provenance.chunk is not None:
                kept[entry.provenance.chunk] += count_tokens(entry.text)
    return kept
