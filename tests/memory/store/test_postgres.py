"""PostgreSQL: row-level security, erased texts in the server's files, versions, a server that goes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed; install the extra postgres")

from memalpha.errors import StoreError  # noqa: E402
from memalpha.memory.bank import MemoryKind, Provenance  # noqa: E402
from memalpha.memory.store import Store  # noqa: E402
from memalpha.memory.store.postgres import PostgresDatabase, in_postgres  # noqa: E402
from memalpha.records import Chunk  # noqa: E402

SEMANTIC = MemoryKind.SEMANTIC
SAID = Provenance(chunk=0)
SECRET = "zanzibar"


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def store(conninfo: str) -> Iterator[Store]:
    with Store(PostgresDatabase(conninfo, wait_seconds=5), count_tokens=words) as made:
        yield made


def test_a_step_in_the_words_of_postgres() -> None:
    assert in_postgres("CREATE TABLE a (b INTEGER PRIMARY KEY, c INTEGER, d BLOB) STRICT;") == (
        "CREATE TABLE a (b BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, c BIGINT, d BYTEA);"
    )


def test_a_transaction_sees_one_memory_whatever_its_statements_ask_for(store: Store) -> None:
    ana, bo = store.scope("acme", "ana"), store.scope("acme", "bo")
    ana.insert(SEMANTIC, "Ann has a secret", SAID, key="1")
    bo.insert(SEMANTIC, "Bo has a dog", SAID, key="1")
    bo.insert(SEMANTIC, "Bo has a cat", SAID)
    bo.erase(SEMANTIC, 2)
    database = store._memories._database
    for table, seen in (("scopes", 1), ("operations", 1), ("entries", 1), ("keys", 1), ("receipts", 0)):
        count = f"SELECT COUNT(*) FROM {table}"
        assert database.read(lambda execute, count=count: execute(count, ()), ana.address) == [(seen,)]
    assert database.read(lambda execute: execute("SELECT after FROM operations", ()), bo.address) == [("Bo has a dog",)]
    database.write(lambda execute: execute("DELETE FROM operations", ()), ana.address)
    assert len(bo.changes()) == 1
    (theirs,) = database.read(lambda execute: execute('SELECT scope FROM scopes WHERE "user" = ?', ("bo",)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.write(
            lambda execute: execute("INSERT INTO keys (scope, name, first, last) VALUES (?, '2', 1, 1)", theirs),
            ana.address,
        )


@pytest.mark.parametrize("secret", [SECRET, " ".join(f"{SECRET}{number * number}" for number in range(900))])
def test_nothing_of_an_erased_text_is_left_in_the_files_of_the_server(store: Store, server: Any, secret: str) -> None:
    ana = store.scope("acme", "ana")
    for number in range(80):
        ana.insert(SEMANTIC, f"{number} is of no consequence", SAID)
    with ana.read([Chunk(text=f"User: {secret}")]) as draft:
        draft.bank.insert(SEMANTIC, secret, Provenance(chunk=draft.first_source))
    ana.update(SEMANTIC, 81, f"no longer {secret}", SAID)
    server.run("CHECKPOINT")
    assert traces(server.folder)
    ana.delete(SEMANTIC, 81, SAID)
    with psycopg.connect(server.conninfo("store", "postgres"), autocommit=True) as connection:
        connection.execute("ANALYZE")
    ana.erase(SEMANTIC, 81)
    server.run("CHECKPOINT")
    assert {file.relative_to(server.folder).parts[0] for file in traces(server.folder)} <= {"pg_wal"}
    server.run("SELECT pg_switch_wal()", "CHECKPOINT")  # with wal_recycle off the log goes too
    assert traces(server.folder) == []
    assert len(ana.changes()) == 80


def traces(folder: Path) -> list[Path]:
    """The files of a server that hold the word; long texts are compressed, but begin with it as it is."""
    return [file for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_threads_write_to_one_memory_and_to_others(store: Store, conninfo: str) -> None:
    def work(number: int) -> None:
        with Store(PostgresDatabase(conninfo), count_tokens=words) as own:
            for turn in range(10):
                for each in (own, store):
                    each.scope("acme", f"user {turn % 2}").insert(SEMANTIC, f"{number} {turn} {each is own}", SAID)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for user in ("user 0", "user 1"):
        scope = store.scope("acme", user)
        assert [operation.number for operation in scope.bank().log] == list(range(1, 41))
        assert [change.operation for change in scope.changes()] == list(scope.bank().log)
    assert store.check() == ()


def test_tables_of_a_later_version_are_refused(store: Store, conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("UPDATE memalpha.schema_version SET version = 7")
    with pytest.raises(StoreError, match=r"store\.memalpha on 127\.0\.0\.1 has schema 7, expected at most 2"):
        PostgresDatabase(conninfo)


def test_a_write_waits_for_others_and_then_gives_up(store: Store, conninfo: str) -> None:
    hasty = Store(PostgresDatabase(conninfo, wait_seconds=0.2), count_tokens=words)
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (0x6D416C66,))
        with pytest.raises(StoreError, match=r"in use by others for 0\.2 seconds; nothing was written"):
            hasty.scope("acme", "ana").insert(SEMANTIC, "one", SAID)
    hasty.scope("acme", "ana").insert(SEMANTIC, "one", SAID)
    hasty.close()


def test_a_server_that_is_away_is_one_sentence() -> None:
    with pytest.raises(StoreError, match=r"x\.memalpha on 127\.0\.0\.1 did not answer \(.*\); start the server"):
        PostgresDatabase("host=127.0.0.1 port=9 dbname=x connect_timeout=2")


def test_a_connection_that_is_lost_is_replaced(store: Store, server: Any) -> None:
    ana = store.scope("acme", "ana")
    ana.insert(SEMANTIC, "one", SAID)
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    with pytest.raises(StoreError, match="send again under a key what was not acknowledged"):
        ana.insert(SEMANTIC, "two", SAID)
    ana.insert(SEMANTIC, "two", SAID)
    assert [entry.id for entry in ana.entries(SEMANTIC)] == [1, 2]


def test_a_server_that_is_cut_off_loses_nothing_acknowledged(store: Store, server: Any) -> None:
    ana = store.scope("acme", "ana")
    acknowledged: list[str] = []

    def write() -> None:
        for number in count():
            ana.insert(SEMANTIC, f"{len(acknowledged)} {number}", SAID)
            acknowledged.append(f"{len(acknowledged)} {number}")

    for turn in range(3):
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while len(acknowledged) < 20 * (turn + 1):
                time.sleep(0.01)
            server.crash()
            with pytest.raises(StoreError, match="did not answer"):
                writing.result()
        there = [entry.text for entry in ana.entries(SEMANTIC)]
        assert there[: len(acknowledged)] == acknowledged
        assert len(there) - len(acknowledged) in (0, 1)
        acknowledged[:] = there
        assert store.check() == ()


def test_a_schema_of_another_name_is_another_store(store: Store, conninfo: str) -> None:
    store.scope("acme", "ana").insert(SEMANTIC, "one", SAID)
    database = PostgresDatabase(conninfo, schema='odd "name" %s')
    with Store(database, count_tokens=words) as other:
        assert other.scope("acme", "ana").changes() == ()
