"""Layouts: what the two shipped ones allow, and the layouts that are refused."""

from __future__ import annotations

import pytest

from memalpha.errors import ConfigError
from memalpha.memory.entry import Action, MemoryKind
from memalpha.memory.layout import FLAT, MEMALPHA, Block, Layout


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
