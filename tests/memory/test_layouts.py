"""The layouts of other systems: their blocks, what a model may do to each, and under which names."""

from __future__ import annotations

import pytest

from memalpha.agent.prompting import load
from memalpha.errors import ConfigError
from memalpha.memory.entry import Action, MemoryKind
from memalpha.memory.layout import FLAT, MEMALPHA, Layout, Reply
from memalpha.memory.layouts import MARKDOWN, MEM1, MEMAGENT, MEMGPT, MIRIX, layout_of

LAYOUTS = (MARKDOWN, MEM1, MEMAGENT, MEMGPT, MIRIX)


@pytest.mark.parametrize("layout", (FLAT, MEMALPHA, *LAYOUTS), ids=lambda layout: layout.name)
def test_names_are_told_apart_and_instructions_are_there(layout: Layout) -> None:
    assert len({form.name for form in layout.tools}) == len(layout.tools)
    assert load(layout.instructions)


def test_one_paragraph_is_overwritten_by_text_or_between_marks() -> None:
    for layout, reply in ((MEMAGENT, Reply.TEXT), (MEM1, Reply.STATE)):
        assert (layout.blocks, layout.core_tokens, layout.reply) == (FLAT.blocks, 1024, reply)


def test_a_file_is_lines_that_can_be_added_changed_and_deleted() -> None:
    assert (MARKDOWN.singles, MARKDOWN.stores, MARKDOWN.limit(MemoryKind.FILE)) == ((), (MemoryKind.FILE,), 8000)
    assert [(form.name, form.id_argument) for form in MARKDOWN.tools] == [
        ("file_append", "memory_id"),
        ("file_replace_line", "line"),
        ("file_delete_line", "line"),
    ]


def test_memgpt_keeps_the_stream_by_itself_and_out_of_the_models_hands() -> None:
    assert MEMGPT.singles == (MemoryKind.PERSONA, MemoryKind.HUMAN)
    assert MEMGPT.stores == (MemoryKind.ARCHIVAL, MemoryKind.RECALL)
    assert [block.kind for block in MEMGPT.blocks if block.recorded] == [MemoryKind.RECALL]
    assert [form.name for form in MEMGPT.tools] == [
        "core_memory_append",
        "core_memory_replace",
        "archival_memory_insert",
    ]
    assert not any(MemoryKind.RECALL in MEMGPT.kinds_of(form) for form in MEMGPT.tools)
    assert not MEMGPT.allows(MemoryKind.ARCHIVAL, Action.UPDATE)
    assert MEMGPT.limit(MemoryKind.HUMAN) == 512


def test_mirix_has_six_parts_with_tools_of_their_own() -> None:
    stores = ("vault", "resource", "procedural", "semantic", "episodic")
    assert tuple(kind.value for kind in MIRIX.stores) == stores
    assert [form.name for form in MIRIX.tools] == [
        "core_memory_append",
        "core_memory_rewrite",
        *(f"{kind}_memory_{verb}" for kind in reversed(stores) for verb in ("insert", "update", "delete")),
    ]
    by_name = {form.name: form for form in MIRIX.tools}
    assert by_name["semantic_memory_update"].text_arguments == ("name", "summary", "details")
    assert by_name["vault_memory_delete"].text_arguments == ()


def test_layouts_are_found_by_name() -> None:
    assert layout_of(None) is MEMALPHA
    assert layout_of("mirix") is MIRIX
    with pytest.raises(ConfigError, match="got the layout 'mine', expected one of memalpha, flat"):
        layout_of("mine")
