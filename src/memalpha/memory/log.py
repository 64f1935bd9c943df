"""The log of a bank: what was done to it, the oldest operation first.

A bank in RAM holds its whole log. That of a store holds what is not written yet; the rest stays where it is kept, and
is asked for when somebody undoes an operation or wants to read it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from memalpha.memory.entry import Operation
from memalpha.memory.history import Place, place_of


class Past(Protocol):
    """Where operations are kept that a log does not hold; it may know of later ones too, which are not asked for."""

    def operations(self) -> Sequence[Operation]:
        """All of them, the oldest first."""
        ...

    def operations_on(self, place: Place) -> Sequence[Operation]:
        """Those on one entry, the oldest first."""
        ...

    def place(self, number: int) -> Place | None:
        """Where the operation of a number changed something; None when there is none of this number."""
        ...


class Log:
    """The operations of a bank; those before number `first` are in its past."""

    def __init__(self, past: Past | None = None, first: int = 1) -> None:
        """Hold nothing yet; without a past there is nothing before."""
        self._past = past
        self._first = first
        self._held: list[Operation] = []

    def fork(self) -> Log:
        """The same log; from now on neither gets what is added to the other."""
        twin = Log(self._past, self._first)
        twin._held = self._held.copy()
        return twin

    def extend(self, operations: Iterable[Operation]) -> None:
        """Add operations, whose numbers are larger than all before."""
        self._held += operations

    def whole(self) -> tuple[Operation, ...]:
        """Every operation."""
        return (*self._before(() if self._past is None else self._past.operations()), *self._held)

    def since(self, number: int) -> tuple[Operation, ...]:
        """The operations from a number on; only for numbers that are held."""
        return tuple(self._held[bisect_left(self._held, number, key=_number) :])

    def on(self, places: Collection[Place]) -> tuple[Operation, ...]:
        """The operations on some entries, those on each of them in their order."""
        past = self._past
        before = [] if past is None else self._before(each for place in places for each in past.operations_on(place))
        return (*before, *(operation for operation in self._held if place_of(operation) in places))

    def place(self, number: int) -> Place | None:
        """Where the operation of a number changed something; None when there is none of this number."""
        if number < self._first:
            return None if self._past is None else self._past.place(number)
        at = bisect_left(self._held, number, key=_number)
        found = at < len(self._held) and self._held[at].number == number
        return place_of(self._held[at]) if found else None

    def _before(self, operations: Iterable[Operation]) -> list[Operation]:
        return [operation for operation in operations if operation.number < self._first]


def _number(operation: Operation) -> int:
    return operation.number
