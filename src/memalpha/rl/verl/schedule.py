"""A whole run as rows: which episode each step samples, and what its memory begins with.

The rows are those that the local loop draws step by step; written down, they need neither a clock nor a seed where the
sampling is spread over machines.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from memalpha.episode import Start
from memalpha.records import Episode
from memalpha.rl.config import TrainConfig
from memalpha.rl.rollout import draw_start, stored_share
from memalpha.rl.train import EpisodeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One episode of one step."""

    prompt: str
    """The episode's id; verl wants a column of this name."""
    data_source: str
    """Where verl files its score; the same for all."""
    episode: int
    """Its place in the file of episodes, the first is 0."""
    step: int
    """The first is 0; the writer's budget and the centring of calls follow from it."""
    stored: int
    """Of how many chunks some lines are in memory before the writer begins."""
    first_id: int
    """The number of the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All that a run samples."""

    episodes: tuple[Episode, ...]
    """Each once."""
    training: tuple[Planned, ...]
    """Step by step."""
    validation: tuple[Planned, ...]


DATA_SOURCE = "memalpha"


def plan(config: TrainConfig, source: EpisodeSource) -> Schedule:
    """The schedule of a run; the same configuration and source give the same."""
    places: dict[Episode, int] = {}
    training: list[Planned] = []
    for step in range(config.run.steps):
        rng = random.Random(step_seed(config, step))
        share = stored_share(config, step / config.run.steps)
        for episode in source.batch(step):
            start = draw_start(episode, share, rng)
            training.append(_planned(episode, places, step, start))
    validation = [_planned(episode, places, 0, Start()) for episode in source.validation]
    return Schedule(episodes=tuple(places), training=tuple(training), validation=tuple(validation))


def step_seed(config: TrainConfig, step: int) -> int:
    """What decides everything random of one step."""
    return config.run.seed * 1_000_000 + step


def _planned(episode: Episode, places: dict[Episode, int], step: int, start: Start) -> Planned:
    return Planned(
        prompt=episode.id,
        data_source=DATA_SOURCE,
        episode=places.setdefault(episode, len(places)),
        step=step,
        stored=start.stored,
        first_id=start.first_id,
    )
