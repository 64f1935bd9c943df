"""Layouts: what the two shipped ones allow, and the layouts that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from memalpha.errors import ConfigError
from memalpha.memory.entry import Action, MemoryKind
from memalpha.memory.layout import FLAT, MEMALPHA, Block, Edit, Layout, Reply, ToolForm, without

ALL = frozenset(Action)
CORE = Block(kind=MemoryKind.CORE, operations=frozenset({Action.UPDATE}))
RECALL = Block(kind=MemoryKind.RECALL, operations=frozenset({Action.INSERT}), recorded=True)


def test_memalpha_is_the_layout_of_the_paper() -> None:
    assert MEMALPHA.core_tokens == 512
    assert MEMALPHA.limit(MemoryKind.SEMANTIC) is None
    assert not MEMALPHA.allows(MemoryKind.CORE, Action.INSERT)
    assert MEMALPHA.allows(MemoryKind.CORE, Action.UPDATE)
    assert MEMALPHA.allows(MemoryKind.CORE, Action.DELETE)
    for kind in (MemoryKind.EPISODIC, MemoryKind.SEMANTIC):
        assert all(MEMALPHA.allows(kind, action) for action in Action)


def test_flat_has_the_core_alone() -> None:
    assert FLAT.core_tokens == 1024
    assert FLAT.block(MemoryKind.EPISODIC) is None
    assert FLAT.limit(MemoryKind.EPISODIC) is None
    assert not any(FLAT.allows(MemoryKind.SEMANTIC, action) for action in Action)


def test_insert_into_the_core_is_refused() -> None:
    with pytest.raises(ConfigError, match="one text"):
        Block(kind=MemoryKind.CORE, operations=frozenset(Action))


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens 0"):
        Block(kind=MemoryKind.CORE, operations=frozenset(), max_tokens=0)


def test_a_layout_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="no blocks"):
        Layout(name="none", blocks=())


def test_two_blocks_of_one_kind_are_refused() -> None:
    block = Block(kind=MemoryKind.CORE, operations=frozenset())
    with pytest.raises(ConfigError, match="2 blocks of the kind core"):
        Layout(name="twice", blocks=(block, block))


def test_kinds_are_single_texts_or_stores_and_stores_are_read_from_the_last() -> None:
    assert (MEMALPHA.singles, MEMALPHA.stores) == ((MemoryKind.CORE,), (MemoryKind.SEMANTIC, MemoryKind.EPISODIC))
    assert (FLAT.singles, FLAT.stores) == ((MemoryKind.CORE,), ())


def test_an_edit_of_a_part_is_an_update() -> None:
    assert [edit.action.value for edit in Edit] == ["insert", "update", "update", "update", "delete"]


def test_a_tool_without_kinds_works_on_what_allows_it_and_is_not_recorded() -> None:
    layout = Layout(name="x", blocks=(CORE, RECALL, Block(kind=MemoryKind.ARCHIVAL, operations=ALL)))
    assert [layout.kinds_of(form) for form in layout.tools] == [
        (MemoryKind.ARCHIVAL,),
        (MemoryKind.CORE, MemoryKind.ARCHIVAL),
        (MemoryKind.ARCHIVAL,),
    ]


def test_only_a_list_without_a_limit_can_be_recorded() -> None:
    with pytest.raises(ConfigError, match="recall as recorded with delete"):
        Block(kind=MemoryKind.RECALL, operations=frozenset({Action.DELETE}), recorded=True)
    with pytest.raises(ConfigError, match="max_tokens 9"):
        Block(kind=MemoryKind.RECALL, operations=ALL, max_tokens=9, recorded=True)
    with pytest.raises(ConfigError, match="human, which is one text"):
        Block(kind=MemoryKind.HUMAN, operations=ALL, recorded=True)


@pytest.mark.parametrize(
    ("edit", "more", "message"),
    [
        (Edit.INSERT, {}, "with 0 text arguments for a insert"),
        (Edit.DELETE, {"text_arguments": ("a", "b")}, "with 2 text arguments for a delete"),
        (Edit.APPEND, {"text_arguments": ("a",)}, "for every kind; expected kinds that are one text"),
        (
            Edit.APPEND,
            {"text_arguments": ("a",), "kinds": (MemoryKind.CORE, MemoryKind.VAULT)},
            "for vault; expected kinds that are one text",
        ),
        (Edit.REPLACE, {"text_arguments": ("a",), "kinds": (MemoryKind.CORE,)}, "old_argument ''"),
        (Edit.INSERT, {"text_arguments": ("a",), "old_argument": "b"}, "old_argument 'b'"),
    ],
)
def test_a_tool_that_no_call_could_fill_is_refused(edit: Edit, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ToolForm(name="t", edit=edit, description="", **more)


def test_a_tool_for_what_the_layout_does_not_allow_is_refused() -> None:
    form = ToolForm(
        name="put", edit=Edit.INSERT, description="", kinds=(MemoryKind.ARCHIVAL,), text_arguments=("content",)
    )
    with pytest.raises(ConfigError, match="the tool 'put' for archival, which does not allow insert"):
        Layout(name="x", blocks=(CORE,), tools=(form,))


def test_a_reply_that_rewrites_the_core_needs_one() -> None:
    with pytest.raises(ConfigError, match="the reply text, which rewrites the core"):
        Layout(name="x", blocks=(RECALL,), reply=Reply.TEXT)


def test_a_block_is_taken_out() -> None:
    off = without(MEMALPHA, MemoryKind.EPISODIC)
    assert (off.name, off.stores, off.singles) == ("memalpha-no-episodic", (MemoryKind.SEMANTIC,), (MemoryKind.CORE,))
    with pytest.raises(ConfigError, match="has no blocks"):
        without(FLAT, MemoryKind.CORE)
