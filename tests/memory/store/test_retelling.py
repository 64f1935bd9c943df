"""What a restored memory is held to: every piece follows from those before it, or nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memalpha.errors import ArchiveError
from memalpha.memory.entry import Action, MemoryKind, Operation, Provenance
from memalpha.memory.layout import FLAT
from memalpha.memory.store import Store
from memalpha.memory.store.archive import Piece
from memalpha.memory.store.changes import Change, Head, KeySpan, Source
from memalpha.records import Chunk

CORE, SEMANTIC = MemoryKind.CORE, MemoryKind.SEMANTIC
TIME = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = Head(next_id=3, next_number=6, next_source=2, learned=TIME + timedelta(days=9))


def change(number: int, before: str | None, after: str | None, entry_id: int | None = 1, **told: object) -> Change:
    if before is None and entry_id is not None:
        action = Action.INSERT
    else:
        action = Action.DELETE if after is None else Action.UPDATE
    values: dict[str, object] = {
        "number": number,
        "action": action,
        "kind": CORE if entry_id is None else SEMANTIC,
        "entry_id": entry_id,
        "before": before,
        "after": after,
        "provenance": Provenance(),
        **told,
    }
    return Change(operation=Operation(**values), learned=TIME + timedelta(days=number), valid=TIME)  # type: ignore[arg-type]


PAST: tuple[Piece, ...] = (
    Source(number=1, chunk=Chunk(text="one")),
    change(1, None, "one", provenance=Provenance(chunk=1)),
    change(2, "one", "two"),
    change(3, None, "core", None),
    change(4, "two", "one", undoes=2),
    KeySpan(name="k", first=5, last=4),
)


def test_a_past_that_follows_from_itself_is_taken(open_store: Callable[..., Store]) -> None:
    store = open_store()
    ana = store.scope("acme", "ana")
    ana.restore(HEAD, PAST)
    entry = ana.get(SEMANTIC, 1)
    assert entry is not None
    assert (entry.text, entry.versions) == ("one", ())
    assert ana.written("k") == ()
    assert ana.source(1) == Chunk(text="one")
    assert ana.insert(SEMANTIC, "next", Provenance()).operation.number == 6
    assert ana.history(SEMANTIC, 3)[0].learned == TIME + timedelta(days=9)  # the clock stands at the first of January
    assert store.check() == ()


@pytest.mark.parametrize(
    ("at", "wrong"),
    [
        (0, Source(number=2, chunk=Chunk(text="one"))),
        (1, change(0, None, "one")),
        (1, change(1, "zero", "one")),
        (1, change(1, None, "one", action=Action.UPDATE)),
        (1, change(1, None, None)),
        (1, change(1, None, "one", 3)),
        (2, change(1, "one", "two")),
        (2, change(2, "won", "two")),
        (2, replace(change(2, "one", "two"), learned=TIME)),
        (4, change(4, "two", "three", undoes=2)),
        (4, change(6, "two", "one", undoes=2)),
        (4, replace(change(4, "two", "one", undoes=2), learned=TIME + timedelta(days=10))),
        (5, KeySpan(name="", first=1, last=1)),
        (5, KeySpan(name="inbox 1", first=1, last=1)),
        (5, KeySpan(name="k", first=1, last=6)),
        (5, KeySpan(name="k", first=3, last=1)),
    ],
)
def test_what_does_not_follow_is_refused_and_nothing_is_written(
    open_store: Callable[..., Store], at: int, wrong: Piece
) -> None:
    store = open_store()
    with pytest.raises(ArchiveError, match="does not follow from what stands before it"):
        store.scope("acme", "ana").restore(HEAD, (*PAST[:at], wrong, *PAST[at + 1 :]))
    assert store.addresses() == ()


@pytest.mark.parametrize("twice", [0, 5])
def test_a_chunk_or_a_key_comes_once(open_store: Callable[..., Store], twice: int) -> None:
    store = open_store()
    with pytest.raises(ArchiveError, match="does not follow"):
        store.scope("acme", "ana").restore(HEAD, (*PAST, PAST[twice]))
    assert store.addresses() == ()


def test_a_kind_that_the_layout_lacks_is_named(open_store: Callable[..., Store]) -> None:
    store = open_store(layout=FLAT)
    with pytest.raises(ArchiveError, match="semantic memory, which the layout flat does not have"):
        store.scope("acme", "ana").restore(HEAD, PAST)
