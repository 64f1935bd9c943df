"""Writers for real text: trained on paragraphs, labelled requests, edited facts and the world.

    python benchmarks/mixture.py --data ../shared/data --seeds 0 1 2

Short episodes from the train files of SQuAD, HotpotQA, NLU and MQuAKE, and from the training split of the world, in
runs/bench/mixture-train.jsonl; runs are kept in runs/bench/mixture-<seed> and resumed if there. suites.py scores them.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from real_text import evidence_only
from record import RUNS

from memalpha.agent.tokens import nano_counter
from memalpha.data.labelled import Sample, Shape, learn_from, read_label
from memalpha.data.raw import field, read_records
from memalpha.data.sources import hotpotqa, squad
from memalpha.data.suites import mquake
from memalpha.data.suites.suite import Limits
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.records import Episode, write_episodes
from memalpha.rl.config_file import load_config
from memalpha.rl.train import train

CONFIG = Path(__file__).parent.parent / "configs" / "mixture.toml"
EACH = 160
"""Episodes of a kind."""
PASSAGE = 200
LABELS = 6
REQUESTS = Shape(episodes=1, chunk_tokens=(150, 150), reuse=False, chunks=4, questions=8)


def mixture(data: Path) -> Iterator[Episode]:
    """Training episodes of all kinds; the same each time."""
    paragraphs = squad.load(
        data / "squad" / "train_squad_v1.1_dev.jsonl.gz",
        paragraphs_per_episode=2,
        questions_per_paragraph=4,
        max_chunk_tokens=PASSAGE,
    )
    hops = hotpotqa.load(data / "hotpotqa" / "train_hf.jsonl.gz", questions_per_episode=1, max_chunk_tokens=PASSAGE)
    facts = mquake.load_single(
        data / "mquake_hard" / "train.jsonl.gz",
        limits=Limits(episodes=EACH, length_tokens=500, chunk_tokens=PASSAGE, questions=12),
    )
    yield from islice(paragraphs, EACH)
    yield from islice(map(evidence_only, hops), EACH)
    yield from requests(data / "nlu" / "train.jsonl.gz")
    yield from facts
    yield from make_episodes(EACH, seed=0, tokens=440, split=Split.TRAIN)


def requests(file: Path) -> Iterator[Episode]:
    """Episodes of a few intents each, so that some of their samples fit a short stream."""
    by_label: dict[str, list[Sample]] = {}
    for where, record in read_records(file):
        sample = Sample(
            text=" ".join(field(record, "text", str, where).split()), label=read_label(record, "intent", where)
        )
        by_label.setdefault(sample.label, []).append(sample)
    usual = sorted(label for label, samples in by_label.items() if len(samples) >= 20)
    for number in range(EACH):
        chosen = random.Random(number).sample(usual, LABELS)
        samples: Sequence[Sample] = [sample for label in chosen for sample in by_label[label]]
        yield from learn_from(
            samples, REQUESTS, name=f"nlu-{number}", source="nlu", seed=number, count_tokens=nano_counter()
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    file = RUNS / "mixture-train.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_episodes(file, mixture(options.data))
    for seed in options.seeds:
        settings = {"data.source": str(file), "run.seed": str(seed), "engine.threads": str(options.threads)}
        train(load_config(CONFIG, settings), RUNS / f"mixture-{seed}")


if __name__ == "__main__":
    main()
