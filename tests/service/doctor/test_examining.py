"""A store that was used as it should be is clean; what is wrong is found, named, and mended as the finding says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memalpha.memory.embedding import HashedEmbedder
from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.memory.layout import MEMALPHA, Block, Layout
from memalpha.memory.store import Address, SQLiteDatabase, Store
from memalpha.service.doctor import FindingKind, examine
from memalpha.service.doctor.examining import SAMPLE

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
SAID = Provenance(time="2026-05-01")


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(SQLiteDatabase(tmp_path / "m.db"), count_tokens=words, embedder=HashedEmbedder(64)) as opened:
        yield opened


def test_a_store_that_was_used_is_clean(store: Store) -> None:
    for user in ("ana", "bo"):
        scope = store.scope("acme", user)
        scope.update(CORE, None, f"I am {user}.", SAID)
        for number in range(SAMPLE + 10):
            scope.insert((EPISODIC, SEMANTIC)[number % 2], f"note {number} of {user} says {number * 7}", SAID)
        scope.update(SEMANTIC, 2, "note 1 is another", SAID)
        scope.delete(SEMANTIC, 4, SAID)
        scope.erase(EPISODIC, 1)
    told: list[str] = []
    assert list(examine(store, watch=lambda what, done, total: told.append(what))) == []
    assert list(examine(store, every_vector=True)) == []
    assert told[0] == "database"
    assert {"acme/ana: rows", "acme/bo: contradictions", "done"} <= set(told)


def test_what_entries_say_is_told_with_both_ids(store: Store) -> None:
    ana = store.scope("acme", "ana")
    ana.insert(SEMANTIC, "Ana lives in Oslo.", SAID)
    ana.insert(SEMANTIC, "Ana has a dog.", SAID)
    ana.insert(SEMANTIC, "Ana lives in Rome.", SAID)
    ana.insert(SEMANTIC, "Ana has a dog!", SAID)
    store.scope("acme", "bo").insert(SEMANTIC, "Ana lives in Bergen.", SAID)
    repeated, contradicted = examine(store)
    assert (repeated.kind, repeated.places) == (FindingKind.DUPLICATE, ((SEMANTIC, 2), (SEMANTIC, 4)))
    assert repeated.mend == "delete one of them, such as #2, which says no more than the other"
    assert (contradicted.kind, contradicted.places) == (FindingKind.CONTRADICTION, ((SEMANTIC, 1), (SEMANTIC, 3)))
    assert str(contradicted) == (
        "acme/ana: semantic #1 'Ana lives in Oslo.' and #3 'Ana lives in Rome.' look like a contradiction "
        "('oslo' against 'rome'); delete #1 if it is no longer true, or leave both"
    )
    assert list(examine(store, [Address(tenant="acme", user="bo")])) == []
    ana.delete(SEMANTIC, 2, SAID)
    ana.delete(SEMANTIC, 1, SAID)
    assert list(examine(store)) == []


def test_a_vector_of_another_text_is_found(store: Store) -> None:
    ana = store.scope("acme", "ana")
    for number in range(2 * SAMPLE):
        ana.insert(SEMANTIC, f"note {number}", SAID)
    statement = "UPDATE entries SET vector = (SELECT vector FROM entries WHERE entry_id = 9) WHERE entry_id = 2"
    store._database.write(lambda execute: execute(statement, ()))
    assert list(examine(store)) == []  # not in the sample
    (found,) = examine(store, every_vector=True)
    assert (found.kind, found.places) == (FindingKind.VECTORS, ((SEMANTIC, 2),))


def test_a_core_over_its_limit_and_an_index_that_drifted_are_found(tmp_path: Path) -> None:
    with Store(SQLiteDatabase(tmp_path / "m.db"), count_tokens=words) as store:
        store.scope("acme", "ana").update(CORE, None, "one two three four", SAID)
        store.scope("acme", "ana").insert(SEMANTIC, "Ana lives in Oslo", SAID)
    core = Block(kind=CORE, operations=MEMALPHA.blocks[0].operations, max_tokens=3)
    with Store(
        SQLiteDatabase(tmp_path / "m.db"),
        count_tokens=words,
        layout=Layout(name="memalpha", blocks=(core, *MEMALPHA.blocks[1:])),
    ) as store:
        (found,) = examine(store)
        assert str(found) == "acme/ana: core memory has 4 tokens, at most 3 are allowed; update it with a shorter text"
        store.scope("acme", "ana").look(lambda bank: bank._shelves[SEMANTIC].index.update(2 - 1, "nothing"))
        assert [each.kind for each in examine(store)] == [FindingKind.OVER_FULL, FindingKind.INDEX]
