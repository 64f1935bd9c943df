"""Reads what was accepted into memories, in a thread of its own: accepted is on the disk, and written exactly once.

A letter of the inbox is written under its key and then settled. Killed between the two, the next worker finds the key
in use and settles. Killed before, it reads the letter again. Several workers on one store do some work twice and write
it once.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from memalpha.errors import BankError, ConfigError, MemalphaError
from memalpha.memory.entry import MemoryKind, Origin
from memalpha.memory.store import Address, Letter
from memalpha.memory.store.changes import Key
from memalpha.service.memory import Memory
from memalpha.service.records import Added

log = logging.getLogger(__name__)

_ATTEMPTS = 30
"""With the delays below, a letter is tried for about two hours."""
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 1, 300
_USERS_AT_ONCE = 64
"""Users whose next letters are read before the inbox is looked through again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What `Memory.add` is asked for, as it can be kept."""

    messages: list[Mapping[str, Any]]
    at: str | None = None
    """When it was said, ISO 8601; None is when it is added or posted."""
    infer: bool = True
    kind: MemoryKind = MemoryKind.SEMANTIC
    origin: Origin | None = None

    def to(self, memory: Memory, *, key: Key | None = None, dry_run: bool = False) -> Added:
        """Add it to a memory."""
        return memory.add(
            self.messages,
            at=self.at,
            infer=self.infer,
            dry_run=dry_run,
            key=key,
            kind=self.kind,
            origin=self.origin,
        )

    def post(self, memory: Memory, *, name: str | None = None) -> int | None:
        """Leave it in the inbox of a memory, for a worker; returns what `Inbox.accept` does."""
        body = json.dumps(asdict(self), sort_keys=True)
        return memory.store.inbox.accept(memory.scope.address, body, name=name)

    @classmethod
    def of(cls, letter: Letter) -> Addition:
        """What a letter holds."""
        data = json.loads(letter.body)
        return cls(
            messages=data["messages"],
            at=data["at"] or letter.accepted.date().isoformat(),
            infer=data["infer"],
            kind=MemoryKind(data["kind"]),
            origin=None if data["origin"] is None else Origin(data["origin"]),
        )


class Outcome(StrEnum):
    """What became of a letter when it was tried."""

    WRITTEN = "written"
    POSTPONED = "postponed"
    DEAD = "dead"


class Worker:
    """Works off the inbox of a store, one letter after the other; users take turns."""

    def __init__(
        self,
        memory: Memory,
        *,
        attempts: int = _ATTEMPTS,
        idle_seconds: float = 1.0,
        told: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            memory: Any memory of the store, with the writer that reads the letters.
            attempts: A letter that fails so often becomes a dead one.
            idle_seconds: How often the inbox is looked through while nobody calls `wake`.
            told: Hears what became of each letter.
        """
        self._memory = memory
        self._inbox = memory.store.inbox
        self._attempts = attempts
        self._idle_seconds = idle_seconds
        self._told = told
        self._closing = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._work, name="memalpha-worker", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether letters are being read."""
        return self._thread.is_alive() and not self._closing.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is a letter."""
        self._news.set()

    def close(self, grace_seconds: float | None = None) -> None:
        """End after the letter at hand; one that takes longer is left in the inbox, for the next worker."""
        self._closing.set()
        self._news.set()
        self._thread.join(grace_seconds)

    def work_off(self) -> bool:
        """Try the next letter of each user whose turn it is; returns whether there was any."""
        addresses = self._inbox.due(_USERS_AT_ONCE)
        for address in addresses:
            if self._closing.is_set():
                break
            self._try_next(address)
        return bool(addresses)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._news.clear()
            try:
                busy = self.work_off()
            except MemalphaError as error:  # the database is away or full: the letters are where they were
                log.warning("the inbox cannot be read", extra={"error": type(error).__name__})
                busy = False
            if not busy:
                self._news.wait(self._idle_seconds)

    def _try_next(self, address: Address) -> None:
        letter = self._inbox.take(address)
        if letter is None:
            return
        try:
            self._write(letter)
        except (BankError, ConfigError) as error:  # it will be refused whenever it is tried
            self._inbox.bury(letter, str(error))
            outcome = Outcome.DEAD
        except MemalphaError as error:
            outcome = self._postpone(letter, str(error), type(error).__name__)
        except Exception as error:
            log.exception("a letter failed", extra={"ticket": letter.ticket})
            outcome = self._postpone(letter, f"the server failed ({type(error).__name__}); see its log", "unforeseen")
        else:
            outcome = Outcome.WRITTEN
        self._told(outcome)

    def _write(self, letter: Letter) -> None:
        if not self._inbox.written(letter):
            address = letter.address
            Addition.of(letter).to(self._memory.for_user(address.user, tenant=address.tenant), key=letter.keys)
        self._inbox.settle(letter)

    def _postpone(self, letter: Letter, problem: str, error: str) -> Outcome:
        attempts = letter.attempts + 1
        dead = attempts >= self._attempts
        log.warning("a letter was not written", extra={"ticket": letter.ticket, "attempts": attempts, "error": error})
        if dead:
            self._inbox.bury(letter, problem)
            return Outcome.DEAD
        # The exponent is bounded so that no number of attempts overflows.
        delay = min(_FIRST_DELAY_SECONDS * 2 ** min(letter.attempts, 16), _LONGEST_DELAY_SECONDS)
        self._inbox.postpone(letter, problem, timedelta(seconds=delay))
        return Outcome.POSTPONED
