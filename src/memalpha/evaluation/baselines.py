"""Systems that keep text as it is, as a filled bank and a way to read it, so that one loop scores them all.

Long-Context keeps all text and reads the last `window_tokens` of it; RAG-Top2 keeps all chunks and reads the two best
by BM25 (both as in arXiv:2509.25911, appendix); embedding RAG reads the two nearest; the sentence controls keep every
line and read as many entries as the writer's reader does; the selections keep a share of the lines, drawn at random or
from the top of each chunk; No-Memory keeps nothing. `memalpha.evaluation.systems` names them all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from memalpha.agent.reader import BestEntries, ExtractiveReader, Reader, Selector
from memalpha.agent.writer import Writer
from memalpha.data.passages import limit_chunks
from memalpha.episode import Count, Trace, Watch, finish, run_episodes
from memalpha.errors import DuplicateError
from memalpha.evaluation.selection import LastTokens, Nearest, Nothing
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.embedding import Embedder
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.records import Episode

LONG_CONTEXT_TOKENS = 30_000
RAG_CHUNKS = 2
READ_ENTRIES = 40
"""What the writer's reader is shown at most: 20 semantic and 20 episodic entries."""


class System(Protocol):
    """Anything that reads episodes and answers their questions."""

    @property
    def name(self) -> str:
        """Stands in tables."""
        ...

    @property
    def read_budget(self) -> str:
        """What is read for one question, in words."""
        ...

    def run(self, episodes: Sequence[Episode]) -> list[Trace]:
        """One trace for each episode, in order."""
        ...


class WatchedSystem(System, Protocol):
    """A system that tells what is finished while it runs; all of `SYSTEMS` do."""

    def run(self, episodes: Sequence[Episode], watch: Watch | None = None) -> list[Trace]:
        """One trace for each episode, in order; `watch` is told of each memory, then of its answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSystem:
    """A learned (or prompted) writer with the common reader."""

    name: str
    writer: Writer
    count_tokens: Count
    reader: Reader
    read_budget: str = "core + 20 + 20 entries"
    layout: Layout = MEMALPHA
    sample_seed: int | None = None
    """Samples at temperature 1 with this seed instead of decoding greedily."""

    def run(self, episodes: Sequence[Episode], watch: Watch | None = None) -> list[Trace]:
        """Write every episode, all side by side, then read."""
        passage_tokens = self.writer.config.passage_tokens
        if passage_tokens is not None:
            episodes = [limit_chunks(episode, passage_tokens, self.count_tokens) for episode in episodes]
        sampling = None
        if self.sample_seed is not None:
            base, seed = self.writer.sampling, self.sample_seed
            sampling = lambda index: replace(base, temperature=1.0, seed=seed * 1_000_003 + index)  # noqa: E731
        return run_episodes(
            self.writer,
            self.reader,
            episodes,
            count_tokens=self.count_tokens,
            sampling=sampling,
            layout=self.layout,
            watch=watch,
        )


Fill = Callable[[Episode, Bank], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSystem:
    """A memory that a rule fills."""

    name: str
    fill: Fill
    reader: Reader
    read_budget: str
    count_tokens: Count
    layout: Layout = MEMALPHA

    def run(self, episodes: Sequence[Episode], watch: Watch | None = None) -> list[Trace]:
        """Fill a bank for each episode, then read."""
        traces = []
        for episode in episodes:
            began = time.monotonic()
            bank = Bank(count_tokens=self.count_tokens, layout=self.layout)
            self.fill(episode, bank)
            if watch:
                watch.wrote(episode, bank, time.monotonic() - began)
            traces.append(finish(episode, (), bank, self.reader, self.count_tokens, watch))
        return traces


ReaderOf = Callable[[Selector], Reader]
"""Makes the reader of a system from what the system shows it, so that all systems answer in the same way."""


def extractive(selector: Selector) -> ExtractiveReader:
    """The reader that needs no model."""
    return ExtractiveReader(selector=selector)


def no_memory(count_tokens: Count, *, reader_of: ReaderOf = extractive) -> FilledSystem:
    """Nothing at all: what a reader knows by itself."""
    return FilledSystem(
        name="No-Memory",
        fill=_nothing,
        reader=reader_of(Nothing()),
        read_budget="nothing",
        count_tokens=count_tokens,
    )


def long_context(
    count_tokens: Count, window_tokens: int = LONG_CONTEXT_TOKENS, *, reader_of: ReaderOf = extractive
) -> FilledSystem:
    """All text, of which the last `window_tokens` are read."""
    return FilledSystem(
        name="Long-Context",
        fill=_every_chunk,
        reader=reader_of(LastTokens(window_tokens)),
        read_budget=f"last {window_tokens:,} tokens",
        count_tokens=count_tokens,
    )


def rag(count_tokens: Count, chunks: int = RAG_CHUNKS, *, reader_of: ReaderOf = extractive) -> FilledSystem:
    """All chunks, of which the best few by BM25 are read."""
    return FilledSystem(
        name=f"RAG-Top{chunks}",
        fill=_every_chunk,
        reader=reader_of(BestEntries(chunks)),
        read_budget=f"{chunks} chunks",
        count_tokens=count_tokens,
    )


def embedding_rag(
    count_tokens: Count, embedder: Embedder, chunks: int = RAG_CHUNKS, *, reader_of: ReaderOf = extractive
) -> FilledSystem:
    """All chunks, of which the nearest few by their vectors are read."""
    return FilledSystem(
        name=f"Embedding RAG-Top{chunks} ({embedder.name})",
        fill=_every_chunk,
        reader=reader_of(Nearest(embedder, chunks)),
        read_budget=f"{chunks} chunks",
        count_tokens=count_tokens,
    )


def sentence_control(count_tokens: Count, *, reader_of: ReaderOf = extractive) -> FilledSystem:
    """Every line an entry, read with the writer's budget: what remains of a writer when nothing is chosen."""
    return FilledSystem(
        name="Sentence BM25",
        fill=_every_line,
        reader=reader_of(BestEntries(READ_ENTRIES)),
        read_budget=f"{READ_ENTRIES} entries",
        count_tokens=count_tokens,
    )


def sentence_embedding(count_tokens: Count, embedder: Embedder, *, reader_of: ReaderOf = extractive) -> FilledSystem:
    """Every line an entry, read with the writer's budget by vectors."""
    return FilledSystem(
        name=f"Sentence embedding ({embedder.name})",
        fill=_every_line,
        reader=reader_of(Nearest(embedder, READ_ENTRIES)),
        read_budget=f"{READ_ENTRIES} entries",
        count_tokens=count_tokens,
    )


def random_selection(count_tokens: Count, share: float, *, seed: int = 0) -> FilledSystem:
    """Lines drawn at random, up to a share of the tokens of each chunk."""

    def fill(episode: Episode, bank: Bank) -> None:
        rng = random.Random(f"{seed}-{episode.id}")
        _select(episode, bank, share, lambda count: rng.sample(range(count), count))

    return _selection(f"Random {share:.0%}", fill, count_tokens)


def lead_selection(count_tokens: Count, share: float) -> FilledSystem:
    """The first lines of each chunk, up to a share of its tokens."""

    def fill(episode: Episode, bank: Bank) -> None:
        _select(episode, bank, share, range)

    return _selection(f"Lead {share:.0%}", fill, count_tokens)


def _selection(name: str, fill: Fill, count_tokens: Count) -> FilledSystem:
    return FilledSystem(
        name=name,
        fill=fill,
        reader=ExtractiveReader(k=READ_ENTRIES),
        read_budget=f"{READ_ENTRIES} entries",
        count_tokens=count_tokens,
    )


def _nothing(episode: Episode, bank: Bank) -> None:
    pass


def _every_chunk(episode: Episode, bank: Bank) -> None:
    for index, chunk in enumerate(episode.chunks):
        _insert(bank, "\n".join(chunk.lines), Provenance(chunk=index, time=chunk.time))


def _every_line(episode: Episode, bank: Bank) -> None:
    for index, number, line, said in _lines(episode):
        _insert(bank, line, Provenance(chunk=index, lines=(number,), time=said))


def _select(episode: Episode, bank: Bank, share: float, order: Callable[[int], Sequence[int]]) -> None:
    """Lines in the given order while they fit the chunk's share, then stored as they came."""
    for index, chunk in enumerate(episode.chunks):
        sizes = [bank.count_tokens(line) for line in chunk.lines]
        left = round(share * sum(sizes))
        kept = []
        for at in order(len(sizes)):
            if sizes[at] <= left:
                left -= sizes[at]
                kept.append(at)
        for at in sorted(kept):
            _insert(bank, chunk.lines[at], Provenance(chunk=index, lines=(at + 1,), time=chunk.time))


def _lines(episode: Episode) -> Iterator[tuple[int, int, str, str | None]]:
    for index, chunk in enumerate(episode.chunks):
        for number, line in enumerate(chunk.lines, start=1):
            yield index, number, line, chunk.time


def _insert(bank: Bank, text: str, provenance: Provenance) -> None:
    try:
        bank.insert(MemoryKind.EPISODIC, text, provenance)
    except DuplicateError:
        return  # the same text again adds nothing that could be read
