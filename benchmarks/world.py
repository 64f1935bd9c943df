"""Before and after RL on held-out world episodes, 3 seeds, against the baselines.

    python benchmarks/world.py --seeds 0 1 2

Trains the demo's configuration once a seed in runs/bench/world-<seed> (resumed if it is there) and scores warm start,
trained writers, the shipped one and baselines on the same test episodes.
"""

from __future__ import annotations

import argparse

import torch
from record import RUNS, row, save

from memalpha.agent.local import load_local
from memalpha.cli.demo import TEST_SEED, TRAINED, TRAINED_GREEDY, WARM, WARM_GREEDY, demo_config
from memalpha.cli.measure import baseline_systems, open_episodes, writer_system
from memalpha.evaluation.harness import compare
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.train import train


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = demo_config({})
    tests = open_episodes("world", tokens=config.data.tokens, episodes=options.episodes, seed=TEST_SEED)
    warm = load_local("nano-warm")
    systems = [writer_system(WARM, warm, sampled=True), writer_system(WARM_GREEDY, warm), *baseline_systems(warm)]
    systems.append(writer_system("Shipped writer (greedy)", load_local("nano")))
    rows = [row(each, seed=None) for each in compare(systems, tests)[0]]
    for seed in options.seeds:
        settings = {"run.seed": str(seed), "engine.threads": str(options.threads)}
        folder = RUNS / f"world-{seed}"
        model = train(demo_config(settings), folder)
        seconds = sum(each["rollout_seconds"] + each["update_seconds"] for each in RunFolder(path=folder).metrics())
        trained = [writer_system(TRAINED, model, sampled=True), writer_system(TRAINED_GREEDY, model)]
        rows += [row(each, seed=seed, training_seconds=seconds) for each in compare(trained, tests)[0]]
        for each in rows[-2:]:
            print(seed, each["system"], round(each["score"], 3), round(each["memory_share"], 3), flush=True)
        save("world", rows, seeds=options.seeds)


if __name__ == "__main__":
    main()
