"""Length: a writer trained on short episodes, scored at 1, 10, 100 and 250 times that length.

    python benchmarks/length.py

Every length is scored on the same kind of test episodes; the reader is the same. Seconds are for writing and reading
together.
"""

from __future__ import annotations

import argparse
import resource

import torch
from record import row, save

from memalpha.cli.demo import TEST_SEED, demo_config
from memalpha.cli.measure import baseline_systems, open_model, writer_system
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.evaluation.harness import compare

EPISODES = {1: 60, 10: 12, 100: 4, 250: 2}
"""Episodes at each multiple: the longest ones hold 100 questions each."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", nargs="+", default=["nano"])
    parser.add_argument("--multiples", type=int, nargs="+", default=list(EPISODES))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    unit = demo_config({}).data.tokens
    rows = []
    for name in options.models:
        model = open_model(name)
        for multiple in options.multiples:
            tests = make_episodes(EPISODES[multiple], seed=TEST_SEED, tokens=unit * multiple, split=Split.TEST)
            systems = [
                writer_system("After RL (greedy)", model),
                *(baseline_systems(model) if name == options.models[0] else []),
            ]
            scores, _ = compare(systems, tests)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rows += [row(each, model=name, multiple=multiple, tokens=unit * multiple, peak_mib=peak) for each in scores]
            print(
                multiple, [(each.system, round(each.score, 3), round(each.seconds, 1)) for each in scores], flush=True
            )
            save("length", rows, seeds=[TEST_SEED])


if __name__ == "__main__":
    main()
