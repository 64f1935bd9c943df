"""The schedule of a run is what the local loop would have sampled, step by step."""

import random
from pathlib import Path

from memalpha.data.world import make_episodes
from memalpha.records import write_episodes
from memalpha.rl.config import DataConfig, RolloutConfig, RunConfig, TrainConfig
from memalpha.rl.rollout import draw_start
from memalpha.rl.train import open_source
from memalpha.rl.verl.schedule import DATA_SOURCE, plan, step_seed

WORLD = TrainConfig(
    run=RunConfig(steps=4, seed=3),
    data=DataConfig(tokens=500, validation_episodes=2, stored=0.6),
    rollout=RolloutConfig(episodes=3, group=2),
)


def test_each_step_has_its_episodes_with_the_starts_of_the_local_loop() -> None:
    source = open_source(WORLD)
    schedule = plan(WORLD, source)
    assert [each.step for each in schedule.training] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for step in range(4):
        rows = schedule.training[3 * step : 3 * step + 3]
        assert tuple(schedule.episodes[row.episode] for row in rows) == source.batch(step)
        rng = random.Random(3 * 1_000_000 + step)
        starts = [draw_start(episode, 0.6 * (1 - step / 4), rng) for episode in source.batch(step)]
        assert [(row.stored, row.first_id) for row in rows] == [(each.stored, each.first_id) for each in starts]
    assert step_seed(WORLD, 2) == 3_000_002


def test_validation_starts_with_nothing() -> None:
    source = open_source(WORLD)
    schedule = plan(WORLD, source)
    assert tuple(schedule.episodes[row.episode] for row in schedule.validation) == source.validation
    assert {(row.step, row.stored, row.first_id) for row in schedule.validation} == {(0, 0, 1)}
    assert {row.data_source for row in (*schedule.training, *schedule.validation)} == {DATA_SOURCE}


def test_an_episode_that_comes_again_is_kept_once(tmp_path: Path) -> None:
    write_episodes(tmp_path / "own.jsonl", make_episodes(2, seed=1, tokens=500))
    config = TrainConfig(
        run=RunConfig(steps=3), data=DataConfig(source=str(tmp_path / "own.jsonl"), validation_episodes=0)
    )
    schedule = plan(config, open_source(config))
    assert len(schedule.episodes) == 2
    assert sorted(row.episode for row in schedule.training) == [0, 0, 0, 1, 1, 1]
    assert schedule.validation == ()
