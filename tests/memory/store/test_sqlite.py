"""The file: its marks, what is refused, erased texts in raw bytes, and every fault that a machine has in store."""

from __future__ import annotations

import os
import random
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from memalpha.errors import OutputError, StoreError
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.embedding import HashedEmbedder
from memalpha.memory.store import Scope, SQLiteDatabase, Store
from memalpha.records import Chunk

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
SAID = Provenance(chunk=0)
WORKLOAD = Path(__file__).with_name("workload.py")
edit = runpy.run_path(str(WORKLOAD))["edit"]


def words(text: str) -> int:
    return len(text.split())


def opened(path: Path, *, wait_seconds: float = 20, **options: Any) -> Store:
    return Store(SQLiteDatabase(path, wait_seconds=wait_seconds), count_tokens=words, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with opened(path) as made:
        yield made


@pytest.fixture
def ana(store: Store) -> Scope:
    return store.scope("acme", "ana")


def test_the_file_says_what_it_is(ana: Scope, store: Store, path: Path) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    connection = store._memories._database._connection
    assert connection.pragma("application_id") == 0x6D416C66
    assert connection.pragma("user_version") == 2
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("secure_delete") == 1
    assert connection.pragma("checksum_verification") == "1"
    assert path.read_bytes()[20] == 8  # bytes that each page keeps free for its checksum


def test_sqlite_is_one_without_the_wal_reset_bug() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_a_closed_store_is_one_file(ana: Scope, store: Store, path: Path) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    store.close()
    assert list(path.parent.iterdir()) == [path]


def test_what_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("a letter to Ann, and by no means a database, however long it may be " * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="damaged or no store"):
        opened(path)
    assert path.read_bytes() == before
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE letters (text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a SQLite file but no memory store"):
        opened(path)
    assert path.read_bytes() == before


def test_a_file_of_a_later_version_is_refused(store: Store, path: Path) -> None:
    store.close()
    later = apsw.Connection(str(path), vfs="cksmvfs")
    later.pragma("user_version", 7)
    later.close()
    with pytest.raises(StoreError, match="has schema 7, expected at most 2: a later memalpha wrote it; upgrade"):
        opened(path)


def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        opened(tmp_path / "nowhere" / "memory.db")
    with pytest.raises(OutputError, match="cannot be written"):
        opened(tmp_path)


def test_a_store_is_not_carried_over_a_fork(ana: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(StoreError, match="before this process was forked"):
        ana.bank()


def test_a_write_waits_for_another_process_and_then_gives_up(path: Path) -> None:
    with opened(path, wait_seconds=0.2) as store:
        ana = store.scope("acme", "ana")
        other = apsw.Connection(str(path), vfs="cksmvfs")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"in use by another process for 0\.2 seconds; nothing was written"):
            ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
        assert ana.entries(SEMANTIC) == ()  # readers do not wait
        other.execute("ROLLBACK")
        other.close()
        ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)


def test_threads_write_and_read_at_once(store: Store) -> None:
    def work(number: int) -> None:
        scope = store.scope("acme", f"user {number % 3}")
        for turn in range(20):
            scope.insert(SEMANTIC, f"{number} says {turn}", SAID)
            assert scope.entries(SEMANTIC)[-1].id > turn
            assert any(entry.text == f"{number} says {turn}" for entry in scope.entries(SEMANTIC))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    for number in range(3):
        log = store.scope("acme", f"user {number}").bank().log
        assert [operation.number for operation in log] == list(range(1, 41))
    assert store.check() == ()


# Erasure


SECRET = "zanzibar"


def traces(folder: Path, text: str) -> list[str]:
    """The files that hold a part of a text of 12 bytes or more, or all of a shorter one: pages may cut a text."""
    raw = text.encode()
    parts = {raw[at : at + 12] for at in range(max(1, len(raw) - 11))}
    return [file.name for file in sorted(folder.iterdir()) if any(part in file.read_bytes() for part in parts)]


def crowded(store: Store, secret: str) -> None:
    """The secret in every place that a text can be in, among many other texts and users."""
    ana, bo = store.scope("acme", "ana"), store.scope("acme", "bo")
    for number in range(120):
        (ana, bo)[number % 2].insert(SEMANTIC, f"{number} is of no consequence " * (1 + number % 7), SAID)
        if number == 50:
            with ana.read([Chunk(text=f"User: {secret}")]) as draft:
                draft.bank.insert(EPISODIC, secret, Provenance(chunk=draft.first_source))
            ana.update(CORE, None, "a core", SAID)
    ana.update(EPISODIC, 27, f"no longer {secret}", SAID)
    ana.update(EPISODIC, 27, "nothing", SAID)
    for number in range(1, 20):
        bo.update(SEMANTIC, number, "rewritten " * number * 3, SAID)
        bo.delete(SEMANTIC, number, SAID)


@pytest.mark.parametrize("secret", [SECRET, " ".join(f"{SECRET}{number:05}" for number in range(800))])
@pytest.mark.parametrize("whole_user", [False, True])
def test_nothing_of_an_erased_text_is_left_in_the_files(
    store: Store, ana: Scope, path: Path, secret: str, whole_user: bool
) -> None:
    crowded(store, secret)
    assert ana.get(EPISODIC, 27) is not None
    assert traces(path.parent, secret)
    ana.delete(EPISODIC, 27, SAID)
    assert traces(path.parent, secret)  # a delete is no erasure, and the probe finds what is there
    ana.erase_all() if whole_user else ana.erase(EPISODIC, 27)
    assert traces(path.parent, secret) == []
    assert len(store.scope("acme", "bo").changes()) == 98
    assert len(ana.changes()) == (0 if whole_user else 61)
    assert store.check() == ()
    store.close()
    assert traces(path.parent, secret) == []


def test_the_vector_of_an_erased_text_is_gone_too(path: Path) -> None:
    embedder = HashedEmbedder(64)
    vector = embedder.embed([SECRET])[0].astype("<f2").tobytes()
    with opened(path, embedder=embedder) as store:
        ana = store.scope("acme", "ana")
        ana.insert(SEMANTIC, SECRET, SAID)
        held = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert vector in held
        ana.erase(SEMANTIC, 1)
        assert all(vector not in file.read_bytes() for file in path.parent.iterdir())


def test_an_erasure_that_a_reader_holds_up_is_completed_by_the_next_opening(path: Path) -> None:
    with opened(path, wait_seconds=0.2) as store:
        ana = store.scope("acme", "ana")
        ana.insert(SEMANTIC, SECRET, SAID)
        reader = apsw.Connection(str(path), vfs="cksmvfs")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM operations").fetchall()
        with pytest.raises(StoreError, match="receipt 1: erased, but free space"):
            ana.erase(SEMANTIC, 1)
        assert ana.changes() == ()
        assert ana.receipts()[0].scrubbed is None
        assert traces(path.parent, SECRET)
        reader.close()
    with opened(path) as store:
        assert store.scope("acme", "ana").receipts()[0].scrubbed is not None
        assert traces(path.parent, SECRET) == []


# Faults


def assert_same(bank: Bank, expected: Bank) -> None:
    assert bank.log == expected.log
    for kind in (CORE, EPISODIC, SEMANTIC):
        assert bank.entries(kind) == expected.entries(kind)


def after(edits: int) -> Bank:
    """What the workload has made after some edits."""
    bank = Bank(count_tokens=words)
    for number in range(edits):
        edit(bank, number)
    return bank


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_kill_9_loses_nothing_acknowledged_and_shows_nothing_half_written(path: Path, kills: int) -> None:
    rng = random.Random(kills)
    done = 0
    model = Bank(count_tokens=words)
    for _ in range(kills):
        acknowledged = killed_writer(path, done, rng)
        with opened(path) as store:
            scope = store.scope("acme", "ana")
            before = done
            while scope.written(str(done)) is not None:
                edit(model, done)
                done += 1
            assert done - before in (acknowledged, acknowledged + 1)
            assert_same(scope.bank(), model)
            assert store.check() == ()
    assert done > kills


def killed_writer(path: Path, first: int, rng: random.Random) -> int:
    """Run the workload, kill it at a random moment of a random edit; returns how many edits it acknowledged."""
    command = [sys.executable, str(WORKLOAD), str(path), str(first), "-1", "ana"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        acknowledged = 0
        for _ in range(rng.randrange(8)):
            acknowledged += bool(child.stdout.readline())
        time.sleep(rng.random() * 0.01)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        return acknowledged + rest.count("\n")


@pytest.fixture
def snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Copies of the file and its log before each statement: what a process that dies there leaves behind."""
    made: list[Path] = []
    working: list[bool] = []

    def copy(*_: object) -> bool:
        # By another process: closing a file would give up the locks that this one holds on it.
        if not working:
            folder = tmp_path / f"snapshot {len(made)}"
            folder.mkdir()
            files = [str(file) for file in tmp_path.glob("memory.db*") if not file.name.endswith("-shm")]
            if files:
                subprocess.run(["cp", *files, str(folder)], check=True)
            made.append(folder / "memory.db")
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = copy

    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, watch])
    yield made
    working.append(True)


def test_death_at_any_statement_of_the_first_opening_and_of_a_write(snapshots: list[Path], path: Path) -> None:
    with opened(path) as store:
        ana = store.scope("acme", "ana")
        for number in range(3):
            with ana.edit() as bank:
                edit(bank, number)
        taken = list(snapshots)
    assert len(taken) > 40
    reached = []
    for snapshot in taken:
        apsw.connection_hooks.clear()
        with opened(snapshot) as store:
            bank = store.scope("acme", "ana").bank()
            edits = next(number for number in range(4) if after(number).log == bank.log)
            assert_same(bank, after(edits))
            assert store.check() == ()
            reached.append(edits)
    assert reached == sorted(reached)
    assert set(reached) == {0, 1, 2}  # the last commit is the last statement: nothing is copied behind it


def test_death_at_any_statement_of_an_erasure(snapshots: list[Path], path: Path) -> None:
    with opened(path) as store:
        ana = store.scope("acme", "ana")
        ana.insert(SEMANTIC, SECRET, SAID)
        ana.insert(SEMANTIC, "Bo has a dog", SAID)
        begun = len(snapshots)
        ana.erase(SEMANTIC, 1)
        taken = list(snapshots)[begun:]
    outcomes = []
    for snapshot in taken:
        apsw.connection_hooks.clear()
        with opened(snapshot) as store:
            scope = store.scope("acme", "ana")
            erased = scope.get(SEMANTIC, 1) is None
            assert bool(traces(snapshot.parent, SECRET)) is not erased
            assert [receipt.scrubbed is not None for receipt in scope.receipts()] == [True] * erased
            assert store.check() == ()
            outcomes.append(erased)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


def test_a_flipped_bit_is_an_error_and_never_an_answer(store: Store, path: Path) -> None:
    for user in ("ana", "bo"):
        with store.scope("acme", user).edit() as bank:
            for number in range(12):
                edit(bank, number)
    expected, addresses = store.scope("acme", "ana").bank(), store.addresses()
    store.close()
    whole = path.read_bytes()
    rng = random.Random(0)
    found = 0
    for turn in range(150):
        at = rng.randrange(100 if turn % 5 == 0 else len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            with opened(path) as again:
                assert_same(again.scope("acme", "ana").bank(), expected)
                assert again.addresses() == addresses
        except StoreError as error:
            assert str(path) in str(error)
            found += 1
    assert found > 50


def test_a_damaged_page_is_one_sentence(store: Store, ana: Scope, path: Path) -> None:
    for number in range(40):
        ana.insert(SEMANTIC, f"{number} " + "words " * 50, SAID)
    store.close()
    whole = bytearray(path.read_bytes())
    for page in range(1, len(whole) // 4096):
        whole[page * 4096 + 2000] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"memory\.db is damaged or no store \(.*\); put a backup in its place"):
        opened(path).scope("acme", "ana").bank()


def test_a_full_disk_loses_nothing_that_was_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(connection: apsw.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 40").fetchall()

    monkeypatch.setattr(apsw, "connection_hooks", [small])
    model = Bank(count_tokens=words)
    with opened(path) as store:
        ana = store.scope("acme", "ana")
        with pytest.raises(OutputError, match=r"memory\.db is full; nothing was written, free some space"):
            for number in range(1000):
                text = f"{number} " + "words " * 200
                ana.insert(SEMANTIC, text, SAID)
                model.insert(SEMANTIC, text, SAID)
        assert_same(ana.bank(), model)
        assert store.check() == ()
    monkeypatch.setattr(apsw, "connection_hooks", [])
    with opened(path) as store:
        ana = store.scope("acme", "ana")
        assert_same(ana.bank(), model)
        ana.insert(SEMANTIC, "there is room again", SAID)


def test_two_processes_write_to_one_memory(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, str(WORKLOAD), str(path), str(first), str(first + 60), "shared"])
        for first in (0, 1000)
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    with opened(path) as store:
        scope = store.scope("acme", "shared")
        log = scope.bank().log
        assert [operation.number for operation in log] == list(range(1, 121))
        assert [entry.id for entry in scope.entries(EPISODIC)] == list(range(1, 121))
        for author in ("0", "1000"):
            said = [each.after for each in log if each.provenance.author == author]
            assert said == [f"{author}: {number}" for number in range(int(author), int(author) + 60)]
        assert store.check() == ()


def test_a_copy_of_the_closed_file_is_a_backup(store: Store, ana: Scope, path: Path) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    store.close()
    shutil.copy(path, path.with_name("backup.db"))
    with opened(path.with_name("backup.db")) as copy:
        assert copy.scope("acme", "ana").get(SEMANTIC, 1) is not None
