"""All systems that can be compared, by name: `SYSTEMS`, and `build_systems`, which makes those that are asked for.

All answer by the same rules or the same model and read at most the same number of tokens for a question; each says in
its `read_budget` what it reads of them. What each stores, and what differs from the original, is in docs/systems.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from memalpha.agent.model import Model
from memalpha.agent.reader import BestEntries, ExtractiveReader, ModelReader, Reader, Selector
from memalpha.agent.view import DEFAULT_VIEW, ViewConfig
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.episode import Count
from memalpha.errors import ConfigError
from memalpha.evaluation import baselines, rules
from memalpha.evaluation.baselines import (
    LONG_CONTEXT_TOKENS,
    READ_ENTRIES,
    Fill,
    FilledSystem,
    WatchedSystem,
    WriterSystem,
)
from memalpha.evaluation.products import Mem0System
from memalpha.evaluation.selection import Capped, LastTokens
from memalpha.memory.embedding import Embedder, HashedEmbedder
from memalpha.memory.entry import MemoryKind
from memalpha.memory.layout import FLAT, MEMALPHA, Layout, without
from memalpha.memory.layouts import MARKDOWN, MEM1, MEMAGENT, MEMGPT, MIRIX, RELEASED

READ_TOKENS = 30_000
"""What any system reads for one question at most, as the paper's reader does (arXiv:2509.25911, code)."""
_WHOLE = 1_000_000
"""More entries than a file has lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What systems are built from; a builder takes what it needs, and raises `ConfigError` where that is missing."""

    count_tokens: Count
    writer: Writer | None = None
    """The trained writer of Mem-α."""
    untrained: Writer | None = None
    """The writer of Mem-α before training."""
    model: Model | None = None
    """Writes the memories of prompted systems."""
    answerer: Model | None = None
    """Answers for every system; None answers by the extractive rules."""
    embedder: Embedder = field(default_factory=HashedEmbedder)
    window_tokens: int = LONG_CONTEXT_TOKENS
    """What Long-Context reads."""
    read_tokens: int = READ_TOKENS
    """What every other system reads for one question at most."""

    def __post_init__(self) -> None:
        """Refuse budgets that nothing fits."""
        for name, tokens in (("window_tokens", self.window_tokens), ("read_tokens", self.read_tokens)):
            if tokens < 1:
                raise ConfigError(f"got {name} {tokens}, expected at least 1")

    def answering(self, selector: Selector) -> Reader:
        """The common reader of what a selector shows."""
        if self.answerer is None:
            return ExtractiveReader(selector=selector)
        return ModelReader(self.answerer, selector=selector)

    def capped(self, selector: Selector) -> Reader:
        """The common reader of what a selector shows, as far as it fits the read budget."""
        return self.answering(Capped(selector, self.read_tokens))


Builder = Callable[[Setup], WatchedSystem]


def build_systems(names: Sequence[str], setup: Setup) -> list[WatchedSystem]:
    """The systems of these names, in order; raises `ConfigError` for a name that is unknown or stands twice."""
    for at, name in enumerate(names):
        if name not in SYSTEMS:
            raise ConfigError(f"got the system {name!r}, expected some of {', '.join(SYSTEMS)}")
        if name in names[:at]:
            raise ConfigError(f"got the system {name!r} twice, expected each once; leave one out")
    return [SYSTEMS[name](setup) for name in names]


def _long_context(setup: Setup) -> WatchedSystem:
    return baselines.long_context(setup.count_tokens, setup.window_tokens, reader_of=setup.answering)


def _no_memory(setup: Setup) -> WatchedSystem:
    return baselines.no_memory(setup.count_tokens, reader_of=setup.answering)


def _rag(setup: Setup) -> WatchedSystem:
    return _stated(baselines.rag(setup.count_tokens, reader_of=setup.capped), setup)


def _embedding_rag(setup: Setup) -> WatchedSystem:
    return _stated(baselines.embedding_rag(setup.count_tokens, setup.embedder, reader_of=setup.capped), setup)


def _sentence_bm25(setup: Setup) -> WatchedSystem:
    return _stated(baselines.sentence_control(setup.count_tokens, reader_of=setup.capped), setup)


def _sentence_embedding(setup: Setup) -> WatchedSystem:
    return _stated(baselines.sentence_embedding(setup.count_tokens, setup.embedder, reader_of=setup.capped), setup)


def _mem0(setup: Setup) -> WatchedSystem:
    system = Mem0System(count_tokens=setup.count_tokens, embedder=setup.embedder, reader_of=setup.capped)
    return replace(system, read_budget=_at_most(system.read_budget, setup))


def _stated(system: FilledSystem, setup: Setup) -> FilledSystem:
    return replace(system, read_budget=_at_most(system.read_budget, setup))


def _at_most(budget: str, setup: Setup) -> str:
    return f"{budget}, at most {setup.read_tokens:,} tokens"


def _ruled(title: str, layout: Layout, fill: Fill) -> Builder:
    """A system whose memory a rule fills."""

    def build(setup: Setup) -> WatchedSystem:
        reader, budget = _reading(layout, setup)
        return FilledSystem(
            name=f"{title}, rule",
            fill=fill,
            reader=reader,
            read_budget=budget,
            count_tokens=setup.count_tokens,
            layout=layout,
        )

    return build


def _prompted(title: str, layout: Layout, view: ViewConfig = DEFAULT_VIEW) -> Builder:
    """A system whose memory any model writes, by the instructions of its layout."""

    def build(setup: Setup) -> WatchedSystem:
        if setup.model is None:
            raise ConfigError(
                f"got no model to write the memory of {title}, expected one; name one, or take a system without"
            )
        config = WriterConfig(style=PromptStyle.CHAT, view=view)
        return _written(f"{title} ({setup.model.name})", Writer(setup.model, config), layout, setup)

    return build


def _trained(setup: Setup) -> WatchedSystem:
    return _written("Mem-α", _needed(setup.writer, "a trained writer"), MEMALPHA, setup)


def _untrained(setup: Setup) -> WatchedSystem:
    return _written("Mem-α, untrained", _needed(setup.untrained, "an untrained writer"), MEMALPHA, setup)


def _ablated(title: str, layout: Layout) -> Builder:
    """The trained writer with another memory: what it writes to a part that is not there is refused and lost."""

    def build(setup: Setup) -> WatchedSystem:
        return _written(f"Mem-α, {title}", _needed(setup.writer, "a trained writer"), layout, setup)

    return build


def _needed(writer: Writer | None, what: str) -> Writer:
    if writer is None:
        raise ConfigError(f"got no writer for a system that needs {what}, expected one; load it and pass it in")
    return writer


def _written(name: str, writer: Writer, layout: Layout, setup: Setup) -> WriterSystem:
    reader, budget = _reading(layout, setup)
    return WriterSystem(
        name=name, writer=writer, count_tokens=setup.count_tokens, reader=reader, read_budget=budget, layout=layout
    )


def _reading(layout: Layout, setup: Setup) -> tuple[Reader, str]:
    """How a memory of this layout is read, and the same in words: what is in view, and an equal share of each store."""
    if layout.stores == (MemoryKind.FILE,):
        return setup.answering(LastTokens(setup.read_tokens)), _at_most("the whole file", setup)
    each = READ_ENTRIES // max(1, len(layout.stores))
    parts = ["core"] if layout.singles else []
    parts += [" + ".join([str(each)] * len(layout.stores)) + " entries"] if layout.stores else []
    return setup.capped(BestEntries(each)), _at_most(" + ".join(parts), setup)


SYSTEMS: Mapping[str, Builder] = {
    "no-memory": _no_memory,
    "long-context": _long_context,
    "rag-top2": _rag,
    "embedding-rag": _embedding_rag,
    "sentence-bm25": _sentence_bm25,
    "sentence-embedding": _sentence_embedding,
    "markdown": _prompted("Markdown file", MARKDOWN, ViewConfig(newest=_WHOLE, related=0)),
    "markdown-rule": _ruled("Markdown file", MARKDOWN, rules.keep_file),
    "memagent": _prompted("MemAgent-style", MEMAGENT),
    "memagent-rule": _ruled("MemAgent-style", MEMAGENT, rules.keep_salient),
    "mem1": _prompted("MEM1-style", MEM1),
    "mem1-rule": _ruled("MEM1-style", MEM1, rules.keep_newest),
    "memgpt": _prompted("MemGPT-style", MEMGPT, ViewConfig(newest=10, related=0)),
    "memgpt-rule": _ruled("MemGPT-style", MEMGPT, rules.page_out),
    "mirix": _prompted("MIRIX-style", MIRIX),
    "mirix-rule": _ruled("MIRIX-style", MIRIX, rules.sort_by_kind),
    "mem0-raw": _mem0,
    "memalpha": _trained,
    "memalpha-untrained": _untrained,
    "memalpha-prompted": _prompted("Mem-α, prompted", MEMALPHA),
    "memalpha-released": _prompted("Mem-α, released", RELEASED, ViewConfig(newest=5, related=0)),
    "memalpha-no-core": _ablated("no core", without(MEMALPHA, MemoryKind.CORE)),
    "memalpha-no-episodic": _ablated("no episodic", without(MEMALPHA, MemoryKind.EPISODIC)),
    "memalpha-no-semantic": _ablated("no semantic", without(MEMALPHA, MemoryKind.SEMANTIC)),
    "memalpha-flat": _ablated("one paragraph", FLAT),
}
"""A builder for each name that `memalpha eval --systems` takes."""

PROMPTED = ("markdown", "memagent", "mem1", "memgpt", "mirix", "memalpha-prompted", "memalpha-released")
"""What needs a model that follows instructions."""
ABLATIONS = ("memalpha-no-core", "memalpha-no-episodic", "memalpha-no-semantic", "memalpha-flat")
"""The trained writer with a part of its memory off, and with one paragraph in place of all parts."""
LOCAL = tuple(name for name in SYSTEMS if name not in (*PROMPTED, *ABLATIONS, "mem0-raw"))
"""What runs with what this package ships: no server, no further package; ablations only by name."""
