"""The keys that let a program into a server: each for one tenant, to read or to write as well.

A key is 32 random bytes and is shown once; the store keeps a SHA-256 digest. A digest without salt and stretching is
enough, since nobody can guess 32 random bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from memalpha.errors import StoreError, UnknownEntryError
from memalpha.memory.store.changes import Address, from_microseconds, storable, to_microseconds
from memalpha.memory.store.database import Database
from memalpha.memory.store.rows import Execute

_SECRET_BYTES = 32
_PREFIX = "memalpha_"
_LONGEST_LABEL = 200
_KEY = "number, tenant, label, rights, created, revoked"


class Right(StrEnum):
    """What a key allows."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret."""

    number: int
    tenant: str
    label: str
    """What it is for, in the words of whoever made it."""
    rights: frozenset[Right]
    created: datetime
    revoked: datetime | None
    """Since when it is refused."""


class ApiKeys:
    """The keys of a store. Safe for several threads at once."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def create(self, tenant: str, label: str, rights: Iterable[Right]) -> tuple[ApiKey, str]:
        """Make a key; returns it with the secret, which nobody can be told again.

        Raises `StoreError` for a tenant or a label that is none, and for a key without rights.
        """
        Address(tenant=tenant, user=tenant)  # refuses what is no name
        allowed = frozenset(rights)
        if not allowed:
            raise StoreError("got a key without rights, expected read, write or both; name one")
        if len(label) > _LONGEST_LABEL or not storable(label):
            raise StoreError(f"got {label[:40]!r} as label, expected at most {_LONGEST_LABEL} characters of text")
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        words = " ".join(right for right in Right if right in allowed)
        values = (tenant, _digest(secret), label, words, to_microseconds(self._clock()))

        def job(execute: Execute) -> ApiKey:
            return _key(
                execute(
                    "INSERT INTO api_keys (tenant, digest, label, rights, created) VALUES (?, ?, ?, ?, ?) "
                    f"RETURNING {_KEY}",
                    values,
                )[0]
            )

        return self._database.write(job), secret

    def check(self, secret: str) -> ApiKey | None:
        """The key of a secret; None when there is none, or it was revoked."""
        digest = _digest(secret)

        def job(execute: Execute) -> list[tuple[Any, ...]]:
            return execute(f"SELECT {_KEY}, digest FROM api_keys WHERE digest = ? AND revoked IS NULL", (digest,))

        # What the database compares is a digest, of which nobody can choose the beginning.
        found = self._database.read(job)
        return _key(found[0][:-1]) if found and hmac.compare_digest(found[0][-1], digest) else None

    def listed(self, tenant: str | None = None) -> list[ApiKey]:
        """The keys of a tenant or of all, revoked ones too, the oldest first."""
        where, values = ("", ()) if tenant is None else (" WHERE tenant = ?", (tenant,))
        statement = f"SELECT {_KEY} FROM api_keys{where} ORDER BY number"
        return [_key(row) for row in self._database.read(lambda execute: execute(statement, values))]

    def revoke(self, number: int) -> ApiKey:
        """Let a key in no more, at once; one that was revoked before stays so. Raises `UnknownEntryError`."""
        statement = f"UPDATE api_keys SET revoked = COALESCE(revoked, ?) WHERE number = ? RETURNING {_KEY}"
        now = to_microseconds(self._clock())
        found = self._database.write(lambda execute: execute(statement, (now, number)))
        if not found:
            raise UnknownEntryError(f"got the key number {number}, which there is not; `memalpha keys list` names them")
        return _key(found[0])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: tuple[Any, ...]) -> ApiKey:
    number, tenant, label, rights, created, revoked = row
    return ApiKey(
        number=number,
        tenant=tenant,
        label=label,
        rights=frozenset(map(Right, rights.split())),
        created=from_microseconds(created),
        revoked=None if revoked is None else from_microseconds(revoked),
    )
