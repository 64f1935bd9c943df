"""A store in PostgreSQL 15 or newer, for several machines that write.

The statements and the tables are those of SQLite. Writes to one memory queue at an advisory lock, writes to different
ones run side by side. Row-level security repeats in the database that a transaction sees one memory only; it binds
every role but superusers, so the store is best opened by one that is none and owns the tables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

import psycopg
from psycopg import sql

from memalpha.errors import OutputError, StoreError
from memalpha.memory.store.changes import Address
from memalpha.memory.store.checks import Finding
from memalpha.memory.store.database import Result
from memalpha.memory.store.rows import Execute
from memalpha.memory.store.schema import STEPS

_WAIT_SECONDS = 30
_LOCK = 0x6D416C66
_ALL, _OWN = "memalpha.all", ("memalpha.tenant", "memalpha.user")
_TABLES = ("scopes", "operations", "entries", "keys", "receipts", "sources", "inbox", "api_keys")
_WITH_NAMES = ("scopes", "receipts", "inbox")
_OF_THE_STORE = ("api_keys",)
_DIALECT = (
    (" AUTOINCREMENT", ""),
    ("INTEGER PRIMARY KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("INTEGER", "BIGINT"),
    ("BLOB", "BYTEA"),
    (" STRICT, WITHOUT ROWID", ""),
    (" STRICT", ""),
)
_SEES_ALL = f"current_setting('{_ALL}', true) = 'on'"
_NAMED = f"""tenant = current_setting('{_OWN[0]}', true) AND "user" = current_setting('{_OWN[1]}', true)"""
# Samples of texts in the planner's statistics would outlive an erasure.
_UNSAMPLED = (
    ("operations", ("before", "after", "time", "author")),
    ("entries", ("text", "vector")),
    ("keys", ("name",)),
    ("sources", ("text", "time")),
    ("inbox", ("name", "body", "problem")),
)


class PostgresDatabase:
    """The tables of a store in one schema of a PostgreSQL database, made where there are none.

    Not for use after a fork of the process.
    """

    def __init__(self, conninfo: str, *, schema: str = "memalpha", wait_seconds: float = _WAIT_SECONDS) -> None:
        """Connect, and bring the tables to the newest schema.

        Args:
            conninfo: As libpq reads it, such as `postgresql://memalpha@localhost/memalpha`.
            schema: Holds the tables and nothing else.
            wait_seconds: How long a write waits for others.

        Raises:
            StoreError: The server is away, or the tables are of a later version.
        """
        self._conninfo = conninfo
        self._schema = schema
        self._wait_seconds = wait_seconds
        self._process = os.getpid()
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = Lock()
        self._closed = False
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Database and schema, without a password."""
        told = psycopg.conninfo.conninfo_to_dict(self._conninfo)
        return f"{told.get('dbname', 'the default database')}.{self._schema} on {told.get('host', 'the default host')}"

    def read(self, job: Callable[[Execute], Result], address: Address | None = None) -> Result:
        """Run a job that sees one state of the database."""
        with self._transaction(address, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY") as execute:
            return job(execute)

    def write(
        self,
        job: Callable[[Execute], Result],
        address: Address | None = None,
        around: AbstractContextManager[None] | None = None,
    ) -> Result:
        """Run a job as one transaction in the thread of the caller, once no other writes to the same memory."""
        with around or nullcontext(), self._transaction(address, "SET LOCAL synchronous_commit = on") as execute:
            if address is None:
                execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            else:
                execute("SELECT pg_advisory_xact_lock_shared(?)", (_LOCK,))
                execute("SELECT pg_advisory_xact_lock(hashtextextended(?, ?))", (repr(address), _LOCK))
            return job(execute)

    def scrub(self) -> None:
        """Write the tables anew, which empties the files that they were in.

        The server's write-ahead log keeps what it logged until it removes the segment, and so do its archives.
        """
        with self._connection() as connection:
            for table in _TABLES:
                connection.execute(sql.SQL("VACUUM FULL {}").format(sql.Identifier(table)))

    def check(self) -> list[Finding]:
        """Nothing: the server watches over its files itself."""
        return []

    def close(self) -> None:
        """Close every connection that is not at work; the others close when they are done."""
        self._closed = True
        self._drop_idle()

    @contextmanager
    def _transaction(self, address: Address | None, first: str) -> Iterator[Execute]:
        with self._connection() as connection, connection.transaction():
            execute = _executor(connection)
            execute(first, ())
            own = ("", "") if address is None else (address.tenant, address.user)
            for setting, value in ((_ALL, "on" if address is None else "off"), *zip(_OWN, own, strict=True)):
                execute("SELECT set_config(?, ?, true)", (setting, value))
            yield execute

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection for one transaction, and every failure of the server as one sentence."""
        if self._closed:
            raise StoreError(f"{self.name} is closed; open it again")
        if os.getpid() != self._process:
            raise StoreError(f"{self.name} was opened before this process was forked; open it here again")
        try:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            connection = connection or self._connect()
            try:
                yield connection
            finally:
                self._give_back(connection)
        except psycopg.errors.LockNotAvailable as error:
            raise StoreError(
                f"{self.name} was in use by others for {self._wait_seconds:g} seconds; nothing was written, try again"
            ) from error
        except psycopg.errors.DiskFull as error:
            raise OutputError(f"{self.name} is full; nothing was written, free some space and try again") from error
        except psycopg.OperationalError as error:
            self._drop_idle()  # a server that went away has forgotten them all
            reason = str(error).strip().split("\n")[0]
            raise StoreError(
                f"{self.name} did not answer ({reason}); start the server, and send again under a key what was not "
                "acknowledged"
            ) from error

    def _connect(self) -> psycopg.Connection[Any]:
        # Poolers between here and the server do not know statements that were prepared through them.
        connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=None)
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self._schema)))
        connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(int(self._wait_seconds * 1000))))
        return connection

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            if not self._closed and not connection.closed:
                self._idle.append(connection)
                return
        connection.close()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _migrate(self) -> None:
        def job(execute: Execute) -> None:
            if not execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self._schema,)):
                execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)).as_string(), ())
            execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)", ())
            found = execute("SELECT version FROM schema_version", ())
            version = found[0][0] if found else 0
            if version > len(STEPS):
                raise StoreError(
                    f"{self.name} has schema {version}, expected at most {len(STEPS)}: a later memalpha wrote it; "
                    "upgrade"
                )
            for step in STEPS[version:]:
                execute(in_postgres(step), ())
            if version < len(STEPS):
                _secure(execute)
            execute("DELETE FROM schema_version", ())
            execute("INSERT INTO schema_version (version) VALUES (?)", (len(STEPS),))

        self.write(job)


def in_postgres(step: str) -> str:
    """A step of the schema in the words of PostgreSQL."""
    for words, ours in _DIALECT:
        step = step.replace(words, ours)
    return step


def _secure(execute: Execute) -> None:
    """Let a transaction see the memory that it names, whatever its statements ask for."""
    for table in _TABLES:
        own = _NAMED if table in _WITH_NAMES else "scope IN (SELECT scope FROM scopes)"
        own = "false" if table in _OF_THE_STORE else own
        execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", ())
        execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY", ())
        execute(f"DROP POLICY IF EXISTS own ON {table}", ())
        execute(f"CREATE POLICY own ON {table} USING ({_SEES_ALL} OR {own})", ())
    for table, columns in _UNSAMPLED:
        for column in columns:
            execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0", ())


def _executor(connection: psycopg.Connection[Any]) -> Execute:
    def execute(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        # Without parameters several statements may stand in one text.
        cursor = connection.execute(statement.replace("?", "%s").encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    return execute
