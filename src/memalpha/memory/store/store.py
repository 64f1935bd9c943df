"""Durable memories: many users in one database, each of them a `Bank`.

The class that edits, limits, searches and logs in training is the class that does so here. The database holds the log
of each memory and what follows from it; a bank is made from its log when it is first needed, is kept while it is used,
and reads the operations that other processes wrote. So there is one set of rules and one ranking, in RAM and on disk,
and a database has nothing to rank. A second class that keeps the same contract on its own tables would need the same
tests twice and would still rank otherwise: full-text engines of databases do not give BM25Okapi's scores.

A write runs against the newest state, inside the transaction that writes it. What takes long, such as a model that
reads a chunk, edits a fork (`Scope.edit`), which is written at the end if nobody else has written to this memory since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType

from memalpha.errors import StoreError
from memalpha.memory.bank import Bank
from memalpha.memory.embedding import Embedder, record_of
from memalpha.memory.history import entries_after
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.memory.store.catalogue import EMBEDDER, LAYOUT, Catalogue
from memalpha.memory.store.changes import Address, Census
from memalpha.memory.store.checks import Finding, FindingKind, check_inbox, check_rows, check_vectors
from memalpha.memory.store.database import Database
from memalpha.memory.store.inbox import Inbox
from memalpha.memory.store.keys import ApiKeys
from memalpha.memory.store.memories import Memories
from memalpha.memory.store.rows import Execute, Rows
from memalpha.memory.store.scope import Scope


def now() -> datetime:
    """The time of day, in UTC."""
    return datetime.now(UTC)


class Store:
    """The memories in a database, which the store closes with itself. Safe for several threads at once.

    Args:
        database: Where they are.
        count_tokens: Length of a text in tokens, for the limits of the layout.
        layout: What every memory in it may hold.
        embedder: Makes a vector of each entry, written with it; None keeps no vectors.
        reindex: Whether the projection is made anew from the logs, with the vectors of this embedder.
        clock: Tells the time; should it go back, no change is dated before the one that it follows.
        cached_banks: How many memories are kept in RAM.
    """

    def __init__(
        self,
        database: Database,
        *,
        count_tokens: Callable[[str], int],
        layout: Layout = MEMALPHA,
        embedder: Embedder | None = None,
        reindex: bool = False,
        clock: Callable[[], datetime] = now,
        cached_banks: int = 256,
    ) -> None:
        """Complete what an interrupted erasure left; raises `StoreError` for vectors or a layout of another kind."""
        self.count_tokens = count_tokens
        self.layout = layout
        self._database = database
        self._embedder = embedder
        self.inbox = Inbox(database, clock)
        """What was accepted to be read into memories."""
        self.keys = ApiKeys(database, clock)
        """Who is let in by a server."""
        self._memories = Memories(
            database,
            empty_bank=lambda: Bank(count_tokens=count_tokens, layout=layout),
            embedder=embedder,
            clock=clock,
            cached_banks=cached_banks,
        )
        try:
            database.write(lambda execute: self._settle(execute, reindex))
            if database.read(lambda execute: Catalogue(execute).unscrubbed()):
                self._memories.scrub()
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Store:
        """For `with`, which closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Wait for the write under way and let go of the database."""
        self._database.close()

    def scope(self, tenant: str, user: str) -> Scope:
        """The memory of a user, where every call on it is made; raises `StoreError` for names that are none."""
        return Scope(self._memories, Address(tenant=tenant, user=user))

    def addresses(self) -> Sequence[Address]:
        """Every memory that was ever written to."""
        return tuple(self._database.read(lambda execute: Catalogue(execute).addresses()))

    @property
    def name(self) -> str:
        """Where it is, without a password."""
        return self._database.name

    def census(self, tenant: str, *, after: str = "", limit: int = 1000) -> Sequence[Census]:
        """How much there is of each user of a tenant, in the order of their names, from behind a name on."""
        return tuple(self._database.read(lambda execute: Catalogue(execute).census(tenant, after, limit)))

    def check(self) -> tuple[Finding, ...]:
        """What is wrong with the store as a database; empty when all is well."""
        found = self.check_database()
        for address in self.addresses():
            found += self.check_memory(address)
        return tuple(found)

    def check_database(self) -> list[Finding]:
        """What is wrong with the database, whatever is in it."""
        found = self._database.check()
        if self._database.read(lambda execute: Catalogue(execute).unscrubbed()):
            what = "an erasure is not complete: free space may hold what was erased"
            found.append(Finding(kind=FindingKind.ERASURE, what=what, mend="open the store again, which completes it"))
        return found + self._database.read(lambda execute: list(check_inbox(execute)))

    def check_memory(self, address: Address) -> list[Finding]:
        """What is wrong with the rows of one memory."""
        vectors = self._embedder is not None
        return self._memories.rows(address, lambda rows: list(check_rows(rows, address, vectors=vectors)))

    def check_vectors(self, address: Address, sample: int | None) -> list[Finding]:
        """Stored vectors of one memory that its embedder does not make; `sample` says of how many, None is of all."""
        if self._embedder is None:
            return []
        bank, _, _ = self._memories.draft(address)
        projection = self._memories.rows(address, lambda rows: rows.projection())
        stored = [
            (entry, vector)
            for place, (_, vector) in projection.items()
            if vector is not None and (entry := bank.find(*place)) is not None
        ]
        step = 1 if sample is None else max(1, len(stored) // sample)
        return list(check_vectors(stored[::step][:sample], address, self._memories.vectors))

    def _settle(self, execute: Execute, reindex: bool) -> None:
        """Record the layout and the embedder, or refuse others than those that are recorded."""
        catalogue = Catalogue(execute)
        layout = catalogue.setting(LAYOUT)
        if layout not in (None, self.layout.name):
            raise StoreError(
                f"{self._database.name} was written with the layout {layout!r}, got {self.layout.name!r}; open it with "
                "that layout, or write what it holds into a new store"
            )
        if layout is None:
            catalogue.set(LAYOUT, self.layout.name)
        self._settle_embedder(catalogue, execute, reindex)

    def _settle_embedder(self, catalogue: Catalogue, execute: Execute, reindex: bool) -> None:
        given = record_of(self._embedder)
        recorded = catalogue.setting(EMBEDDER)
        if given == recorded and not reindex:
            return
        addresses = catalogue.addresses()
        if addresses and not reindex:
            raise StoreError(
                f"{self._database.name} was written with the embedder {recorded or 'none'}, got {given or 'none'}; "
                "open it with that one, or run `memalpha reindex`, which makes every vector anew"
            )
        for address in addresses:
            rows = Rows(execute, address)
            live = entries_after(change.operation for change in rows.changes())
            self._memories.project(rows, {place: live.get(place) for place in rows.projection().keys() | live.keys()})
        catalogue.renew()
        catalogue.set(EMBEDDER, given)
