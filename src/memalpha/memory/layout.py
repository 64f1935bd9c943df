"""A memory system as data: which kinds of memory it has, what may be done to each, and how much each holds.

What a bank refuses (`memalpha.memory.bank`) and which tools a model is shown (`memalpha.memory.tools`) follow from it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from memalpha.errors import ConfigError
from memalpha.memory.entry import Action, MemoryKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One kind of memory in a layout."""

    kind: MemoryKind
    operations: frozenset[Action]
    max_tokens: int | None = None
    """Tokens of all its texts together; None is no limit."""

    def __post_init__(self) -> None:
        """Refuse what no bank could do."""
        if self.kind is MemoryKind.CORE and Action.INSERT in self.operations:
            raise ConfigError(
                "got insert for the core, which is one text; expected update, which rewrites it, or delete"
            )
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ConfigError(
                f"got max_tokens {self.max_tokens} for {self.kind}, expected at least 1, or None for no limit"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The blocks of a memory system."""

    name: str
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        """Refuse a layout that says two things about one kind."""
        if not self.blocks:
            raise ConfigError(f"layout {self.name!r} has no blocks; give it at least one")
        kind, times = Counter(block.kind for block in self.blocks).most_common(1)[0]
        if times > 1:
            raise ConfigError(f"layout {self.name!r} has {times} blocks of the kind {kind}, expected one; merge them")

    def block(self, kind: MemoryKind) -> Block | None:
        """The block of this kind, None when the layout has none."""
        return next((block for block in self.blocks if block.kind is kind), None)

    def allows(self, kind: MemoryKind, action: Action) -> bool:
        """Whether this action may be done to this kind."""
        block = self.block(kind)
        return block is not None and action in block.operations

    def limit(self, kind: MemoryKind) -> int | None:
        """Most tokens that this kind may hold, None when there is no limit."""
        block = self.block(kind)
        return None if block is None else block.max_tokens

    @property
    def core_tokens(self) -> int | None:
        """Most tokens that the core may hold."""
        return self.limit(MemoryKind.CORE)


_REWRITE = frozenset({Action.UPDATE, Action.DELETE})
_ALL = frozenset(Action)

MEMALPHA = Layout(
    name="memalpha",
    blocks=(
        Block(kind=MemoryKind.CORE, operations=_REWRITE, max_tokens=512),
        Block(kind=MemoryKind.EPISODIC, operations=_ALL),
        Block(kind=MemoryKind.SEMANTIC, operations=_ALL),
    ),
)
"""The three kinds of Mem-α (arXiv:2509.25911): a core of 512 tokens and two lists without a limit."""

FLAT = Layout(name="flat", blocks=(Block(kind=MemoryKind.CORE, operations=_REWRITE, max_tokens=1024),))
"""One paragraph that every step overwrites, the memory of MemAgent and MEM1."""
