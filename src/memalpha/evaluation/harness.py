"""Runs systems over the same episodes and sums up: score with interval, competencies, memory, what was read."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from memalpha.episode import Trace
from memalpha.errors import EpisodeError
from memalpha.evaluation.baselines import System
from memalpha.records import Competency, Episode

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemScore:
    """One row of a results table."""

    system: str
    score: float
    """Mean over questions within an episode, then over episodes."""
    low: float
    high: float
    """Bootstrap interval of 95% over the episodes."""
    by_competency: dict[Competency, float]
    """Mean over the questions of each competency that was asked."""
    sufficiency: float
    """Share of questions whose answer stood in what the reader was shown."""
    memory_tokens: float
    """Mean size of the memory at the end."""
    memory_share: float
    """Mean share of the raw text that it amounts to."""
    written_tokens: float
    """Mean length of everything that was written on the way, for an episode."""
    read_tokens: float
    """Mean length of what was read for one question."""
    read_budget: str
    """What may be read for one question, in words."""
    seconds: float
    """Writing and reading all episodes took this long."""
    episodes: int
    read_seconds: float | None = None
    """Of `seconds`, what reading and answering took; None where it was not measured apart."""
    judged: float | None = None
    """Share of the answers that a judge held to be right, by episode as the score; None without a judge."""


def compare(
    systems: Sequence[System],
    episodes: Sequence[Episode],
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[SystemScore], dict[str, list[Trace]]]:
    """Score every system on the same episodes; returns the rows and the traces by system name.

    Raises `EpisodeError` without episodes, and `ModelError` when a model fails.
    """
    if not episodes:
        raise EpisodeError("got no episodes to score systems on, expected at least one")
    rows, traces = [], {}
    for system in systems:
        if progress:
            progress(system.name)
        started = time.monotonic()
        traces[system.name] = system.run(episodes)
        rows.append(summarise(system.name, traces[system.name], system.read_budget, seconds=time.monotonic() - started))
    return rows, traces


def summarise(name: str, traces: Sequence[Trace], read_budget: str, *, seconds: float) -> SystemScore:
    """One row from the traces of one system."""
    scores_E = np.array([trace.score for trace in traces])
    low, high = bootstrap(scores_E)
    return SystemScore(
        system=name,
        score=float(scores_E.mean()),
        low=low,
        high=high,
        by_competency=by_competency(traces),
        sufficiency=float(np.mean([trace.sufficiency for trace in traces])),
        memory_tokens=float(np.mean([trace.memory_tokens for trace in traces])),
        memory_share=float(np.mean([trace.memory_tokens / trace.raw_tokens for trace in traces])),
        written_tokens=float(np.mean([trace.written_tokens for trace in traces])),
        read_tokens=float(np.mean([trace.read_tokens for trace in traces])),
        read_budget=read_budget,
        seconds=seconds,
        episodes=len(traces),
    )


def by_competency(traces: Sequence[Trace]) -> dict[Competency, float]:
    """Mean score over all questions of each competency."""
    scores: dict[Competency, list[float]] = defaultdict(list)
    for trace in traces:
        for question, score in zip(trace.episode.questions, trace.scores, strict=True):
            scores[question.competency].append(score)
    return {
        competency: sum(scores[competency]) / len(scores[competency]) for competency in Competency if scores[competency]
    }


def bootstrap(scores_E: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of 95% of the mean, resampling episodes (Efron 1979); of one episode it is a point."""
    rng = np.random.default_rng(seed)
    means_R = scores_E[rng.integers(0, len(scores_E), size=(resamples, len(scores_E)))].mean(axis=1)
    return float(np.quantile(means_R, 0.025)), float(np.quantile(means_R, 0.975))
