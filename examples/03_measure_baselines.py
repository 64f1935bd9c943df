"""Baselines on the synthetic world: what keeping everything, or a share of it, is worth under one reader.

Keeping everything fails where later text corrects earlier text (CR): the stale sentence matches the question better.

    python examples/03_measure_baselines.py
"""

from memalpha import make_episode
from memalpha.agent.tokens import nano_counter
from memalpha.data.words import Split
from memalpha.evaluation.baselines import lead_selection, long_context, rag, random_selection, sentence_control
from memalpha.evaluation.harness import compare
from memalpha.records import Competency

EPISODES = 20
TOKENS = 500


def main() -> None:
    count = nano_counter()
    episodes = [make_episode(seed, tokens=TOKENS, split=Split.TEST) for seed in range(EPISODES)]
    systems = [
        long_context(count),
        rag(count),
        sentence_control(count),
        lead_selection(count, 0.5),
        random_selection(count, 0.5),
    ]
    rows, _ = compare(systems, episodes)
    print(f"{EPISODES} test episodes of {TOKENS} tokens; AR, TTL, LRU, CR: the four competencies\n")
    print(f"{'system':<14}{'score':>7}  {'95% interval':<14}{'AR':>5}{'TTL':>5}{'LRU':>5}{'CR':>5}{'kept':>6}  reads")
    for row in rows:
        parts = "".join(f"{row.by_competency[each]:>5.2f}" for each in Competency)
        interval = f"{row.low:.2f} to {row.high:.2f}"
        share = f"{row.memory_share:.0%}"
        print(f"{row.system:<14}{row.score:>7.3f}  {interval:<14}{parts}{share:>6}  {row.read_budget}")


if __name__ == "__main__":
    main()
