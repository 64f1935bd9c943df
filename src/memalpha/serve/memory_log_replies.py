"""What the routes of the log answer: differences and erasures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from memalpha.memory.entry import CORE_ID, MemoryKind
from memalpha.memory.store import Difference, Erasure, Receipt


class DifferenceReply(BaseModel):
    """What an entry was at two points."""

    kind: MemoryKind
    id: int | None
    before: str | None
    after: str | None


class DiffReply(BaseModel):
    """What differs between two points."""

    differences: list[DifferenceReply]

    @classmethod
    def of(cls, differences: Iterable[Difference]) -> DiffReply:
        """What a memory says of two points."""
        return cls(
            differences=[
                DifferenceReply(kind=each.kind, id=each.entry_id, before=each.before, after=each.after)
                for each in differences
            ]
        )


class ReceiptReply(BaseModel):
    """That something was erased, without a word of it."""

    number: int
    kind: MemoryKind | None = Field(description="Null when all of the memory was.")
    id: int | None
    operations: int
    erased: datetime
    scrubbed: datetime | None = Field(description="When the free space of the database was rewritten.")

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptReply:
        """A receipt of the store."""
        return cls(
            number=receipt.number,
            kind=receipt.kind,
            id=receipt.entry_id,
            operations=receipt.operations,
            erased=receipt.erased,
            scrubbed=receipt.scrubbed,
        )


class PlaceReply(BaseModel):
    """An entry by its place."""

    kind: MemoryKind
    id: int | None


class ErasureReply(BaseModel):
    """A receipt, and entries that held the erased text as well."""

    receipt: ReceiptReply
    also_in: list[PlaceReply]

    @classmethod
    def of(cls, erasure: Erasure) -> ErasureReply:
        """What an erasure did."""
        places = [PlaceReply(kind=kind, id=None if number == CORE_ID else number) for kind, number in erasure.also_in]
        return cls(receipt=ReceiptReply.of(erasure.receipt), also_in=places)


class ReceiptsReply(BaseModel):
    """What was erased from a memory, the oldest first."""

    receipts: list[ReceiptReply]
