"""Migrations: each step once, in order, all or nothing; files of the first schema open for ever."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from memalpha.memory.bank import MemoryKind, Provenance
from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.memory.store import sqlite as sqlite_module
from memalpha.memory.store.schema import STEPS
from memalpha.memory.store.sqlite import migrate

FIRST_SCHEMA = Path(__file__).with_name("schema_1.sql")
MORE = (*STEPS, "ALTER TABLE entries ADD COLUMN colour TEXT; UPDATE entries SET colour = 'red';", "CREATE TABLE a (b)")


def opened(path: Path) -> Store:
    return Store(SQLiteDatabase(path), count_tokens=len)


def test_a_file_gets_the_steps_that_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.db"
    with opened(path) as store:
        store.scope("acme", "ana").insert(MemoryKind.SEMANTIC, "Ann lives in Oslo", Provenance())
    monkeypatch.setattr(sqlite_module, "STEPS", MORE)
    for _ in range(2):
        with opened(path) as store:
            database = store._memories._database
            assert database.read(lambda execute: execute("SELECT text, colour FROM entries", ())) == [
                ("Ann lives in Oslo", "red")
            ]
            assert database.read(lambda execute: execute("PRAGMA user_version", ())) == [(len(MORE),)]
            assert store.check() == ()


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.db"
    opened(path).close()
    monkeypatch.setattr(sqlite_module, "STEPS", (*MORE, "INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(apsw.SQLError, match="nowhere"):
        opened(path)
    monkeypatch.setattr(sqlite_module, "STEPS", STEPS)
    with opened(path) as store:
        assert store.check() == ()


def test_a_file_of_the_first_schema_opens(tmp_path: Path) -> None:
    """The dump was made when schema 1 was the newest, and is not to be made again."""
    path = tmp_path / "memory.db"
    SQLiteDatabase(path).close()
    path.unlink()
    connection = apsw.Connection(str(path), vfs="cksmvfs")
    connection.reserve_bytes("main", 8)
    connection.execute(FIRST_SCHEMA.read_text(encoding="utf-8")).fetchall()
    connection.close()
    with opened(path) as store:
        ana = store.scope("acme", "ana")
        (oslo,) = ana.entries(MemoryKind.SEMANTIC)
        assert (oslo.id, oslo.text, oslo.provenance) == (
            1,
            "Ann lives in Rome",
            Provenance(chunk=1, lines=(2, 3), time="2024-03-06", author="user"),
        )
        assert [version.text for version in oslo.versions] == ["Ann lives in Oslo"]
        assert ana.bank().core_text == "about Ann"
        assert len(ana.written("message 1") or ()) == 1
        assert len(store.scope("acme", "bo").receipts()) == 1
        assert store.check() == ()
        ana.insert(MemoryKind.EPISODIC, "Ann moved", Provenance())


def test_migrating_twice_does_nothing(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "memory.db"))
    for _ in range(2):
        migrate(connection, MORE)
    assert connection.pragma("user_version") == len(MORE)
