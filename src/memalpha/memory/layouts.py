"""The memories of other systems as layouts, made anew from their papers; what differs is in docs/systems.md.

Every one works like a writer of Mem-α: one completion a chunk, no question known while reading.
"""

from __future__ import annotations

from dataclasses import replace

from memalpha.errors import ConfigError
from memalpha.memory.entry import Action, MemoryKind
from memalpha.memory.layout import FLAT, MEMALPHA, Block, Edit, Layout, Reply, ToolForm

_REWRITE = frozenset({Action.UPDATE, Action.DELETE})
_ALL = frozenset(Action)
_TEXTS = (MemoryKind.PERSONA, MemoryKind.HUMAN)

MEMAGENT = replace(FLAT, name="memagent", reply=Reply.TEXT, instructions="writer_memagent")
"""One paragraph of 1,024 tokens that each chunk overwrites (MemAgent, arXiv:2507.02259)."""

MEM1 = replace(FLAT, name="mem1", reply=Reply.STATE, instructions="writer_mem1")
"""One internal state of 1,024 tokens that each chunk overwrites, between marks (MEM1, arXiv:2506.15841)."""

MARKDOWN = Layout(
    name="markdown",
    blocks=(Block(kind=MemoryKind.FILE, operations=_ALL, max_tokens=8000),),
    tools=(
        ToolForm(
            name="file_append",
            edit=Edit.INSERT,
            description="Add one line at the end of the file.",
            kinds=(MemoryKind.FILE,),
            text_arguments=("content",),
        ),
        ToolForm(
            name="file_replace_line",
            edit=Edit.UPDATE,
            description="Write another line in place of one line of the file.",
            kinds=(MemoryKind.FILE,),
            id_argument="line",
            text_arguments=("content",),
        ),
        ToolForm(
            name="file_delete_line",
            edit=Edit.DELETE,
            description="Take one line out of the file.",
            kinds=(MemoryKind.FILE,),
            id_argument="line",
        ),
    ),
    instructions="writer_markdown",
)
"""One file of notes that is read as a whole, as coding agents keep it; a line is an entry, its number never changes."""

MEMGPT = Layout(
    name="memgpt",
    blocks=(
        Block(kind=MemoryKind.PERSONA, operations=_REWRITE, max_tokens=512),
        Block(kind=MemoryKind.HUMAN, operations=_REWRITE, max_tokens=512),
        Block(kind=MemoryKind.RECALL, operations=frozenset({Action.INSERT}), recorded=True),
        Block(kind=MemoryKind.ARCHIVAL, operations=frozenset({Action.INSERT})),
    ),
    tools=(
        ToolForm(
            name="core_memory_append",
            edit=Edit.APPEND,
            description="Add a line to a block of the core memory.",
            kinds=_TEXTS,
            kind_argument="name",
            text_arguments=("content",),
        ),
        ToolForm(
            name="core_memory_replace",
            edit=Edit.REPLACE,
            description="Replace a passage of a block of the core memory; empty content takes it out.",
            kinds=_TEXTS,
            kind_argument="name",
            old_argument="old_content",
            text_arguments=("new_content",),
        ),
        ToolForm(
            name="archival_memory_insert",
            edit=Edit.INSERT,
            description="Put a passage into the archival memory, which has no limit and is found by search.",
            kinds=(MemoryKind.ARCHIVAL,),
            text_arguments=("content",),
        ),
    ),
    instructions="writer_memgpt",
)
"""Two core texts, an archive, and the whole stream on record (MemGPT, arXiv:2310.08560)."""

_MIRIX_FIELDS = {
    MemoryKind.EPISODIC: ("summary", "details", "actor"),
    MemoryKind.SEMANTIC: ("name", "summary", "details"),
    MemoryKind.PROCEDURAL: ("summary", "steps"),
    MemoryKind.RESOURCE: ("title", "summary", "content"),
    MemoryKind.VAULT: ("caption", "secret_value"),
}
_MIRIX_PURPOSES = {
    MemoryKind.EPISODIC: "an event: what happened, to whom, and what came of it",
    MemoryKind.SEMANTIC: "a concept, a person, a place or a fact about one",
    MemoryKind.PROCEDURAL: "how something is done, step by step",
    MemoryKind.RESOURCE: "a document or other material, with the parts that matter word for word",
    MemoryKind.VAULT: "what must be kept to the letter, such as codes, addresses and numbers",
}


def _managed(kind: MemoryKind) -> tuple[ToolForm, ...]:
    """The tools of one memory manager of MIRIX."""
    insert = ToolForm(
        name=f"{kind.value}_memory_insert",
        edit=Edit.INSERT,
        description=f"Add to the {kind.value} memory {_MIRIX_PURPOSES[kind]}.",
        kinds=(kind,),
        text_arguments=_MIRIX_FIELDS[kind],
    )
    update = replace(
        insert,
        name=f"{kind.value}_memory_update",
        edit=Edit.UPDATE,
        description=f"Rewrite an entry of the {kind.value} memory.",
    )
    delete = replace(
        update,
        name=f"{kind.value}_memory_delete",
        edit=Edit.DELETE,
        description=f"Remove an entry from the {kind.value} memory.",
        text_arguments=(),
    )
    return insert, update, delete


MIRIX = Layout(
    name="mirix",
    blocks=(
        Block(kind=MemoryKind.PERSONA, operations=_REWRITE, max_tokens=512),
        Block(kind=MemoryKind.HUMAN, operations=_REWRITE, max_tokens=512),
        *(Block(kind=kind, operations=_ALL) for kind in _MIRIX_FIELDS),
    ),
    tools=(
        ToolForm(
            name="core_memory_append",
            edit=Edit.APPEND,
            description="Add a line to a block of the core memory.",
            kinds=_TEXTS,
            kind_argument="label",
            text_arguments=("content",),
        ),
        ToolForm(
            name="core_memory_rewrite",
            edit=Edit.UPDATE,
            description="Rewrite a whole block of the core memory, such as when it is nearly full.",
            kinds=_TEXTS,
            kind_argument="label",
            text_arguments=("content",),
        ),
        *(form for kind in _MIRIX_FIELDS for form in _managed(kind)),
    ),
    instructions="writer_mirix",
)
"""Two core texts and five stores, each with tools of its own (MIRIX, arXiv:2507.07957)."""

RELEASED = Layout(
    name="released",
    blocks=MEMALPHA.blocks,
    tools=(
        ToolForm(
            name="new_memory_insert",
            edit=Edit.INSERT,
            description="Add a new entry to memory.",
            kinds=(MemoryKind.SEMANTIC, MemoryKind.EPISODIC),
            text_arguments=("content",),
        ),
        ToolForm(
            name="memory_update",
            edit=Edit.UPDATE,
            description="Replace the text of an entry, or rewrite the whole core memory.",
            text_arguments=("new_content",),
        ),
        ToolForm(
            name="memory_delete",
            edit=Edit.DELETE,
            description="Remove an entry from memory, or clear the core memory.",
        ),
    ),
    reply=Reply.MARKS,
    instructions="writer_released",
)
"""Mem-α's memory with the tools and the way of calling that the released Memalpha-4B was trained with."""

_BY_NAME = {each.name: each for each in (MEMALPHA, FLAT, MEMAGENT, MEM1, MARKDOWN, MEMGPT, MIRIX, RELEASED)}


def layout_of(name: str | None) -> Layout:
    """The layout of a name, Mem-α's for None; raises `ConfigError` for one that is not of memalpha."""
    layout = MEMALPHA if name is None else _BY_NAME.get(name)
    if layout is None:
        raise ConfigError(f"got the layout {name!r}, expected one of {', '.join(_BY_NAME)}; open it from Python")
    return layout
