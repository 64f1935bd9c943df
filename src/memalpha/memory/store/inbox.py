"""What was accepted to be read into memories, and is not read yet.

A letter is on the disk once `accept` returns. It leaves with `settle`, when what it asks for is written under its key;
whoever is killed between the two finds the key in use and settles. The letters of one user are read in the order of
their tickets: one that is postponed holds up those behind it, a dead one holds up nobody. Letters go with the memory of
their user when that is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from memalpha.errors import ConflictError, StoreError
from memalpha.memory.store.changes import Address, from_microseconds, storable, to_microseconds
from memalpha.memory.store.database import Database
from memalpha.memory.store.rows import LETTER_PREFIX, Execute, Rows, letter_key

_NEVER = 2**63 - 1
"""When a dead letter is due."""
_LETTER = 'ticket, tenant, "user", name, accepted, due, attempts, problem'
_OF_USER = 'tenant = ? AND "user" = ?'


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a user's memory is to be told."""

    ticket: int
    """Given out once, also when the letter is long gone."""
    address: Address
    name: str | None
    """As the sender calls it: one that is sent twice is taken once."""
    body: str
    """What it says; left out of lists."""
    accepted: datetime
    due: datetime | None
    """When it is next tried; None is a dead letter, which is tried no more."""
    attempts: int
    problem: str | None
    """Why it was not written when it was last tried."""

    @property
    def key(self) -> str:
        """What it is written under."""
        return letter_key(self.ticket)

    @property
    def keys(self) -> tuple[str, ...]:
        """What it is written under: its key, and its name, under which somebody may be writing the same."""
        return (self.key,) if self.name is None else (self.key, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much there is to be read, of all users together."""

    waiting: int
    dead: int
    oldest: datetime | None
    """When the oldest that waits was accepted."""


class Inbox:
    """The letters of a store. Safe for several threads at once, and for several processes."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Made by `Store`."""
        self._database = database
        self._clock = clock

    def accept(self, address: Address, body: str, *, name: str | None = None) -> int | None:
        """Put a letter on the disk; returns its ticket, or None when what was sent under the name is written already.

        Raises:
            ConflictError: The name is that of a letter with another body.
            StoreError: Name or body is none that a database takes.
        """
        if name is not None and (not name.strip() or name.startswith(LETTER_PREFIX)):
            raise StoreError(f"got {name[:40]!r} as key, expected a text that does not begin with {LETTER_PREFIX!r}")
        if not storable(body) or not storable(name or ""):
            raise StoreError("got a zero byte or half of a surrogate pair in a letter, expected text; nothing was kept")

        def job(execute: Execute) -> int | None:
            if name is not None:
                earlier = _select(execute, f"{_OF_USER} AND name = ?", (address.tenant, address.user, name))
                if earlier:
                    return _same(earlier[0], body).ticket
                if Rows(execute, address).key(name) is not None:
                    return None
            now = to_microseconds(self._clock())
            found = execute(
                'INSERT INTO inbox (tenant, "user", name, body, accepted, due, attempts) VALUES (?, ?, ?, ?, ?, ?, 0) '
                "RETURNING ticket",
                (address.tenant, address.user, name, body, now, now),
            )
            return int(found[0][0])

        return self._database.write(job, address)

    def due(self, limit: int) -> list[Address]:
        """Users whose next letter may be tried now, the one that has waited longest first."""

        def job(execute: Execute) -> list[Address]:
            found = execute(
                'SELECT tenant, "user" FROM inbox WHERE due <= ? AND ticket IN '
                '(SELECT MIN(ticket) FROM inbox WHERE due < ? GROUP BY tenant, "user") ORDER BY ticket LIMIT ?',
                (to_microseconds(self._clock()), _NEVER, limit),
            )
            return [Address(tenant=tenant, user=user) for tenant, user in found]

        return self._database.read(job)

    def take(self, address: Address) -> Letter | None:
        """The next letter of a user, None when there is none or it is not to be tried yet; it stays in the inbox."""
        where = f"{_OF_USER} AND due < ? ORDER BY ticket LIMIT 1"
        values = (address.tenant, address.user, _NEVER)
        found = self._database.read(lambda execute: _select(execute, where, values), address)
        return found[0] if found and found[0].due is not None and found[0].due <= self._clock() else None

    def written(self, letter: Letter) -> bool:
        """Whether what a letter asks for was written, under its ticket or its name, also when it was erased since."""

        def job(execute: Execute) -> bool:
            rows = Rows(execute, letter.address)
            return any(rows.key(key) is not None for key in letter.keys)

        return self._database.read(job, letter.address)

    def settle(self, letter: Letter) -> None:
        """Let go of a letter that was written; from now on its key and its name stand for the same."""

        def job(execute: Execute) -> None:
            execute("DELETE FROM inbox WHERE ticket = ?", (letter.ticket,))
            if letter.name is not None:
                rows = Rows(execute, letter.address)
                rows.also(letter.key, letter.name)
                rows.also(letter.name, letter.key)

        self._database.write(job, letter.address)

    def postpone(self, letter: Letter, problem: str, delay: timedelta) -> None:
        """Try a letter again later, and say why."""
        self._set_back(letter, problem, to_microseconds(self._clock() + delay))

    def bury(self, letter: Letter, problem: str) -> None:
        """Try a letter no more, and say why; it is kept as it came."""
        self._set_back(letter, problem, _NEVER)

    def revive(self, letter: Letter) -> None:
        """Try a letter again now, as if it had just been accepted."""
        statement = "UPDATE inbox SET due = ?, attempts = 0 WHERE ticket = ?"
        values = (to_microseconds(self._clock()), letter.ticket)
        self._database.write(lambda execute: execute(statement, values), letter.address)

    def look(self, address: Address, ticket: int) -> Letter | None:
        """A letter of a user, None when it was settled or erased, or is somebody else's."""
        where, values = f"{_OF_USER} AND ticket = ?", (address.tenant, address.user, ticket)
        found = self._database.read(lambda execute: _select(execute, where, values), address)
        return found[0] if found else None

    def letters(self, address: Address, *, dead: bool = False, limit: int = 100) -> list[Letter]:
        """The letters of a user without their bodies, the oldest first; the dead ones only if asked so."""
        where = f"{_OF_USER} AND due >= ? ORDER BY ticket LIMIT ?"
        values = (address.tenant, address.user, _NEVER if dead else 0, limit)
        return self._database.read(lambda execute: _select(execute, where, values, body="''"), address)

    def backlog(self) -> Backlog:
        """How much there is to be read."""

        def job(execute: Execute) -> Backlog:
            ((total, waiting, oldest),) = execute(
                "SELECT COUNT(*), COUNT(CASE WHEN due < ? THEN 1 END), MIN(CASE WHEN due < ? THEN accepted END) "
                "FROM inbox",
                (_NEVER, _NEVER),
            )
            return Backlog(
                waiting=waiting, dead=total - waiting, oldest=None if oldest is None else from_microseconds(oldest)
            )

        return self._database.read(job)

    def _set_back(self, letter: Letter, problem: str, due: int) -> None:
        said = problem.replace("\0", "").encode("utf-8", "replace").decode()
        statement = "UPDATE inbox SET due = ?, attempts = ?, problem = ? WHERE ticket = ?"
        values = (due, letter.attempts + 1, said, letter.ticket)
        self._database.write(lambda execute: execute(statement, values), letter.address)


def _same(letter: Letter, body: str) -> Letter:
    if letter.body != body:
        raise ConflictError(f"got the key {letter.name!r}, which is in use for something else; use another key")
    return letter


def _select(execute: Execute, where: str, values: Sequence[Any], body: str = "body") -> list[Letter]:
    return [_letter(row) for row in execute(f"SELECT {_LETTER}, {body} FROM inbox WHERE {where}", values)]


def _letter(row: tuple[Any, ...]) -> Letter:
    ticket, tenant, user, name, accepted, due, attempts, problem, body = row
    return Letter(
        ticket=ticket,
        address=Address(tenant=tenant, user=user),
        name=name,
        body=body,
        accepted=from_microseconds(accepted),
        due=None if due == _NEVER else from_microseconds(due),
        attempts=attempts,
        problem=problem,
    )
