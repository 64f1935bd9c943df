"""A step of GRPO on 128 chunks of the world: this library, TRL's trainer and the padded scheme, side by side.

    pip install '.[train,bench]' --constraint constraints.txt        TRL is needed for this comparison alone
    python benchmarks/speed.py --repetitions 5 --steps 40 --seeds 0 1 2

Every repetition times each engine once, in turns: sampling the same prompts, scoring and updating on the same recorded
rows, from the same weights, in as many optimiser steps. Then each trains from the same start with the same seeds, and
the policies are scored alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from engines import AsPublished, Engine, Ours, Padded
from record import save

from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.model import Prompt, Sampling
from memalpha.agent.reader import ExtractiveReader
from memalpha.cli.demo import TEST_SEED, demo_config
from memalpha.cli.measure import open_episodes
from memalpha.episode import run_episodes
from memalpha.evaluation.harness import bootstrap
from memalpha.rl.config import TrainConfig
from memalpha.rl.rollout import Collector
from memalpha.rl.rows import Row
from memalpha.rl.train import make_writer, open_source

SEQUENCES = 128
SETTINGS = {"optim.minibatches": "4", "rollout.episodes": "6", "engine.threads": "1"}
"""Four optimiser steps of 32 sequences; six episodes give a few more than 128."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=5, help="of the timing; 0 only trains")
    parser.add_argument("--steps", type=int, default=12, help="of training with each engine; 0 only times")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--episodes", type=int, default=60, help="that the trained policies are tested on")
    parser.add_argument("--without-trl", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = demo_config(SETTINGS)
    kinds = engines(trl=not options.without_trl)
    if options.repetitions:
        for found in timings(config, [*kinds, AsPublished], options.repetitions):
            save("speed", {"sequences": SEQUENCES, "timings": found}, seeds=[])
    if options.steps:
        for found in learning(config, kinds, options):
            save("learning", found, seeds=options.seeds)


def engines(*, trl: bool) -> list[Callable[[TrainConfig], Engine]]:
    """Makers of the engines; the first is the one that the others are compared with."""
    if not trl:
        return [Ours, Padded]
    try:
        from trl_engine import Trl
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"{error.name} is not installed, which this benchmark compares with; install it with "
            "pip install '.[train,bench]' --constraint constraints.txt, or pass --without-trl"
        ) from error
    return [Ours, Trl, Padded]


def timings(
    config: TrainConfig, kinds: Sequence[Callable[[TrainConfig], Engine]], repetitions: int
) -> Iterator[list[dict[str, Any]]]:
    """After each repetition all rows so far, one for each engine; a first round, which warms up, is left out."""
    rows = recorded(config)
    prompts = [Prompt(tokens=row.prompt_ids) for row in rows]
    made = [kind(config) for kind in kinds]
    found: list[dict[str, Any]] = []
    for repetition in range(repetitions + 1):
        for engine in made:
            seconds = timed(config, engine, prompts, rows)
            print(engine.name, repetition, seconds, flush=True)
            if repetition:
                found.append({"engine": engine.name, "repetition": repetition, **seconds})
        if repetition:
            yield found
    close(made)


def timed(config: TrainConfig, engine: Engine, prompts: Sequence[Prompt], rows: Sequence[Row]) -> dict[str, float]:
    """Seconds of the parts of one step, from the weights that the rows were sampled with."""
    engine.model.network.load_state_dict(load_local(config.run.model).network.state_dict())
    sampling = Sampling(temperature=config.rollout.temperature, max_tokens=config.rollout.max_new_tokens, seed=1)
    seconds: dict[str, float] = {}
    with clock(seconds, "sample_seconds"):
        completions = engine.model.complete(prompts, sampling)
    with clock(seconds, "score_seconds"):
        scored = engine.score(rows)
    with clock(seconds, "update_seconds"):
        engine.update(scored, seed=1)
    if isinstance(engine, Ours) and engine.learner.updates % config.optim.minibatches:
        raise SystemExit(
            f"{engine.name} stopped before its {config.optim.minibatches} optimiser steps; lower optim.rate"
        )
    return seconds | {"sampled_tokens": sum(len(each.token_ids) for each in completions)}


@contextmanager
def clock(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Processor time of this process: with one thread the time on a machine that does nothing else."""
    began = time.process_time()
    yield
    seconds[name] = time.process_time() - began


def recorded(config: TrainConfig) -> list[Row]:
    """The rows that all engines learn from: sampled by the warm start on the first episodes of a run."""
    model = load_local(config.run.model)
    return collected(config, model, 0)[:SEQUENCES]


def collected(config: TrainConfig, model: LocalModel, step: int) -> list[Row]:
    writer = make_writer(model, config, step)
    source = open_source(config).cut(writer.config.passage_tokens, model.counter)
    collector = Collector(config, writer, ExtractiveReader(), model.counter, progress=step / config.run.steps)
    return list(collector.collect(source.batch(step), seed=config.run.seed * 1_000_000 + step).rows)


def learning(
    config: TrainConfig, kinds: Sequence[Callable[[TrainConfig], Engine]], options: argparse.Namespace
) -> Iterator[list[dict[str, Any]]]:
    """After each training all rows so far: greedy scores on the same test episodes after the same number of steps.

    Brackets of a score and of its difference to ours are intervals over episodes.
    """
    tests = open_episodes("world", tokens=config.data.tokens, episodes=options.episodes, seed=TEST_SEED)
    found: list[dict[str, Any]] = []
    for seed in options.seeds:
        run = demo_config(SETTINGS | {"run.seed": str(seed), "run.steps": str(options.steps)})
        ours_E = np.zeros(0)
        for kind in kinds:
            engine = kind(run)
            for step in range(options.steps):
                engine.update(engine.score(collected(run, engine.model, step)), seed=step)
            # A copy, since trainers wrap what they train.
            trained = load_local(run.run.model)
            trained.network.load_state_dict(engine.model.network.state_dict())
            close([engine])
            writer = make_writer(trained, run)
            traces = run_episodes(writer, ExtractiveReader(), tests, count_tokens=trained.counter)
            scores_E = np.array([trace.score for trace in traces])
            ours_E = ours_E if len(ours_E) else scores_E
            low, high = bootstrap(scores_E)
            less, more = bootstrap(scores_E - ours_E)
            found.append(
                {"engine": engine.name, "seed": seed, "steps": options.steps, "episodes": len(tests),
                 "score": float(scores_E.mean()), "low": low, "high": high,
                 "difference": float((scores_E - ours_E).mean()), "difference_low": less, "difference_high": more}
            )  # fmt: skip
            print(found[-1], flush=True)
            yield found


def close(made: Sequence[Engine]) -> None:
    for engine in made:
        ending = getattr(engine, "close", None)
        if ending is not None:
            ending()


if __name__ == "__main__":
    main()
