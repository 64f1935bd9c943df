"""The fused search: weights chosen on one part of public data, tested once on another, beside its parts alone.

    python benchmarks/search.py --data ../shared/data

Recall of the entries that answer a question among the ten that are found (`search_tasks.py` says which those are), with
letters hashed and with MiniLM (extra `minilm`). Vectors are kept in runs/bench/search, so that a second run is quick.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from record import RUNS, save
from search_tasks import Asked, Task, tasks

from memalpha.agent.embedders import open_embedder
from memalpha.memory import find as search
from memalpha.memory.bank import Bank
from memalpha.memory.embedding import Embedder, Vectors, noise
from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.memory.vectors import VectorIndex

K = 10
KIND = MemoryKind.SEMANTIC
EMBEDDERS = ("hashed", "minilm")
LIST = 100
"""Entries of each list that reciprocal rank fusion sees."""
GRID: dict[str, tuple[float, ...]] = {
    "VECTOR_SHARE": (0.0, 0.1, 0.25, 0.4, 0.6, 0.8),
    "OTHER_FORM": (0.0, 0.5, 0.7, 0.8, 1.0),
    "DEPTH": (10, 20, 50, 200),
    "RECENCY": (0.0, 0.003, 0.01, 0.03, 0.1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """A question and the ids of what answers it in a bank."""

    asked: Asked
    vector_D: Vectors
    groups: tuple[frozenset[int], ...]
    before: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A task in a bank."""

    task: str
    bank: Bank
    vectors: VectorIndex
    noise: float
    posed: tuple[Posed, ...]

    def near(self, vector_D: Vectors) -> list[tuple[int, float]]:
        return [
            (key, (cosine - self.noise) / (1 - self.noise)) for key, cosine in self.vectors.near(vector_D, self.noise)
        ]


Rank = Callable[[Memory, Posed], list[int]]


def fused(memory: Memory, posed: Posed, *, vectors: bool = True) -> list[int]:
    near = memory.near(posed.vector_D) if vectors else None
    return [each.entry.id for each in search.find(memory.bank, posed.asked.text, K, near=near)]


def okapi(memory: Memory, posed: Posed, k: int = K) -> list[int]:
    return [hit.entry.id for hit in memory.bank.search(KIND, posed.asked.text, k)]


def nearest(memory: Memory, posed: Posed, k: int = K) -> list[int]:
    return [key for key, _ in memory.vectors.near(posed.vector_D, -2.0)[:k]]


def reciprocal_ranks(memory: Memory, posed: Posed) -> list[int]:
    scores: dict[int, float] = defaultdict(float)
    for ranked in (okapi(memory, posed, LIST), nearest(memory, posed, LIST)):
        for rank, key in enumerate(ranked, start=1):
            scores[key] += 1 / (60 + rank)
    return sorted(scores, key=lambda key: -scores[key])[:K]


SYSTEMS: dict[str, Rank] = {
    "BM25 (Okapi)": okapi,
    "fused, without vectors": partial(fused, vectors=False),
    "vectors": nearest,
    "reciprocal rank fusion": reciprocal_ranks,
    "fused": fused,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    grid: list[dict[str, Any]] = []
    for name in EMBEDDERS:
        embedder = open_embedder(name)
        validation = [filled(task, embedder) for task in tasks(given.data, "validation")]
        for constant, values in GRID.items():
            for value in values:
                with patch.object(search, constant, value if constant != "DEPTH" else int(value)):
                    grid.append({"embedder": name, "constant": constant, "value": value, **measured(validation, fused)})
        tests = [filled(task, embedder) for task in tasks(given.data, "test")]
        for part, memories in (("validation", validation), ("test", tests)):
            for system, rank in SYSTEMS.items():
                rows.append({"embedder": name, "part": part, "system": system, **measured(memories, rank)})
            rows[-1] |= {"noise": memories[0].noise, "strangers": strangers(memories)}
    chosen = {constant: getattr(search, constant) for constant in GRID}
    save("search", {"rows": rows, "grid": grid, "chosen": chosen}, seeds=[])


def filled(task: Task, embedder: Embedder) -> Memory:
    """A bank and an index with the entries of a task; the same sentence again is one entry."""
    bank = Bank(count_tokens=len)
    ids: list[int] = []
    known: dict[str, int] = {}
    vectors = VectorIndex(embedder.dimensions)
    for text, time, row in zip(task.entries, task.times, embedded(embedder, task.entries), strict=True):
        key = known.get(text.strip())
        if key is None:
            key = known[text.strip()] = bank.insert(KIND, text, Provenance(time=time)).id
            vectors.put([key], row[None])
        ids.append(key)
    asked = embedded(embedder, [each.text for each in task.asked])
    posed = tuple(
        Posed(
            asked=each,
            vector_D=row,
            groups=tuple(frozenset(ids[at] for at in group) for group in each.groups),
            before=frozenset(ids[at] for at in each.before),
        )
        for each, row in zip(task.asked, asked, strict=True)
    )
    return Memory(task=task.name, bank=bank, vectors=vectors, noise=noise(embedder), posed=posed)


def embedded(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """The vectors of texts as a store keeps them, in bfloat16 where the network is one."""
    digest = hashlib.sha256("\0".join([embedder.name, *texts]).encode()).hexdigest()[:16]
    file = RUNS / "search" / f"{digest}.npy"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            np.save(file, embedder.embed(texts).astype(np.float16))
    rows: Vectors = np.load(file).astype(np.float32)
    return rows


def measured(memories: Iterable[Memory], rank: Rank) -> dict[str, Any]:
    """Recall by data set, their mean, and how often an updated fact stands before the old one."""
    recalls: dict[str, list[float]] = defaultdict(list)
    newer: list[bool] = []
    for memory in memories:
        for posed in memory.posed:
            found = rank(memory, posed)
            hits = sum(not group.isdisjoint(found) for group in posed.groups)
            recalls[memory.task].append(hits / len(posed.groups))
            if posed.before:
                updated, old = posed.groups[0], posed.before
                firsts = [next((at for at, key in enumerate(found) if key in ids), K) for ids in (updated, old)]
                newer.append(firsts[0] < firsts[1])
    means = {name: sum(values) / len(values) for name, values in recalls.items()}
    return {
        "recall": means,
        "mean": sum(means.values()) / len(means),
        "questions": {name: len(values) for name, values in recalls.items()},
        "newer_first": sum(newer),
        "updates": len(newer),
    }


def strangers(memories: Sequence[Memory]) -> float:
    """Share of the questions about one memory to which another one has something near."""
    answers = [
        bool(memory.near(posed.vector_D))
        for memory in memories
        if memory.task == "beam"
        for other in memories
        if other.task == "squad"
        for posed in other.posed
    ]
    return sum(answers) / len(answers)


if __name__ == "__main__":
    main()
