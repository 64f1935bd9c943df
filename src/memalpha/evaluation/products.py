"""Memory products through their own packages, as systems beside the others; each package is an extra, imported late.

mem0 is measured in its raw mode: every line is added as it is (`infer=False`), so that no language model is asked, and
its own search finds what is read. The product's telemetry is switched off before it is imported.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memalpha.agent.reader import Shown
from memalpha.episode import Count, Trace, Watch, finish
from memalpha.errors import DuplicateError, MissingExtraError, ModelError
from memalpha.evaluation.baselines import READ_ENTRIES, ReaderOf, extractive
from memalpha.memory.bank import Bank, Entry, MemoryKind, Provenance
from memalpha.memory.embedding import Embedder
from memalpha.records import Episode

_USER = "memalpha"
_COLLECTION = "memalpha"
_SETTINGS = {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(Path(tempfile.gettempdir()) / "memalpha-mem0")}
"""Read by mem0 when it is imported: nothing is sent, and nothing is left in the home folder. What is set stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mem0System:
    """mem0 with a local embedder and a store in RAM; every episode gets a memory of its own.

    What it stores is mirrored in a bank, which counts it; the same line again counts once.
    """

    count_tokens: Count
    embedder: Embedder
    reader_of: ReaderOf = extractive
    read_budget: str = f"{READ_ENTRIES} entries"

    @property
    def name(self) -> str:
        """Says which mode and which vectors."""
        return f"mem0, raw ({self.embedder.name})"

    def run(self, episodes: Sequence[Episode], watch: Watch | None = None) -> list[Trace]:
        """Add every line, then read; raises `MissingExtraError` without the package."""
        traces = []
        for episode in episodes:
            with open_mem0(self.embedder) as memory:
                began = time.monotonic()
                bank = Bank(count_tokens=self.count_tokens)
                reader = self.reader_of(Mem0Search(memory, add_lines(memory, episode, bank), READ_ENTRIES))
                if watch:
                    watch.wrote(episode, bank, time.monotonic() - began)
                traces.append(finish(episode, (), bank, reader, self.count_tokens, watch))
        return traces


@dataclass(frozen=True, slots=True)
class Mem0Search:
    """Shows what mem0's own search finds."""

    memory: Any
    entries: Mapping[str, Entry]
    """The mirrored entry of each id of mem0."""
    k: int

    def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
        """The `k` best of each question, each entry once."""
        return [self._shown(question) for question in questions]

    def _shown(self, question: str) -> Shown:
        found = self.memory.search(question, filters={"user_id": _USER}, top_k=self.k, threshold=0.0)["results"]
        entries = dict.fromkeys(self.entries[each["id"]].id for each in found)
        by_id = {entry.id: entry for entry in self.entries.values()}
        return Shown(core="", entries=tuple(by_id[each] for each in entries))


def add_lines(memory: Any, episode: Episode, bank: Bank) -> dict[str, Entry]:
    """Add every line of an episode to mem0 and to the bank; the entry of each id that mem0 gave.

    Raises `ModelError` when mem0 kept fewer lines than it was given, which it does not report itself.
    """
    entries: dict[str, Entry] = {}
    by_text: dict[str, Entry] = {}
    given = 0
    for index, chunk in enumerate(episode.chunks):
        messages = [{"role": "user", "content": line} for line in chunk.lines]
        given += len(messages)
        added = memory.add(messages, user_id=_USER, infer=False)["results"]
        for number, each in enumerate(added, start=1):
            provenance = Provenance(chunk=index, lines=(number,), time=chunk.time, author="mem0")
            with suppress(DuplicateError):  # mem0 keeps the line twice; what can be read is the same
                by_text[each["memory"]] = bank.insert(MemoryKind.EPISODIC, each["memory"], provenance)
            entries[each["id"]] = by_text[each["memory"]]
    kept = len(memory.get_all(filters={"user_id": _USER}, top_k=given + 1)["results"])
    if kept != given:
        raise ModelError(f"mem0 kept {kept} of the {given} lines it was given; look at its log and run it again")
    return entries


@contextmanager
def open_mem0(embedder: Embedder, folder: Path | None = None) -> Iterator[Any]:
    """A mem0 memory in a folder, or an empty one in RAM; raises `MissingExtraError` when mem0 is not installed."""
    if find_spec("mem0") is None:
        raise MissingExtraError(
            "the system mem0-raw needs mem0, which is not installed; run: pip install 'memalpha[mem0]'"
        )
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("mem0", "qdrant_client"):
        logging.getLogger(name).setLevel(logging.ERROR)
    path = ":memory:" if folder is None else str(folder / "qdrant")
    store = import_module("qdrant_client").QdrantClient
    client = store(path) if folder is None else store(path=path)
    # The keys are never used: raw mode asks no model, and our embedder takes the place of the configured one.
    config = {
        "vector_store": {
            "provider": "qdrant",
            "config": {
                "client": client,
                "path": path,
                "collection_name": _COLLECTION,
                "embedding_model_dims": embedder.dimensions,
            },
        },
        "llm": {"provider": "openai", "config": {"api_key": "unused"}},
        "embedder": {"provider": "openai", "config": {"api_key": "unused"}},
        "history_db_path": ":memory:" if folder is None else str(folder / "history.db"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = import_module("mem0").Memory.from_config(config)
    memory.embedding_model = _Mem0Embedder(embedder)
    try:
        yield memory
    finally:
        memory.close()
        client.close()


class _Mem0Embedder:
    """An embedder as mem0 calls one."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        row: list[float] = self._embedder.embed([text])[0].tolist()
        return row

    def embed_batch(self, texts: list[str], memory_action: str = "add") -> list[list[float]]:
        rows: list[list[float]] = self._embedder.embed(texts).tolist()
        return rows
