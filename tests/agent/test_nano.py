"""The shipped checkpoints as files: that they belong together and to the package."""

from __future__ import annotations

from memalpha.agent.local import load_local
from memalpha.agent.model import Sampling
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.tokens import NANO_FOLDER, nano_counter
from memalpha.agent.writer import Writer
from memalpha.data.words import Split
from memalpha.data.world import make_episodes
from memalpha.episode import run_episodes

SAMPLED = Sampling(temperature=1.0, max_tokens=96, seed=5)


def test_all_checkpoints_share_one_tokenizer() -> None:
    texts = {path.read_bytes() for path in NANO_FOLDER.rglob("tokenizer.json")}
    assert len(list(NANO_FOLDER.rglob("tokenizer.json"))) == 4
    assert len(texts) == 1


def test_weights_and_tokenizer_stay_under_twelve_megabytes() -> None:
    assert sum(path.stat().st_size for path in NANO_FOLDER.rglob("*") if path.is_file()) < 12_000_000


def test_the_weights_speak_the_language_of_their_tokenizer_and_training_chose() -> None:
    # With the wrong tokenizer the score falls by a third and more, and the share of calls that fail rises.
    episodes = make_episodes(12, seed=11, tokens=440, split=Split.TEST)
    scores, shares = {}, {}
    for name in ("nano-warm", "nano"):
        writer = Writer(load_local(name))
        traces = run_episodes(
            writer, ExtractiveReader(), episodes, count_tokens=nano_counter(), sampling=lambda index: SAMPLED
        )
        scores[name] = sum(trace.score for trace in traces) / len(traces)
        shares[name] = sum(trace.memory_tokens / trace.raw_tokens for trace in traces) / len(traces)
    assert scores["nano"] > 0.8
    assert scores["nano"] > 2 * scores["nano-warm"]
    assert scores["nano"] / shares["nano"] > 2 * scores["nano-warm"] / shares["nano-warm"]
