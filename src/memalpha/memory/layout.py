"""A memory system as data: which kinds of memory it has, what may be done to each, how much each holds, and its tools.

What a bank refuses (`memalpha.memory.bank`), which tools a model is shown and what their calls do
(`memalpha.memory.tools`), and which instructions a prompted writer reads (`memalpha.agent.writer`) follow from it. The
layouts of other systems are in `memalpha.memory.layouts`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum

from memalpha.errors import ConfigError, NotAllowedError
from memalpha.memory.entry import Action, MemoryKind


class Tool(StrEnum):
    """The names of the tools of Mem-α."""

    INSERT = "memory_insert"
    UPDATE = "memory_update"
    DELETE = "memory_delete"


class Edit(StrEnum):
    """What a tool does with what it is given."""

    INSERT = "insert"
    """Adds an entry."""
    UPDATE = "update"
    """Replaces the text of an entry, or a whole single text."""
    APPEND = "append"
    """Adds a line to a single text."""
    REPLACE = "replace"
    """Puts another passage in place of one passage of a single text; an empty one takes it out."""
    DELETE = "delete"
    """Removes an entry, or clears a single text."""

    @property
    def action(self) -> Action:
        """What the operation is logged as, and what the block must allow."""
        return Action.UPDATE if self in (Edit.APPEND, Edit.REPLACE) else Action(self.value)


class Reply(StrEnum):
    """How a completion changes the memory."""

    CALLS = "calls"
    """By tool calls."""
    MARKS = "marks"
    """By tool calls between marks in its text (`memalpha.agent.marked_calls`)."""
    TEXT = "text"
    """It is the new text of the core."""
    STATE = "state"
    """The new text of the core stands between <IS> and </IS>; without them the core stays (MEM1, arXiv:2506.15841)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolForm:
    """One tool as a model sees it: its name, its arguments and what it is for."""

    name: str
    edit: Edit
    description: str
    kinds: tuple[MemoryKind, ...] = ()
    """What it works on; empty is every block that allows its action and is not recorded."""
    kind_argument: str = "memory_type"
    """Names the kind; left out of a tool that works on one kind only."""
    id_argument: str = "memory_id"
    """Names the entry of an update or a delete."""
    text_arguments: tuple[str, ...] = ()
    """Together they are the text, one a line; the first is required unless `lines` may stand in its place."""
    old_argument: str = ""
    """Holds the passage that `Edit.REPLACE` looks for."""
    quotes: bool = False
    """Whether `lines`, numbers of lines of the chunk, may stand in place of the text."""

    def __post_init__(self) -> None:
        """Refuse what no call could fill."""
        if bool(self.text_arguments) == (self.edit is Edit.DELETE):
            raise ConfigError(
                f"got the tool {self.name!r} with {len(self.text_arguments)} text arguments for a {self.edit}, "
                "expected none for a delete and at least one for any other edit"
            )
        if bool(self.old_argument) != (self.edit is Edit.REPLACE):
            raise ConfigError(
                f"got old_argument {self.old_argument!r} for the tool {self.name!r}, expected one for a replace only"
            )
        lists = [kind for kind in self.kinds if not kind.single]
        if self.edit in (Edit.APPEND, Edit.REPLACE) and (lists or not self.kinds):
            raise ConfigError(
                f"got the tool {self.name!r}, which does a {self.edit}, for {', '.join(lists) or 'every kind'}; "
                "expected kinds that are one text"
            )


PAPER_TOOLS = (
    ToolForm(
        name=Tool.INSERT,
        edit=Edit.INSERT,
        description="Add a new entry to memory.",
        text_arguments=("content",),
        quotes=True,
    ),
    ToolForm(
        name=Tool.UPDATE,
        edit=Edit.UPDATE,
        description="Replace the text of an entry, or rewrite the whole core memory.",
        text_arguments=("new_content",),
        quotes=True,
    ),
    ToolForm(name=Tool.DELETE, edit=Edit.DELETE, description="Remove an entry from memory, or clear the core memory."),
)
"""The three tools of Mem-α (arXiv:2509.25911); `lines`, which quotes the chunk word for word, is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One kind of memory in a layout."""

    kind: MemoryKind
    operations: frozenset[Action]
    max_tokens: int | None = None
    """Tokens of all its texts together; None is no limit."""
    recorded: bool = False
    """Whether the lines of every chunk are kept here by themselves, without a call."""

    def __post_init__(self) -> None:
        """Refuse what no bank could do."""
        if self.kind.single and Action.INSERT in self.operations:
            raise ConfigError(
                f"got insert for the {self.kind}, which is one text; expected update, which rewrites it, or delete"
            )
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ConfigError(
                f"got max_tokens {self.max_tokens} for {self.kind}, expected at least 1, or None for no limit"
            )
        if self.recorded and (Action.INSERT not in self.operations or self.max_tokens is not None):
            raise ConfigError(
                f"got {self.kind} as recorded with {', '.join(sorted(self.operations)) or 'no operation'} and "
                f"max_tokens {self.max_tokens}, expected a list that allows insert and has no limit"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The blocks of a memory system, and how a model works on them."""

    name: str
    blocks: tuple[Block, ...]
    tools: tuple[ToolForm, ...] = PAPER_TOOLS
    reply: Reply = Reply.CALLS
    instructions: str = "writer_system"
    """Which file of `agent/prompts` tells a prompted writer how to work."""

    def __post_init__(self) -> None:
        """Refuse a layout that says two things about one kind."""
        if not self.blocks:
            raise ConfigError(f"layout {self.name!r} has no blocks; give it at least one")
        kind, times = Counter(block.kind for block in self.blocks).most_common(1)[0]
        if times > 1:
            raise ConfigError(f"layout {self.name!r} has {times} blocks of the kind {kind}, expected one; merge them")
        for tool in self.tools:
            for each in tool.kinds:
                if not self.allows(each, tool.edit.action):
                    raise ConfigError(
                        f"layout {self.name!r} has the tool {tool.name!r} for {each}, which does not allow "
                        f"{tool.edit.action}; allow it or leave the tool out"
                    )
        if self.reply in (Reply.TEXT, Reply.STATE) and not self.allows(MemoryKind.CORE, Action.UPDATE):
            raise ConfigError(
                f"layout {self.name!r} has the reply {self.reply}, which rewrites the core, expected a core that "
                "allows update"
            )

    def block(self, kind: MemoryKind) -> Block | None:
        """The block of this kind, None when the layout has none."""
        return next((block for block in self.blocks if block.kind is kind), None)

    def allows(self, kind: MemoryKind, action: Action) -> bool:
        """Whether this action may be done to this kind."""
        block = self.block(kind)
        return block is not None and action in block.operations

    def check(self, kind: MemoryKind, action: Action) -> None:
        """Raise `NotAllowedError` unless this action may be done to this kind."""
        if self.allows(kind, action):
            return
        block = self.block(kind)
        if block is None:
            kinds = ", ".join(each.kind for each in self.blocks)
            raise NotAllowedError(f"got {action} on {kind}, which this memory does not have; expected one of {kinds}")
        allowed = ", ".join(each for each in Action if each in block.operations) or "nothing"
        raise NotAllowedError(f"got {action} on {kind}, which allows only {allowed}")

    def limit(self, kind: MemoryKind) -> int | None:
        """Most tokens that this kind may hold, None when there is no limit."""
        block = self.block(kind)
        return None if block is None else block.max_tokens

    @property
    def core_tokens(self) -> int | None:
        """Most tokens that the core may hold."""
        return self.limit(MemoryKind.CORE)

    @property
    def singles(self) -> tuple[MemoryKind, ...]:
        """The kinds that are one text each, in the order of the blocks."""
        return tuple(block.kind for block in self.blocks if block.kind.single)

    @property
    def stores(self) -> tuple[MemoryKind, ...]:
        """The kinds that are lists of entries, in the order in which they are read: the last block first."""
        return tuple(block.kind for block in reversed(self.blocks) if not block.kind.single)

    def kinds_of(self, tool: ToolForm) -> tuple[MemoryKind, ...]:
        """What a tool works on in this layout; empty when there is no use for it."""
        return tool.kinds or tuple(
            block.kind for block in self.blocks if tool.edit.action in block.operations and not block.recorded
        )


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


def without(layout: Layout, kind: MemoryKind) -> Layout:
    """The layout with one block off, as the ablations of a memory have it; raises `ConfigError` for the last block."""
    blocks = tuple(block for block in layout.blocks if block.kind is not kind)
    return replace(layout, name=f"{layout.name}-no-{kind.value}", blocks=blocks)
