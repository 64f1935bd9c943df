"""Real text: SQuAD and HotpotQA episodes, score against memory, before and after RL, against equal-sized selections.

    python benchmarks/real_text.py --data ../shared/data --seeds 0 1 2

Trains the shipped writer, which knows the world alone, on the train files with write budgets of 25, 50 and 75% in turn,
and scores on the test files. At 100% nothing is left to choose. Every system stores quoted lines only and is read by
the same reader.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from record import RUNS, row, save

from memalpha.agent.local import LocalModel, load_local
from memalpha.agent.tokens import nano_counter
from memalpha.cli.measure import writer_system
from memalpha.data.sources import hotpotqa, squad
from memalpha.evaluation.baselines import System, lead_selection, rag, random_selection, sentence_control
from memalpha.evaluation.harness import compare
from memalpha.records import Episode, write_episodes
from memalpha.rl.config import TrainConfig
from memalpha.rl.config_file import load_config
from memalpha.rl.train import train

CONFIG = Path(__file__).parent.parent / "configs" / "real-text.toml"
SHARES = (0.25, 0.5, 0.75, 1.0)
TEST_EPISODES = {"squad": 55, "hotpotqa": 40}


def load_pair(data: Path, name: str) -> tuple[list[Episode], list[Episode]]:
    """Training and test episodes; training ones are shorter, so that a step is."""
    if name == "squad":
        files = "train_squad_v1.1_dev.jsonl.gz", "test_squad_v1.1_dev.jsonl.gz"
        training = squad.load(
            data / "squad" / files[0], paragraphs_per_episode=4, questions_per_paragraph=4, max_chunk_tokens=300
        )
        tests = squad.load(data / "squad" / files[1], max_chunk_tokens=300)
    else:
        files = "train_hf.jsonl.gz", "test_hf.jsonl.gz"
        training = hotpotqa.load(data / "hotpotqa" / files[0], questions_per_episode=1, max_chunk_tokens=300)
        tests = hotpotqa.load(data / "hotpotqa" / files[1], questions_per_episode=4, max_chunk_tokens=300)
    return list(training), list(tests)[: TEST_EPISODES[name]]


def evidence_only(episode: Episode, spare: int = 2) -> Episode:
    """The evidence chunks and a few others: HotpotQA's ten paragraphs hold one question, most of them tell nothing."""
    wanted = sorted({at for question in episode.questions for at in question.evidence})
    kept = sorted({*wanted, *[at for at in range(len(episode.chunks)) if at not in wanted][:spare]})
    place = {at: number for number, at in enumerate(kept)}
    questions = tuple(replace(each, evidence=tuple(place[at] for at in each.evidence)) for each in episode.questions)
    return replace(episode, chunks=tuple(episode.chunks[at] for at in kept), questions=questions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", default=["squad", "hotpotqa"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--episodes", type=int, help="test episodes of each set; all 55 and 40 by default")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.sets:
        rows: list[dict[str, object]] = []
        training, tests = load_pair(options.data, name)
        tests = tests[: options.episodes]
        if name == "hotpotqa":
            training = [evidence_only(each) for each in training]
        file = RUNS / f"{name}-train.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_episodes(file, training)
        rows += score_rules(tests)
        config = load_config(CONFIG)
        rows += score_model("Warm start", load_local("nano-warm"), tests, config, None)
        rows += score_model("Before RL (shipped writer)", load_local("nano"), tests, config, None)
        for seed in options.seeds:
            settings = {"data.source": str(file), "run.seed": str(seed), "engine.threads": str(options.threads)}
            config = load_config(CONFIG, settings)
            model = train(config, RUNS / f"{name}-{seed}")
            scored = score_model("After RL", model, tests, config, seed)
            for each in scored:
                print(name, seed, each["share"], f"{each['score']:.3f} {each['memory_share']:.3f}", flush=True)
            rows += scored
            save(f"real_{name}", rows, seeds=options.seeds)


def score_rules(tests: Sequence[Episode]) -> list[dict[str, object]]:
    """RAG-Top2, the sentence control and the selections."""
    count = nano_counter()
    whole: list[System] = [rag(count), sentence_control(count)]
    found = [row(each, share=1.0, seed=None) for each in compare(whole, tests)[0]]
    for share in SHARES[:-1]:
        chosen: list[System] = [
            lead_selection(count, share),
            *(random_selection(count, share, seed=n) for n in range(3)),
        ]
        for at, each in enumerate(compare(chosen, tests)[0]):
            found.append(row(each, share=share, seed=at - 1 if at else None))
    return found


def score_model(
    title: str, model: LocalModel, tests: Sequence[Episode], config: TrainConfig, seed: int | None
) -> list[dict[str, object]]:
    """A writer at each budget, greedily; its passages are the chunks, so that a budget is of the same text for all."""
    found = []
    for share in SHARES:
        system = writer_system(title, model, budget=share, config=config)
        found.append(row(compare([system], tests)[0][0], share=share, seed=seed))
    return found


if __name__ == "__main__":
    main()
