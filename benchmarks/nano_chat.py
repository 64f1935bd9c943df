"""The shipped writer `nano-chat`: a nano policy for conversations.

    python benchmarks/nano_chat.py --data ../shared/data --out runs/bench/nano-chat

It begins with the shipped `nano`, which knows the synthetic world, and is shown what is worth keeping in streams of
three kinds: everyday talk (`memalpha.data.everyday`), the world itself, so that updating is not unlearned, and BEAM
chats of the train file. Of these, gold-bearing statements of users (statements.py) are kept, what the assistant says,
code and the short questions of users are passed over, and lines that may or may not be worth it are left out. The chats
13 and 16 are not read: whatever is chosen is chosen by conversations.py on them.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from record import RUNS
from statements import Chat, Said, read_chats
from transformers import Lfm2ForCausalLM

from memalpha.agent.local import SHIPPED, open_tokenizer
from memalpha.data.everyday import Line, make_talk
from memalpha.data.world import make_episode
from memalpha.memory.entry import MemoryKind
from memalpha.rl.demonstrations import Demonstration
from memalpha.rl.lessons import first_ids, lessons, of_world
from memalpha.rl.warm_start import encode, train

VALIDATION = ("13", "16")
SHARES = {"everyday": 0.45, "world": 0.25, "chats": 0.3}
"""Of the streams."""
CHUNK_LINES = 8
_DATED = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December|yesterday|tomorrow|\w+day)\b"
)
_QUESTION = re.compile(
    r"(hmm|ok|okay|yeah|so|and|also|but|what|how|why|can|could|do|does|is|are|should|would)\b.*\?$", re.I
)
"""A line that asks and says nothing of its own."""


def shown(chats: list[Chat], seed: int) -> Iterator[Demonstration]:
    """An endless stream of demonstrations, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        kind = rng.choices(list(SHARES), SHARES.values())[0]
        first_id = first_ids(rng)
        if kind == "world":
            episode = make_episode(rng.randrange(10**9), tokens=rng.choice((400, 600)))
            times = [chunk.time for chunk in episode.chunks]
            yield from lessons(of_world(episode), times, first_id)
            continue
        if kind == "everyday":
            chunks = list(make_talk(rng.randrange(10**9)))
        else:
            chunks = list(of_chat(rng.choice(chats), rng))
        yield from lessons(chunks, [f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"] * len(chunks), first_id)


def of_chat(chat: Chat, rng: random.Random) -> Iterator[tuple[Line, ...]]:
    """A part of a chat as chunks: messages of the user, some followed by what the assistant says."""
    gold = {statement.line for statement in chat.statements}
    start = rng.randrange(len(chat.messages))
    for said in chat.messages[start : start + 40]:
        lines = [line for text in said.lines if (line := _labelled(said, text, gold)) is not None]
        if said.role == "assistant":
            if rng.random() < 0.6:
                continue
            first = rng.randrange(max(1, len(lines) - CHUNK_LINES))
            lines = lines[first : first + rng.randint(1, CHUNK_LINES)]
        if lines:
            yield tuple(lines)


def _labelled(said: Said, text: str, gold: set[str]) -> Line | None:
    """A line with what it is worth; None where nobody can tell."""
    spoken = f"{said.role.capitalize()}: {text}"
    if text in gold and said.role == "user":
        return Line(text=spoken, kind=MemoryKind.EPISODIC if _DATED.search(text) else MemoryKind.SEMANTIC)
    if (
        said.role == "assistant"
        or len(text) < 30
        or (len(text) < 130 and _QUESTION.match(text))
        or ("(" in text and "=" in text)
    ):
        return Line(text=spoken)
    return None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=RUNS / "nano-chat")
    parser.add_argument("--base", default="nano")
    parser.add_argument("--samples", type=int, default=24_000, help="demonstrations")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    started = time.monotonic()
    base = SHIPPED.get(options.base, Path(options.base))
    chats = [chat for chat in read_chats(options.data / "beam_100k" / "train.jsonl.gz") if chat.name not in VALIDATION]
    corpus = encode(base / "tokenizer.json", shown(chats, options.seed), options.samples)
    model = Lfm2ForCausalLM.from_pretrained(base)
    options.out.mkdir(parents=True, exist_ok=True)
    open_tokenizer(base).save_pretrained(options.out)
    loss = train(model, [corpus], peak_rate=options.rate, seed=options.seed, out=options.out)
    model.save_pretrained(options.out)
    facts = {
        "completion_loss_nats": loss,
        "tokens": len(corpus.ids),
        "seconds": time.monotonic() - started,
    }
    (options.out / "lessons.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(facts)


if __name__ == "__main__":
    main()
