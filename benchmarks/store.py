"""The store on disk beside mem0: durable adds and searches of one large memory, in turns in one run.

    python benchmarks/store.py --entries 100000

Both keep raw texts with the same vectors (letters hashed into 384 numbers, which costs next to nothing, so that the
stores are compared and not the embedder); mem0 has its local vector store and its history on disk. Texts are made of
50,000 invented words with the frequencies of real ones (Zipf); a query takes words of one entry and frequent ones.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import load, save

from memalpha.agent.tokens import nano_counter
from memalpha.cli.demo import commit
from memalpha.evaluation.products import open_mem0
from memalpha.memory.embedding import Embedder, HashedEmbedder
from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.memory.store import Scope, SQLiteDatabase, Store

USER = "ana"
KIND = MemoryKind.SEMANTIC
SAID = Provenance(author="user", time="2026-05-01")
LOT = 5_000
"""Entries written at once while a memory is filled."""
WARM_UP = 3
FOUND = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help="Measure the store without mem0.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    world = Words(given.seed)
    texts = [f"{number} {world.text()}" for number in range(given.entries)]
    embedder = HashedEmbedder(384)
    with tempfile.TemporaryDirectory(prefix="memalpha-store-") as name:
        folder = Path(name)
        row: dict[str, Any] = {
            "entries": given.entries,
            "rounds": given.rounds,
            "alone": given.alone,
            "commit": commit(),
        }
        row["fill_seconds"] = {
            "ours": seconds(lambda: fill(folder / "vectors.db", texts, embedder)),
            "ours, without vectors": seconds(lambda: fill(folder / "words.db", texts, None)),
        }
        row["first_look_seconds"] = first_look(folder / "words.db", world.query(texts))
        with (
            opened(folder / "vectors.db", embedder) as ours,
            opened(folder / "words.db", None) as words,
            nullcontext() if given.alone else open_mem0(embedder, folder) as mem0,
        ):
            timed = calls(ours.scope("bench", USER), words.scope("bench", USER))
            if mem0 is not None:
                row["fill_seconds"]["mem0"] = seconds(lambda: fill_mem0(mem0, texts, embedder))
                timed |= calls_of_mem0(mem0)
            row["seconds"] = in_turns(timed, world, texts, given.rounds)
    rows = (load("store") or {"results": []})["results"]
    kept = [each for each in rows if (each["entries"], each.get("alone", False)) != (given.entries, given.alone)]
    save("store", [*kept, row], seeds=[given.seed])


class Words:
    """Texts and queries of one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.rng.choices(letters, k=self.rng.randint(3, 9))) for _ in range(50_000)]
        self.weights = list(itertools.accumulate((rank + 1) ** -1.05 for rank in range(len(self.words))))

    def text(self) -> str:
        return " ".join(self.rng.choices(self.words, cum_weights=self.weights, k=self.rng.randint(15, 59)))

    def query(self, texts: Sequence[str]) -> str:
        own = self.rng.choice(texts).split()[1:]
        return " ".join(
            [
                *self.rng.sample(own, self.rng.randint(4, 8)),
                *self.rng.choices(self.words, cum_weights=self.weights, k=3),
            ]
        )


def opened(path: Path, embedder: Embedder | None) -> Store:
    return Store(SQLiteDatabase(path), count_tokens=nano_counter(), embedder=embedder)


def fill(path: Path, texts: Sequence[str], embedder: Embedder | None) -> None:
    with Store(SQLiteDatabase(path), count_tokens=len, embedder=embedder) as store:
        for lot in lots(texts):
            with store.scope("bench", USER).edit() as bank:
                for text in lot:
                    bank.insert(KIND, text, SAID)


def fill_mem0(memory: Any, texts: Sequence[str], embedder: Embedder) -> None:
    """Through its own vector store, with what `add` writes of each: one by one it would take hours."""
    first = memory.add(texts[0], user_id=USER, infer=False)["results"][0]["id"]
    payload = memory.vector_store.get(first).payload
    memory.delete(first)
    for number, lot in enumerate(lots(texts)):
        made = datetime.now(UTC).isoformat()
        payloads = [{**payload, "data": text, "text_lemmatized": text, "created_at": made} for text in lot]
        ids = [f"00000000-0000-4000-8000-{number * LOT + at:012d}" for at in range(len(lot))]
        memory.vector_store.insert(vectors=embedder.embed(lot).tolist(), payloads=payloads, ids=ids)


def lots(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + LOT] for start in range(0, len(texts), LOT))


def first_look(path: Path, query: str) -> dict[str, float]:
    """From opening the file to what the first search finds."""
    wall, processor = time.perf_counter(), time.process_time()
    with opened(path, None) as store:
        store.scope("bench", USER).find(query, FOUND)
        return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def calls(ours: Scope, words: Scope) -> dict[str, Callable[[str], object]]:
    """What is timed, of a text or a query."""
    return {
        "add: ours": lambda text: ours.insert(KIND, text, SAID),
        "add: ours, without vectors": lambda text: words.insert(KIND, text, SAID),
        "search: ours": lambda query: ours.find(query, FOUND),
        "search: ours, without vectors": lambda query: words.find(query, FOUND),
    }


def calls_of_mem0(mem0: Any) -> dict[str, Callable[[str], object]]:
    return {
        "add: mem0": lambda text: mem0.add(text, user_id=USER, infer=False),
        "search: mem0": lambda query: mem0.search(query, filters={"user_id": USER}, top_k=FOUND),
    }


def in_turns(
    timed: dict[str, Callable[[str], object]], world: Words, texts: Sequence[str], rounds: int
) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each call in seconds, and the latter in processor time; all calls in turns."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    processor: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + WARM_UP):
        text, query = f"new {number} {world.text()}", world.query(texts)
        for name, call in timed.items():
            given = text if name.startswith("add") else query
            began, busy = time.perf_counter(), time.process_time()
            call(given)
            taken[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - busy)
    return {
        name: {
            "p50": quantile(taken[name], 0.5),
            "p95": quantile(taken[name], 0.95),
            "processor_p95": quantile(processor[name], 0.95),
        }
        for name in timed
    }


def quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values[WARM_UP:], share))


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
