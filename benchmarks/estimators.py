"""Credit assignment side by side: the paper's pooled estimator with its no-call rule against the default and the rest.

    python benchmarks/estimators.py --seeds 0 1 2
    python benchmarks/estimators.py --seeds 0 1 2 --table weights     β and γ instead

Same seeds, same episodes, same number of steps; runs are kept in runs/bench/<variant>-<seed> and resumed if there.
"""

from __future__ import annotations

import argparse

import torch
from record import RUNS, save

from memalpha.cli.demo import demo_config
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.train import train

VARIANTS: dict[str, dict[str, str]] = {
    "world": {},
    "paper": {
        "optim.estimator": "pooled",
        "reward.preset": "paper",
        "reward.compression": "0.05",
        "reward.content": "0.1",
        "reward.credit": "0.0",
        "reward.call_credit": "0.0",
        "optim.clip_high": "0.2",
        "data.stored": "0.0",
    },
    "trajectory": {"optim.estimator": "trajectory", "reward.credit": "0.0", "reward.call_credit": "0.0"},
    "branched": {
        "optim.estimator": "branched",
        "rollout.branches": "2",
        "reward.credit": "0.0",
        "reward.call_credit": "0.0",
    },
    "beta-0": {"reward.compression": "0.0"},
    "beta-0.05": {"reward.compression": "0.05"},
    "gamma-0": {"reward.content": "0.0"},
}
NAMES = {
    "paper": "pooled, no call = 0 (paper)",
    "trajectory": "trajectory",
    "branched": "branched + global",
    "beta-0": "β = 0, γ = 0.1",
    "beta-0.05": "β = 0.05 (paper's), γ = 0.1",
    "gamma-0": "β = 0.5, γ = 0",
}
TABLES = {"estimators": ["world", "paper"], "weights": ["world", "beta-0.05", "beta-0", "gamma-0"]}
"""What is compared in each table, unless told otherwise."""
DEFAULTS = {"estimators": "per step, own credit (default)", "weights": "β = 0.5, γ = 0.1 (default)"}
"""What the default is called in each table."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", default="estimators", choices=list(TABLES))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for variant in options.variants or TABLES[options.table]:
        for seed in options.seeds:
            settings = {"run.seed": str(seed), "engine.threads": str(options.threads), **VARIANTS[variant]}
            folder = RUNS / f"{variant}-{seed}"
            train(demo_config(settings), folder)
            name = NAMES.get(variant, DEFAULTS[options.table])
            rows.append({"variant": variant, "name": name, "seed": seed, **summary(RunFolder(path=folder))})
            print(rows[-1], flush=True)
            save(options.table, rows, seeds=options.seeds)


def summary(run: RunFolder) -> dict[str, object]:
    """Final score, write rate and memory, and the curves that they end."""
    metrics = run.metrics()
    curve = [row["correctness"] for row in metrics]
    last = metrics[-5:]
    return {
        "final_score": sum(curve[-5:]) / len(curve[-5:]),
        "validation_score": next(row["validation_score"] for row in reversed(metrics) if "validation_score" in row),
        "write_rate": sum(row["write_rate"] for row in last) / len(last),
        "memory_share": sum(row["memory_share"] for row in last) / len(last),
        "curve": curve,
        "memory_curve": [row["memory_share"] for row in metrics],
        "write_curve": [row["write_rate"] for row in metrics],
    }


if __name__ == "__main__":
    main()
