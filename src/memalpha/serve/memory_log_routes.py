"""The routes that read the log of a memory, take operations back, and erase for good."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from memalpha.serve.memory_access import ReadMemory, WriteMemory
from memalpha.serve.memory_errors import missing
from memalpha.serve.memory_log_replies import DiffReply, ErasureReply, ReceiptReply, ReceiptsReply
from memalpha.serve.memory_replies import OperationReply, OperationsReply
from memalpha.serve.memory_requests import MOST, EraseRequest, Number, UndoRequest
from memalpha.serve.memory_routes import ref_of

router = APIRouter(tags=["log"])

_USER = "/v1/users/{user}"
From = Annotated[int, Query(ge=0, le=MOST)]


@router.get(_USER + "/operations")
def list_operations(
    memory: ReadMemory,
    first: Annotated[int, Query(ge=1, le=MOST)] = 1,
    last: From | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> OperationsReply:
    """The log from one number to another, each operation with the chunk that it was made from."""
    newest = memory.scope.last_number()
    until = min(first + limit - 1, newest if last is None else last)
    changes = memory.scope.changes(first=first, last=until)
    chunks = {change.operation.provenance.chunk for change in changes}
    sources = {number: None if number is None else memory.scope.source(number) for number in chunks}
    return OperationsReply(
        operations=[OperationReply.of(change, sources[change.operation.provenance.chunk]) for change in changes],
        last=newest,
    )


@router.post(_USER + "/operations/{number}/undo")
def undo(memory: WriteMemory, number: Number, body: UndoRequest | None = None) -> OperationReply:
    """Take an operation back: its entry is what it was before. An undo can be undone."""
    if not memory.scope.changes(first=number, last=number):
        raise missing(f"got the operation {number}, which is none of {memory.user!r}; list the operations")
    return OperationReply.of(memory.undo(number, key=None if body is None else body.key))


@router.get(_USER + "/diff")
def diff(memory: ReadMemory, first: From, last: From) -> DiffReply:
    """What differs between the memory after one operation and after another; 0 is before the first."""
    return DiffReply.of(memory.diff(first, last))


@router.post(_USER + "/erase")
def erase(memory: WriteMemory, body: EraseRequest) -> ErasureReply:
    """Take an entry with its history, or all of this user, out of the files for good."""
    return ErasureReply.of(memory.erase(None if body.ref is None else ref_of(body.ref)))


@router.get(_USER + "/receipts")
def list_receipts(memory: ReadMemory) -> ReceiptsReply:
    """What was erased, the oldest first; the receipts hold no word of it."""
    return ReceiptsReply(receipts=[ReceiptReply.of(receipt) for receipt in memory.scope.receipts()])
