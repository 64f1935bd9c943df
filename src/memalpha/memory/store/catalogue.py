"""The statements about a store as a whole, once for every database."""

from __future__ import annotations

from datetime import datetime

from memalpha.memory.store.changes import Address, Census, from_microseconds, to_microseconds
from memalpha.memory.store.rows import Execute

LAYOUT, EMBEDDER = "layout", "embedder"
"""What a store remembers of how it was made."""


class Catalogue:
    """What belongs to no single memory, inside one transaction."""

    def __init__(self, execute: Execute) -> None:
        """Of the database that `execute` runs in."""
        self._execute = execute

    def addresses(self) -> list[Address]:
        """Every memory that was ever written to."""
        found = self._execute('SELECT tenant, "user" FROM scopes ORDER BY tenant, "user"', ())
        return [Address(tenant=tenant, user=user) for tenant, user in found]

    def census(self, tenant: str, after: str, limit: int) -> list[Census]:
        """The memories of a tenant, in the order of the users' names, from behind a name on."""
        found = self._execute(
            'SELECT "user", (SELECT COUNT(*) FROM entries WHERE entries.scope = scopes.scope), '
            "(SELECT COUNT(*) FROM operations WHERE operations.scope = scopes.scope), learned FROM scopes "
            'WHERE tenant = ? AND "user" > ? ORDER BY "user" LIMIT ?',
            (tenant, after, limit),
        )
        return [
            Census(user=user, entries=entries, operations=operations, learned=from_microseconds(learned))
            for user, entries, operations, learned in found
        ]

    def setting(self, name: str) -> str | None:
        """A fact about the store, None while nobody has said it."""
        found = self._execute("SELECT value FROM settings WHERE name = ?", (name,))
        return found[0][0] if found else None

    def set(self, name: str, value: str | None) -> None:
        """Say a fact about the store, or that there is none."""
        self._execute("DELETE FROM settings WHERE name = ?", (name,))
        if value is not None:
            self._execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, value))

    def renew(self) -> None:
        """Let whoever holds a memory in RAM read it again."""
        self._execute("UPDATE scopes SET epoch = epoch + 1", ())

    def unscrubbed(self) -> bool:
        """Whether an erasure is still to be completed."""
        return bool(self._execute("SELECT 1 FROM receipts WHERE scrubbed IS NULL LIMIT 1", ()))

    def last_receipt(self) -> int:
        """The number of the newest receipt, 0 while there is none."""
        return int(self._execute("SELECT COALESCE(MAX(receipt), 0) FROM receipts", ())[0][0])

    def mark_scrubbed(self, last_receipt: int, time: datetime) -> None:
        """Say that the erasures up to a receipt are complete."""
        self._execute(
            "UPDATE receipts SET scrubbed = ? WHERE scrubbed IS NULL AND receipt <= ?",
            (to_microseconds(time), last_receipt),
        )
