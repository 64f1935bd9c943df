"""A memory in the hands of an agent: whose words it may claim, and what it may change.

An agent reads what anybody may have written and can be told by it what to do; whatever it says of itself then is worth
nothing. So whoever opens a connection for it says whose words it may claim at most. It changes nothing that holds more
trusted ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from memalpha.errors import NotAllowedError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Action, Entry, MemoryKind, Origin, Provenance, least_trusted
from memalpha.memory.history import place_of
from memalpha.memory.store import Change
from memalpha.service.memory import Memory
from memalpha.service.records import Added, Ref

AGENT = "agent"
"""Author of what an agent changes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one connection may do with one memory."""

    memory: Memory
    trust: Origin = Origin.ASSISTANT
    """Whose words it may claim at most; a claim of more is taken for this."""
    writes: bool = True
    """False refuses every change."""
    infer: bool = True
    """False keeps what is added as it is and asks no writer."""

    def claimed(self, origin: Origin) -> Origin:
        """Whose words something is taken for that the agent says is of this origin."""
        return least_trusted((origin, self.trust))

    def add(self, text: str, origin: Origin, at: str | None = None) -> Added:
        """Read a text into the memory, as `Memory.add` does."""
        self._check_writes()
        claimed = self.claimed(origin)
        # What the user said by the word of the assistant is still the user's line; what nobody vouches for is not.
        speaker = origin if claimed.trusted else claimed
        # An agent that adds something on purpose is read, whatever a writer does with what assistants say by the way.
        role = Origin.USER if claimed.trusted else speaker
        message = {"role": role.value, "name": speaker.value.capitalize(), "content": text}
        return self.memory.add(message, at=at, infer=self.infer, origin=claimed)

    def update(self, ref: Ref, text: str, origin: Origin) -> Change:
        """Put another text in place of that of an entry, as `Memory.update` does."""
        now = datetime.now(UTC).date().isoformat()
        provenance = Provenance(time=now, author=AGENT, origin=self.claimed(origin))

        def edit(bank: Bank) -> None:
            kind, entry_id = self._place(bank, ref, Action.UPDATE)
            bank.update(kind, entry_id, text, provenance)

        return self._change(edit)

    def delete(self, ref: Ref) -> Change:
        """Take an entry away, as `Memory.delete` does."""

        def edit(bank: Bank) -> None:
            kind, entry_id = self._place(bank, ref, Action.DELETE)
            bank.delete(kind, entry_id, self._provenance)

        return self._change(edit)

    def undo(self, number: int) -> Change:
        """Take back an operation, as `Memory.undo` does; who may not change the entry may not undo what it is."""

        def edit(bank: Bank) -> None:
            operation = next((each for each in bank.operations_beside(number) if each.number == number), None)
            if operation is not None:
                entry = bank.find(*place_of(operation))
                now = operation.provenance if entry is None else entry.provenance
                self._check_trust(now.origin, operation.kind, operation.entry_id, "undo")
            bank.undo(number, self._provenance)

        return self._change(edit)

    def newest(self, limit: int, kinds: Sequence[MemoryKind] = ()) -> list[Entry]:
        """The entries that were added last, the newest first, of some kinds or of all lists."""

        def see(bank: Bank) -> list[Entry]:
            found = [entry for kind in kinds or bank.layout.stores for entry in bank.newest(limit, kind)]
            return sorted(found, key=lambda entry: -entry.id)[:limit]

        return self.memory.scope.look(see)

    def history(self, limit: int, ref: Ref | None = None) -> list[Change]:
        """The last operations, the newest first, on one entry or on all."""
        return list(islice(reversed(self.memory.history(ref)), limit))

    @property
    def _provenance(self) -> Provenance:
        return Provenance(author=AGENT, origin=self.trust)

    def _change(self, edit: Callable[[Bank], None]) -> Change:
        """Check and change in one transaction; what it wrote last is what was asked for."""
        self._check_writes()
        return self.memory.scope.change(edit)[-1]

    def _place(self, bank: Bank, ref: Ref, action: Action) -> tuple[MemoryKind, int | None]:
        """Kind and id of an entry that may be changed."""
        if isinstance(ref, MemoryKind):
            entry, kind, entry_id = bank.single(ref), ref, None
        else:
            entry = bank.get(ref)
            kind, entry_id = entry.kind, entry.id
        self._check_trust(self.trust if entry is None else entry.provenance.origin, kind, entry_id, action)
        return kind, entry_id

    def _check_trust(self, origin: Origin, kind: MemoryKind, entry_id: int | None, verb: str) -> None:
        if self.claimed(origin) is origin and (self.trust.trusted or not kind.single):
            return
        name = kind if entry_id is None else f"{kind} #{entry_id}"
        raise NotAllowedError(
            f"got a call to {verb} {name}, whose words are the {origin}'s, through a connection that is trusted as the "
            f"{self.trust} at most; leave it as it is, or open the connection with more trust"
        )

    def _check_writes(self) -> None:
        if not self.writes:
            raise NotAllowedError("got a change through a connection that may only read; open one that may write")
