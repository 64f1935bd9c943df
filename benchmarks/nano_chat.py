"""The shipped writer `nano-chat`: a nano policy for conversations.

    python benchmarks/nano_chat.py --data ../shared/data --out runs/bench/nano-chat

It begins with the shipped `nano`, which knows the synthetic world, and is shown what is worth keeping in streams of
three kinds: everyday talk (`memalpha.data.everyday`), the world itself, so that updating is not unlearned, and BEAM
chats of the train file. Of these, gold-bearing statements of users (statements.py) are kept, what the assistant says,
code and the short questions of users are passed over, and lines that may or may not be worth it are left out. In a
short second stage all that users say of themselves is worth keeping, and more is read of what assistants say. The chats
13 and 16 are not read: whatever is chosen is chosen by conversations.py on them.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from record import RUNS
from statements import Chat, Said, read_chats
from transformers import Lfm2ForCausalLM

from memalpha.agent.local import SHIPPED
from memalpha.data.everyday import Line, make_talk
from memalpha.data.world import make_episode
from memalpha.memory.entry import MemoryKind
from memalpha.rl.demonstrations import Demonstration
from memalpha.rl.lessons import first_ids, lessons, of_world
from memalpha.rl.warm_start import encode, train

VALIDATION = ("13", "16")
CHUNK_LINES = 8
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_DATED = re.compile(
    r"\b(January|February|March|April|May|June|July|August|September|October|November|December|yesterday|tomorrow|\w+day)\b"
)
_QUESTION = re.compile(
    r"(hmm|ok|okay|yeah|so|and|also|but|what|how|why|can|could|do|does|is|are|should|would)\b.*\?$", re.IGNORECASE
)
"""A line that asks and says nothing of its own."""
_OWN = re.compile(r"\b(I|my|me|we|our|us)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Lessons of one kind."""

    samples: int
    everyday: float
    """Share of the streams; the world has a quarter or less, chats the rest."""
    world: float
    passed: float
    """Share of the messages of assistants that are not read."""
    own: bool
    """Whether all that users say of themselves is worth keeping; else only what a question rests on, and lines of which
    nobody can tell are left out."""
    rate: float


STAGES = (
    Stage(samples=8_000, everyday=0.45, world=0.25, passed=0.6, own=False, rate=1e-3),
    Stage(samples=3_000, everyday=0.25, world=0.15, passed=0.2, own=True, rate=3e-3),
)
"""Of the second, which is short, no more than a sixth of the rate is reached."""


def shown(chats: list[Chat], stage: Stage, seed: int) -> Iterator[Demonstration]:
    """An endless stream of demonstrations, the same for the same seed."""
    rng = random.Random(seed)
    shares = {"everyday": stage.everyday, "world": stage.world, "chats": 1 - stage.everyday - stage.world}
    while True:
        kind = rng.choices(list(shares), list(shares.values()))[0]
        first_id = first_ids(rng)
        if kind == "world":
            episode = make_episode(rng.randrange(10**9), tokens=rng.choice((400, 600)))
            times = [chunk.time for chunk in episode.chunks]
            yield from lessons(of_world(episode), times, first_id)
            continue
        if kind == "everyday":
            chunks = list(make_talk(rng.randrange(10**9)))
        else:
            chunks = list(of_chat(rng.choice(chats), stage, rng))
        yield from lessons(chunks, [f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"] * len(chunks), first_id)


def of_chat(chat: Chat, stage: Stage, rng: random.Random) -> Iterator[tuple[Line, ...]]:
    """A part of a chat as chunks: messages of the user, some followed by what the assistant says."""
    gold = {statement.line for statement in chat.statements}
    start = rng.randrange(len(chat.messages))
    for said in chat.messages[start : start + 40]:
        lines = [line for text in said.lines if (line := labelled(said, text, gold, own=stage.own)) is not None]
        if said.role == "assistant":
            if rng.random() < stage.passed:
                continue
            first = rng.randrange(max(1, len(lines) - CHUNK_LINES))
            lines = lines[first : first + rng.randint(1, CHUNK_LINES)]
        if lines:
            yield tuple(lines)


def labelled(said: Said, text: str, gold: set[str], *, own: bool) -> Line | None:
    """A line with what it is worth; None where nobody can tell."""
    spoken = f"{said.role.capitalize()}: {text}"
    asks = len(text) < 30 or (len(text) < 130 and _QUESTION.match(text) is not None)
    code = "(" in text and "=" in text
    if said.role == "user" and (text in gold or (own and _OWN.search(text) and not asks and not code)):
        return Line(text=spoken, kind=MemoryKind.EPISODIC if _DATED.search(text) else MemoryKind.SEMANTIC)
    return Line(text=spoken) if said.role == "assistant" or asks or code else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=RUNS / "nano-chat")
    parser.add_argument("--base", default="nano")
    parser.add_argument("--stages", type=int, nargs="+", default=list(range(len(STAGES))), help="numbers, from 0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    started = time.monotonic()
    base = SHIPPED.get(options.base, Path(options.base))
    chats = [chat for chat in read_chats(options.data / "beam_100k" / "train.jsonl.gz") if chat.name not in VALIDATION]
    model = Lfm2ForCausalLM.from_pretrained(base, dtype=torch.float32)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER:
        shutil.copy(base / name, options.out / name)
    facts = []
    for number in options.stages:
        stage, seed = STAGES[number], options.seed + number
        corpus = encode(base / "tokenizer.json", shown(chats, stage, seed), stage.samples)
        loss = train(model, [corpus], peak_rate=stage.rate, seed=seed)
        facts.append({"completion_loss_nats": loss, "tokens": len(corpus.ids), "seconds": time.monotonic() - started})
    model.half().save_pretrained(options.out)  # half the size of the package's other weights
    (options.out / "lessons.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(facts)


if __name__ == "__main__":
    main()
