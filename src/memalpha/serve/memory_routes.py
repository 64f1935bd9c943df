"""The routes that write a memory and read it as it is, or as it was."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from memalpha.errors import ConflictError
from memalpha.memory.entry import Entry, MemoryKind
from memalpha.memory.store import letter_key
from memalpha.serve.memory_access import Reader, ReadMemory, WriteMemory, server_of
from memalpha.serve.memory_errors import invalid, missing
from memalpha.serve.memory_replies import (
    AddReply,
    ContextReply,
    EntriesReply,
    EntryReply,
    FoundReply,
    OperationReply,
    OperationsReply,
    SearchReply,
    TicketReply,
    TicketsReply,
    TicketState,
    UserReply,
    UsersReply,
    version_of,
)
from memalpha.serve.memory_requests import (
    MOST,
    AddRequest,
    ContextRequest,
    Key,
    Number,
    Point,
    SearchRequest,
    UpdateRequest,
    moment,
    point,
)
from memalpha.service.memory import Memory
from memalpha.service.records import Ref
from memalpha.service.snapshot import Snapshot

router = APIRouter(tags=["memories"])

Page = Annotated[int, Query(ge=1, le=10_000)]
RefText = Annotated[str, Field(max_length=40)]
_MEMORIES = "/v1/users/{user}/memories"
_ENTRY = _MEMORIES + "/{ref}"
_TICKETS = "/v1/users/{user}/tickets"


def ref_of(text: int | str) -> Ref:
    """An entry by its id, or a single text by its kind; raises `RefusedError`."""
    if isinstance(text, int) or (text.isascii() and text.isdigit()):
        number = int(text)
        if 1 <= number <= MOST:
            return number
    elif text in {kind.value for kind in MemoryKind if kind.single}:
        return MemoryKind(text)
    raise invalid(f"got {str(text)[:40]!r} as name of an entry, expected its id, or the kind of a single text", "ref")


def at_point(memory: Memory, when: int | str | None) -> Memory | Snapshot:
    """The memory as it is, or as it was known at a point."""
    return memory if when is None else memory.as_of(point(when))


@router.get("/v1/users")
def list_users(
    caller: Reader, request: Request, after: Annotated[str, Query(max_length=500)] = "", limit: Page = 1000
) -> UsersReply:
    """The users of the tenant of the key."""
    if "\0" in after:
        raise invalid("got a zero byte in 'after', expected the name of a user", "after")
    found = server_of(request).memory.store.census(caller.tenant, after=after, limit=limit)
    return UsersReply(
        users=[UserReply.of(each) for each in found], next=found[-1].user if len(found) == limit else None
    )


@router.post(_MEMORIES, responses={202: {"model": TicketReply, "description": "Accepted: it is on the disk."}})
async def add(memory: WriteMemory, body: AddRequest, request: Request, response: Response) -> AddReply | TicketReply:
    """Read messages and keep of them what the writer decides to keep."""
    server = server_of(request)
    addition = body.addition()
    if body.wait:
        limiter = _limiter(request)
        added = await anyio.to_thread.run_sync(
            lambda: addition.to(memory, key=body.key, dry_run=body.dry_run), limiter=limiter
        )
        return AddReply.of(added)

    def accept() -> AddReply | TicketReply:
        ticket = addition.post(memory, name=body.key)
        if ticket is None:  # sent before under this key, and written
            return AddReply.of(addition.to(memory, key=body.key))
        response.status_code = 202
        return _ticket(memory, ticket)

    reply = await anyio.to_thread.run_sync(accept)
    server.worker.wake()
    return reply


def _limiter(request: Request) -> CapacityLimiter:
    """Threads of their own for what waits for the writer, so that it keeps nobody else waiting."""
    limiter: CapacityLimiter = request.app.state.additions
    return limiter


@router.get(_TICKETS)
def list_tickets(memory: ReadMemory, dead: bool = False, limit: Page = 100) -> TicketsReply:
    """What is accepted and not yet read, or with `dead` only what could not be."""
    letters = memory.store.inbox.letters(memory.scope.address, dead=dead, limit=limit)
    return TicketsReply(tickets=[TicketReply.of(letter) for letter in letters])


@router.get(_TICKETS + "/{ticket}")
def get_ticket(memory: ReadMemory, ticket: Number) -> TicketReply:
    """What became of messages that were accepted."""
    return _ticket(memory, ticket)


@router.post(_TICKETS + "/{ticket}/retry")
def retry_ticket(memory: WriteMemory, ticket: Number, request: Request) -> TicketReply:
    """Try messages again now, also those that are tried no more."""
    letter = memory.store.inbox.look(memory.scope.address, ticket)
    if letter is not None:
        memory.store.inbox.revive(letter)
        server_of(request).worker.wake()
    return _ticket(memory, ticket)


def _ticket(memory: Memory, ticket: int) -> TicketReply:
    letter = memory.store.inbox.look(memory.scope.address, ticket)
    if letter is not None:
        return TicketReply.of(letter)
    written = memory.scope.written(letter_key(ticket))
    if written is None:
        raise missing(f"got the ticket {ticket}, which is none of {memory.user!r}; use one that was answered for it")
    operations = [OperationReply.of(change) for change in written]
    return TicketReply(
        ticket=ticket,
        state=TicketState.DONE,
        accepted=None,
        due=None,
        attempts=0,
        problem=None,
        operations=operations,
    )


@router.get(_MEMORIES)
def list_entries(
    memory: ReadMemory,
    kind: Annotated[list[MemoryKind] | None, Query(max_length=len(MemoryKind))] = None,
    as_of: Annotated[Point | None, Query()] = None,
    after: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Page = 1000,
) -> EntriesReply:
    """The entries of a user: single texts first, then by id."""
    when = memory.scope.last_number() if as_of is None else point(as_of)
    if isinstance(when, int):  # no more than the page is read, from the log
        most = limit + 1 + len(MemoryKind)
        found = list(memory.scope.known(when, kind or (), after=after, limit=most))
    else:
        found = memory.as_of(when).get_all(kind or ())
    # Single texts, which have no id to go on behind, come with the first page and do not count.
    single = [entry for entry in found if entry.kind.single and not after]
    listed = [entry for entry in found if not entry.kind.single and entry.id > after]
    page = listed[:limit]
    following = page[-1].id if len(listed) > limit else None
    return EntriesReply(entries=[EntryReply.of(entry) for entry in (*single, *page)], next=following)


@router.post("/v1/users/{user}/search")
def search(memory: ReadMemory, body: SearchRequest) -> SearchReply:
    """The entries that speak most to a query, the best first."""
    found = at_point(memory, body.as_of).search(
        body.query,
        limit=body.limit,
        kinds=body.kinds,
        since=None if body.since is None else moment(body.since),
        until=None if body.until is None else moment(body.until),
        explain=body.explain,
    )
    return SearchReply(found=[FoundReply.of(each) for each in found])


@router.post("/v1/users/{user}/context")
def context(memory: ReadMemory, body: ContextRequest) -> ContextReply:
    """Text for a prompt: the core, and what is found for a query, as far as it fits."""
    return ContextReply(context=at_point(memory, body.as_of).context(body.query, max_tokens=body.max_tokens))


@router.get(_ENTRY)
def get_entry(memory: ReadMemory, ref: RefText) -> EntryReply:
    """An entry as it is now."""
    return EntryReply.of(_present(memory, ref_of(ref)))


@router.patch(_ENTRY)
def update_entry(memory: WriteMemory, ref: RefText, body: UpdateRequest) -> OperationReply:
    """Put another text in place of that of an entry, whose earlier one stays in its history."""
    seen = None
    repeated = body.key is not None and memory.scope.written(body.key) is not None
    if body.seen_version is not None and not repeated:
        seen = _present(memory, ref_of(ref))
        if version_of(seen) != body.seen_version:
            raise ConflictError(
                f"got an update of version {body.seen_version}, but {ref} is at version {version_of(seen)}; read it "
                "again and decide again"
            )
    return OperationReply.of(memory.update(ref_of(ref), body.text, seen=seen, key=body.key))


@router.delete(_ENTRY)
def delete_entry(memory: WriteMemory, ref: RefText, key: Annotated[Key | None, Query()] = None) -> OperationReply:
    """Take an entry away; its history stays, which erasing takes too."""
    return OperationReply.of(memory.delete(ref_of(ref), key=key))


@router.get(_ENTRY + "/history")
def get_history(memory: ReadMemory, ref: RefText) -> OperationsReply:
    """All that was done to an entry, the oldest first, deleted ones too."""
    changes = memory.history(ref_of(ref))
    return OperationsReply.of(changes, changes[-1].operation.number if changes else 0)


def _present(memory: Memory, ref: Ref) -> Entry:
    entry = memory.get(ref)
    if entry is None:
        raise missing(f"got {ref}, which is not in the memory of {memory.user!r}; list the entries for those that are")
    return entry
