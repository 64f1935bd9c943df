"""A bank in RAM that follows one memory of a store; of the log it holds what is being written, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from memalpha.memory.bank import Bank
from memalpha.memory.store.margin import Margin
from memalpha.memory.store.past import Kept
from memalpha.memory.store.rows import Rows

Point = tuple[int, int]
"""A count of erasures and the number of the next operation: two looks at one point saw the same."""


class LiveBank:
    """The bank of one memory, made from its log when it is first asked for and kept in step with it.

    Whoever looks at the bank holds `lock`; a write holds it until its transaction is settled, so that nobody sees what
    is not on the disk.
    """

    def __init__(self, empty: Callable[[], Bank], dimensions: int | None = None) -> None:
        """Nothing is read yet; `empty` makes a bank without entries, `dimensions` are those of its vectors."""
        self.lock = Lock()
        self.turn = Lock()
        self.margin = Margin(dimensions)
        self._empty = empty
        self._bank: Bank | None = None
        self._epoch = 0
        self._sound = 0

    def follow(self, rows: Rows) -> Bank:
        """The bank as the rows have it, whoever wrote them: with the operations that it lacks, or made anew."""
        head = rows.head
        if self._bank is None or self._epoch != head.epoch or self._bank.next_number > head.next_number:
            self._bank = self._empty()
        self._bank.lean_on(Kept(lambda ask: ask(rows)))
        if self._bank.next_number < head.next_number:
            news = [change.operation for change in rows.changes(first=self._bank.next_number)]
            self._bank.replay(news, next_id=head.next_id, next_number=head.next_number)
            self._bank.lean_on(Kept(lambda ask: ask(rows)))
        self._epoch, self._sound = head.epoch, head.next_number
        return self._bank

    @property
    def point(self) -> Point:
        """Where the bank stands: what was erased, and what was written, up to now."""
        return self._epoch, self._sound

    def forget(self) -> None:
        """Hold nothing; the next look reads the log."""
        self._bank = None
        self.margin.forget()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around a transaction: when it fails, what the bank was told too early is forgotten."""
        with self.lock:
            try:
                yield
            except BaseException:
                if self._bank is not None and self._bank.next_number != self._sound:
                    self.forget()
                raise
