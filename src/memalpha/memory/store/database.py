"""What a store asks of a database: transactions, one clear error for whatever fails, and free space without a trace."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from memalpha.memory.store.changes import Address
from memalpha.memory.store.checks import Finding
from memalpha.memory.store.rows import Execute

Result = TypeVar("Result")


class Database(Protocol):
    """Anything that holds the tables of a store. Safe for several threads at once."""

    @property
    def name(self) -> str:
        """Stands in messages."""
        ...

    def read(self, job: Callable[[Execute], Result], address: Address | None = None) -> Result:
        """Run a job that sees one state of the database.

        Args:
            job: Runs the statements; it may be run in any thread.
            address: Whose memory it reads; None is what belongs to the store as a whole.

        Raises:
            StoreError: The database is damaged, locked for long, or away.
        """
        ...

    def write(
        self,
        job: Callable[[Execute], Result],
        address: Address | None = None,
        around: AbstractContextManager[None] | None = None,
    ) -> Result:
        """Run a job as one transaction: once it returns everything is on the disk, when it raises nothing was done.

        Args:
            job: Runs the statements; it may be run in any thread.
            address: Whose memory it writes; None is what belongs to the store as a whole.
            around: Entered before the transaction begins, left when it is settled, both in the thread of the job.

        Raises:
            StoreError: The database is damaged, locked for long, or away.
            OutputError: The disk is full, or cannot be written.
        """
        ...

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the files of the database; raises as `write` does."""
        ...

    def check(self) -> list[Finding]:
        """What the database finds wrong with itself."""
        ...

    def close(self) -> None:
        """Let go of everything; calling it twice does nothing."""
        ...
