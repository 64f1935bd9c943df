"""An archive gives the memory back as it was: entries, versions, history, every point in time, what comes next."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.errors import ArchiveError, BankError, ConflictError, StoreError
from memalpha.memory.bank import MemoryKind, Provenance
from memalpha.memory.embedding import HashedEmbedder
from memalpha.memory.entry import Origin
from memalpha.memory.store import Scope, SQLiteDatabase, Store
from memalpha.memory.store.archive import read_archive
from memalpha.memory.store.changes import KeySpan
from memalpha.records import Chunk

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)


class Clock:
    """A day later each time it is asked."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(days=1)
        return self.time


def words(text: str) -> int:
    return len(text.split())


@contextmanager
def stores(count: int) -> Iterator[list[Store]]:
    with TemporaryDirectory() as folder:
        opened = [
            Store(SQLiteDatabase(Path(folder) / f"{number}.db"), count_tokens=words, clock=Clock())
            for number in range(count)
        ]
        yield opened
        for store in opened:
            store.close()


def lines_of(scope: Scope) -> list[bytes]:
    lines: list[str] = []
    scope.archive(lines.append)
    return "".join(lines).encode().splitlines(keepends=True)


def restore(scope: Scope, lines: list[bytes]) -> None:
    for header, pieces in read_archive(lines, "a.jsonl"):
        scope.restore(header.head, pieces)


def edit(scope: Scope, rng: random.Random, text: str) -> None:
    """One edit of any kind; what the bank refuses is left."""
    said = Provenance(time=rng.choice((None, "2024-03-05", "soon")), author=text, origin=rng.choice(list(Origin)))
    live = [*scope.entries(SEMANTIC), *scope.entries(EPISODIC)]
    entry = rng.choice(live) if live else None
    key = text if rng.random() < 0.2 and text not in {span.name for span in all_keys(scope)} else None
    match rng.randrange(8):
        case 0 if entry:
            scope.update(entry.kind, entry.id, text, said, key=key)
        case 1 if entry:
            scope.delete(entry.kind, entry.id, said)
        case 2:
            scope.update(CORE, None, text, said)
        case 3:
            scope.undo(rng.randint(1, max(len(scope.changes()), 1)), said)
        case 4:
            with scope.read([Chunk(text=text, time="2024-03-05")] * 2, key=key) as draft:
                draft.bank.insert(EPISODIC, text, Provenance(chunk=draft.first_source + 1, lines=(1,)))
        case 5 if entry and rng.random() < 0.3:
            scope.erase(entry.kind, entry.id)
        case 6:
            with scope.edit(key=key):
                pass
        case _:
            scope.insert(SEMANTIC, text, said, key=key)


def all_keys(scope: Scope) -> list[KeySpan]:
    return scope._memories.rows(scope.address, lambda rows: rows.key_spans())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(TEXTS, max_size=25))
def test_a_memory_that_is_exported_and_imported_is_the_same(seed: int, texts: list[str]) -> None:
    rng = random.Random(seed)
    with stores(2) as (old, new):
        ana, twin = old.scope("acme", "ana"), new.scope("acme", "ana")
        for text in texts:
            try:
                edit(ana, rng, text)
            except (BankError, ConflictError, StoreError):
                continue
        times = [datetime(2024, 3, 5, tzinfo=UTC) + timedelta(days=days) for days in range(670, 670 + len(texts), 3)]
        lines = lines_of(ana)
        restore(twin, lines)
        assert lines_of(twin) == lines
        assert twin.changes() == ana.changes()
        for point in (*range(len(texts) + 2), *times):
            for kind in (CORE, SEMANTIC, EPISODIC):
                assert twin.as_of(point).entries(kind) == ana.as_of(point).entries(kind)
        for time in times:
            assert twin.true_at(time) == ana.true_at(time)
        for kind in (CORE, SEMANTIC, EPISODIC):
            assert twin.entries(kind) == ana.entries(kind)
        assert all_keys(twin) == all_keys(ana)
        assert [twin.source(number) for number in range(9)] == [ana.source(number) for number in range(9)]
        assert new.check() == ()
        later = Provenance(author="later")
        change = twin.insert(SEMANTIC, "what comes next", later)
        assert change.operation == ana.insert(SEMANTIC, "what comes next", later).operation


def test_a_text_that_the_user_says_after_a_document_comes_back_as_theirs(open_store: Callable[..., Store]) -> None:
    with stores(1) as (old,):
        ana = old.scope("acme", "ana")
        ana.insert(SEMANTIC, "Ann sails", Provenance(origin=Origin.DOCUMENT))
        ana.update(SEMANTIC, 1, "Ann sails", Provenance(origin=Origin.USER))
        ana.undo(2, Provenance())
        ana.undo(3, Provenance())
        lines, entry = lines_of(ana), ana.get(SEMANTIC, 1)
    twin = open_store().scope("acme", "ana")
    restore(twin, lines)
    assert lines_of(twin) == lines
    assert twin.get(SEMANTIC, 1) == entry
    assert entry is not None
    assert entry.provenance.origin is Origin.USER


def test_an_archive_fits_every_database_and_brings_vectors(open_store: Callable[..., Store]) -> None:
    with stores(1) as (old,):
        ana = old.scope("acme", "ana")
        for number in range(1_100):  # more than a page of rows
            ana.insert(SEMANTIC, f"number {number}", Provenance())
        ana.update(SEMANTIC, 7, "number 7 is seven", Provenance())
        lines = lines_of(ana)
    store = open_store(embedder=HashedEmbedder(32))
    restore(store.scope("acme", "ana"), lines)
    assert lines_of(store.scope("acme", "ana")) == lines
    assert [entry.id for entry in store.scope("acme", "ana").nearest(SEMANTIC, "number 7 is seven", 1)] == [7]
    assert store.check() == ()
    with pytest.raises(ConflictError, match="has been written to"):
        restore(store.scope("acme", "ana"), lines)


def test_memories_may_follow_one_another() -> None:
    with stores(2) as (old, new):
        for user in ("ana", "bo"):
            old.scope("acme", user).insert(SEMANTIC, f"I am {user}", Provenance())
        lines = [line for user in ("ana", "bo", "nobody") for line in lines_of(old.scope("acme", user))]
        for header, pieces in read_archive(lines, "a.jsonl"):
            new.scope("other", header.address.user).restore(header.head, pieces)
        assert [entry.text for entry in new.scope("other", "bo").entries(SEMANTIC)] == ["I am bo"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"version": 1', b'"version": 2', "a.jsonl:1: got version 2, expected 1: a later memalpha wrote it; upgrade"),
        (b'"format": "memalpha"', b'"format": "x"', "a.jsonl:1: got no header of a memory"),
        (b'"next_id": 2', b'"next_id": -2', "a.jsonl:1: got -2 as next_id, expected a number from 0 up"),
        (b'"next_id": 2', b'"next_id": 1e9', "a.jsonl:1: got 1000000000.0 as next_id"),
        (b'"action": "insert"', b'"action": "add"', "a.jsonl:3: got 'add' as action, expected one of insert"),
        (b'"lines": [1]', b'"lines": 1', "a.jsonl:3: got 1 as lines, expected a list of numbers"),
        (b'"lines": [1]', b'"lines": [[]]', "a.jsonl:3: got [] as lines, expected a number"),
        (b'"id": 1', b'"id": null', "a.jsonl:3: got the id None for semantic memory"),
        (b"+00:00", b"", "as ISO 8601 with its zone"),
        (b"2026-", b"0-", "as ISO 8601 with its zone"),
        (b"I live", b"\\ud800 live", "half surrogate pairs"),
        (b"I live", b"\xff live", "got what is not JSON in UTF-8"),
        (b'{"operation": 1', b'[{"operation": 1', "a.jsonl:3: got what is not JSON"),
    ],
)
def test_what_is_no_archive_is_named_with_its_line(old: bytes, new: bytes, said: str) -> None:
    with stores(2) as (store, other):
        ana = store.scope("acme", "ana")
        with ana.read([Chunk(text="User: I live in Oslo")], key="k") as draft:
            draft.bank.insert(SEMANTIC, "User: I live in Oslo", Provenance(chunk=draft.first_source, lines=(1,)))
        lines = [line.replace(old, new) for line in lines_of(ana)]
        assert lines != lines_of(ana)
        with pytest.raises((ArchiveError, StoreError)) as raised:
            restore(other.scope("acme", "ana"), lines)
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)
        assert not other.addresses()


def test_keys_of_the_inbox_stay_behind() -> None:
    with stores(1) as (store,):
        ana = store.scope("acme", "ana")
        ana.insert(SEMANTIC, "one", Provenance(), key="inbox 7")
        ana.insert(SEMANTIC, "two", Provenance(), key="message 7")
        header, pieces = next(read_archive(lines_of(ana), "a.jsonl"))
        assert header.keys == 1
        assert [piece.name for piece in pieces if isinstance(piece, KeySpan)] == ["message 7"]


def test_an_archive_that_was_cut_off_is_told_from_a_whole_one() -> None:
    with stores(1) as (store,):
        ana = store.scope("acme", "ana")
        ana.insert(SEMANTIC, "one", Provenance(), key="k")
        ana.insert(SEMANTIC, "two", Provenance())
        lines = lines_of(ana)
        assert len(lines) == 4
        for length in (1, 2, 3):
            with stores(1) as (other,):
                with pytest.raises(ArchiveError, match=r"a\.jsonl ends after \d of [12] (operations|keys) of acme/ana"):
                    restore(other.scope("acme", "ana"), lines[:length])
                assert not other.addresses()
