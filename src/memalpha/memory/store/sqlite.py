"""A store in one SQLite file.

One thread writes, in the order in which it is asked; readers have connections of their own and never wait for it. A
commit waits for the disk (WAL, synchronous FULL). Every page carries a checksum, so that a damaged one is an error and
never an answer; for this SQLite's page checksum layer becomes the default of the process, and leaves files of others as
they are. Other processes may open the same file on the same machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import apsw
import apsw.sqlite_extra

from memalpha.errors import OutputError, StoreError
from memalpha.memory.store.changes import Address
from memalpha.memory.store.checks import Finding, FindingKind
from memalpha.memory.store.database import Result
from memalpha.memory.store.rows import Execute
from memalpha.memory.store.schema import APPLICATION_ID, STEPS

_WAIT_SECONDS = 30
"""How long a write waits for another process, and a scrub for its readers."""
_CHECKSUM_BYTES = 8
_VFS = "cksmvfs"
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)


class SQLiteDatabase:
    """The file of a store, made where there is none. Not for use after a fork of the process."""

    def __init__(self, path: Path, *, wait_seconds: float = _WAIT_SECONDS) -> None:
        """Open the file and bring it to the newest schema.

        Raises:
            StoreError: The file is no store, damaged, or of a later version.
            OutputError: It cannot be written.
        """
        self._path = path
        self._wait_seconds = wait_seconds
        self._process = os.getpid()
        self._idle: list[apsw.Connection] = []
        self._lock = Lock()
        self._closed = False
        with self._told():
            self._connection = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="memalpha-store")

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def read(self, job: Callable[[Execute], Result], address: Address | None = None) -> Result:
        """Run a job that sees one state of the file; `address` is what its statements name."""
        self._check_open()
        with self._told():
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            connection = connection or self._connect()
            try:
                with _transaction(connection, "BEGIN"):
                    return job(_executor(connection))
            finally:
                self._give_back(connection)

    def write(
        self,
        job: Callable[[Execute], Result],
        address: Address | None = None,
        around: AbstractContextManager[None] | None = None,
    ) -> Result:
        """Run a job as one transaction on the writing thread."""
        return self._submit(lambda: self._write(job, around or nullcontext()))

    def scrub(self) -> None:
        """Write the whole file anew and empty the log beside it."""
        self._submit(self._scrub)

    def check(self) -> list[Finding]:
        """What an integrity check of SQLite finds."""
        found = self.read(lambda execute: execute("PRAGMA integrity_check", ()))
        mend = "put a backup in its place"
        return [
            Finding(kind=FindingKind.DAMAGE, what=f"SQLite says: {text}", mend=mend)
            for (text,) in found
            if text != "ok"
        ]

    def close(self) -> None:
        """Wait for the write under way, and close every connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, []
        self._writer.shutdown()
        for connection in (*idle, self._connection):
            connection.close()

    def _submit(self, job: Callable[[], Result]) -> Result:
        self._check_open()
        with self._told():
            return self._writer.submit(job).result()

    def _write(self, job: Callable[[Execute], Result], around: AbstractContextManager[None]) -> Result:
        with around, _transaction(self._connection, "BEGIN IMMEDIATE"):
            return job(_executor(self._connection))

    def _scrub(self) -> None:
        # Deleted cells are overwritten as they go (secure_delete), but a page may keep what once moved within it; only
        # new pages hold nothing else than live rows. Afterwards the log beside the file still has the old ones.
        self._connection.execute("VACUUM").fetchall()
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _connect(self) -> apsw.Connection:
        if _VFS not in apsw.vfs_names():
            shim = apsw.Connection(":memory:")
            apsw.sqlite_extra.load(shim, "cksumvfs")
            shim.close()
        connection = apsw.Connection(str(self._path), vfs=_VFS)
        connection.set_busy_timeout(int(self._wait_seconds * 1000))
        for pragma in ("synchronous = FULL", "secure_delete = ON", "foreign_keys = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _prepare(self) -> None:
        connection = self._connection
        with _transaction(connection, "BEGIN"):  # one look, while another process may be making the file
            version, application = connection.pragma("user_version"), connection.pragma("application_id")
            empty = not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        if application != APPLICATION_ID and not empty:
            raise StoreError(f"{self._path} is a SQLite file but no memory store; name another path")
        if version > len(STEPS):
            raise StoreError(
                f"{self._path} has schema {version}, expected at most {len(STEPS)}: a later memalpha wrote it; upgrade"
            )
        if empty:
            connection.reserve_bytes("main", _CHECKSUM_BYTES)
        connection.pragma("journal_mode", "wal")
        if version < len(STEPS):
            with _transaction(connection, "BEGIN IMMEDIATE"):
                migrate(connection, STEPS)

    def _give_back(self, connection: apsw.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self._path} is closed; open it again")
        if os.getpid() != self._process:
            raise StoreError(f"{self._path} was opened before this process was forked; open it here again")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Every failure of SQLite as one sentence."""
        try:
            yield
        except apsw.FullError as error:
            raise OutputError(f"{self._path} is full; nothing was written, free some space and try again") from error
        except apsw.BusyError as error:
            raise StoreError(
                f"{self._path} was in use by another process for {self._wait_seconds:g} seconds; nothing was written, "
                "try again"
            ) from error
        except _DAMAGED as error:
            raise self._damaged(error) from error
        except apsw.IOError as error:
            if getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_DATA:
                raise self._damaged(error) from error
            raise OutputError(
                f"{self._path} could not be read or written ({error}); nothing was written, check the disk"
            ) from error
        except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
            raise OutputError(f"{self._path} cannot be written ({error}); check the path and its rights") from error

    def _damaged(self, error: apsw.Error) -> StoreError:
        return StoreError(f"{self._path} is damaged or no store ({error}); put a backup in its place")


def migrate(connection: apsw.Connection, steps: Sequence[str]) -> None:
    """Take the steps that a file lacks, inside the caller's transaction."""
    # Read again: another process may have taken them while this one waited for its turn.
    for version in range(connection.pragma("user_version"), len(steps)):
        connection.execute(steps[version]).fetchall()
        connection.pragma("user_version", version + 1)
    connection.pragma("application_id", APPLICATION_ID)


@contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself has rolled back after some errors, such as a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _executor(connection: apsw.Connection) -> Execute:
    def execute(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return connection.execute(statement, parameters).fetchall()

    return execute
