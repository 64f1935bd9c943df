"""What is wrong with the rows of one memory is found and named; all else is quiet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.memory.store.checks import FindingKind
from memalpha.records import Chunk

SEMANTIC = MemoryKind.SEMANTIC


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("UPDATE entries SET text = 'x'", FindingKind.PROJECTION, "the row of semantic #1 is not what the log says"),
        ("DELETE FROM entries", FindingKind.PROJECTION, "the row of semantic #1 is not what the log says"),
        ("UPDATE entries SET vector = x'00'", FindingKind.VECTORS, "vectors are missing or left over"),
        ("UPDATE scopes SET next_id = 1", FindingKind.DAMAGE, "an entry has an id that is still to be given out"),
        ("UPDATE keys SET last = 9", FindingKind.ORPHAN, "the key 'O' names operations 1 to 9, behind the end"),
        ("UPDATE sources SET number = 5", FindingKind.ORPHAN, "no operation was made from chunk 5"),
        (
            'INSERT INTO inbox (tenant, "user", body, accepted, due, attempts, problem) '
            "VALUES ('acme', 'ana', '', 1, 9223372036854775807, 5, 'too long')",
            FindingKind.DEAD_LETTER,
            "was tried 5 times and could not be read (too long)",
        ),
        (
            "INSERT INTO receipts (receipt, tenant, \"user\", operations, erased) VALUES (9, 'acme', 'ana', 1, 1)",
            FindingKind.ERASURE,
            "an erasure is not complete",
        ),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, statement: str, kind: FindingKind, said: str) -> None:
    with Store(SQLiteDatabase(tmp_path / "memory.db"), count_tokens=len) as store:
        fill(store)
        assert store.check() == ()
        store._database.write(lambda execute: execute(statement, ()))
        (found,) = store.check()
        assert found.kind is kind
        assert said in str(found)
        assert "; " in str(found)


def test_a_store_that_was_used_is_clean(open_store: Callable[..., Store]) -> None:
    store = open_store()
    fill(store)
    ana = store.scope("acme", "ana")
    ana.update(SEMANTIC, 1, "I live in Rome", Provenance())
    ana.undo(2, Provenance())
    fill(store, "I have a dog")
    ana.erase(SEMANTIC, 1)
    assert store.check() == ()
    ana.erase_all()
    assert store.check() == ()


def fill(store: Store, text: str = "I live in Oslo") -> None:
    with store.scope("acme", "ana").read([Chunk(text=text)], key=text[10:11]) as draft:
        draft.bank.insert(SEMANTIC, text, Provenance(chunk=draft.first_source))
