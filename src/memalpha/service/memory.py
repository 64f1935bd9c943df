"""The memory of one user, for an application: what is said goes in, what is asked for comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from memalpha.agent.embedders import open_embedder
from memalpha.agent.model import Model
from memalpha.agent.tokens import nano_counter
from memalpha.agent.writer import Writer
from memalpha.errors import ConfigError, ConflictError, DuplicateError, MissingExtraError, UnknownEntryError
from memalpha.memory.bank import Bank
from memalpha.memory.embedding import Embedder
from memalpha.memory.entry import Entry, MemoryKind, Origin, Provenance
from memalpha.memory.find import Found, Where
from memalpha.memory.store import Change, Difference, Erasure, Scope, SQLiteDatabase, Store
from memalpha.memory.store.changes import Key, valid_time, zoned
from memalpha.memory.store.database import Database
from memalpha.records import Chunk, ToolStatus
from memalpha.service.conversation import Messages, Said, portions, read_messages
from memalpha.service.pen import Pen
from memalpha.service.records import Added, Ref, Refusal
from memalpha.service.snapshot import Snapshot, context, get, get_all, proposed

_ATTEMPTS = 5
"""How often messages are read again when others wrote to the memory meanwhile."""
_CALLER = Provenance(author="caller")
POSTGRES = ("postgresql://", "postgres://")
"""How an address of a PostgreSQL server begins; all else is the path of a file."""


class Memory:
    """What one user said, as a writer keeps it. Safe for several threads; close it, or use it in a `with` block.

    Every write is on the disk when the call returns, or the call raises and nothing was written: `BankError` for what
    the memory refuses, `ConflictError`, `StoreError` and `OutputError` for the store, `ModelError` for the writer.
    """

    def __init__(
        self,
        where: str | Path | Store = "memory.db",
        *,
        user: str,
        tenant: str = "default",
        writer: str | Path | Model | Writer | Pen = "nano-chat",
        embedder: str | Path | Embedder | None = None,
    ) -> None:
        """Open the memory of a user.

        Args:
            where: The path of a SQLite file, made where there is none; `postgresql://...`; or an open store, which
                this memory does not close.
            user: Whose memory it is.
            tenant: Of which application or organisation; the same user name of two tenants is two users.
            writer: What decides what is kept (`memalpha.service.pen.open_writer`); loaded when first needed.
            embedder: Makes search find what has no word in common: "minilm", the folder of a sentence encoder, or your
                own; a store keeps to the one it was made with.
        """
        self._own = not isinstance(where, Store)
        self.store = where if isinstance(where, Store) else open_store(where, embedder)
        self._pen = writer if isinstance(writer, Pen) else Pen(writer)
        self.user, self.tenant = user, tenant
        try:
            self.scope: Scope = self.store.scope(tenant, user)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """For `with`, which closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of the file or the server, if this memory opened it."""
        if self._own:
            self.store.close()

    def for_user(self, user: str, *, tenant: str | None = None) -> Memory:
        """The memory of another user in the same store, with the same writer; closes with this one."""
        return Memory(self.store, user=user, tenant=self.tenant if tenant is None else tenant, writer=self._pen)

    def add(
        self,
        messages: Messages,
        *,
        at: str | datetime | None = None,
        infer: bool = True,
        dry_run: bool = False,
        key: Key | None = None,
        kind: MemoryKind = MemoryKind.SEMANTIC,
        origin: Origin | None = None,
    ) -> Added:
        """Read messages and keep of them what the writer decides to keep.

        Args:
            messages: A text, a message, or a list of them; system messages are not read.
            at: When it was said, ISO 8601; None is now.
            infer: False keeps each message as it is, as an entry of `kind`, and asks no writer.
            dry_run: Returns what would be written, and writes nothing.
            key: What was added under a key is returned and not added again; several stand for the same.
            kind: Of what is kept as it is.
            origin: Whose words all of it is; None goes by the role of each message. What tools and documents say can
                change nothing of what was said in the conversation.
        """
        said = read_messages(messages, origin)
        time, valid = _when(at)
        if not dry_run and key is not None and (earlier := self.scope.written(key)) is not None:
            return Added(changes=earlier)
        read = [each for each in said if infer and self._pen.reads(each.role)]
        parts = portions(read, time, self._pen.passage_tokens, self.store.count_tokens) if read else []
        refused: list[Refusal] = []

        def edit(bank: Bank, first_source: int = 0) -> None:
            refused[:] = self._pen.write(bank, parts, first_source) if infer else _keep(bank, kind, said, time)

        if dry_run:
            changes = _plan(self.scope.bank(), edit, valid)
        elif infer:
            changes = self._read(edit, [part.chunk for part in parts], key, valid)
        else:
            changes = self.scope.change(edit, key=key, valid=valid)
        return Added(changes=changes, refused=tuple(refused), written=not dry_run)

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        kinds: Iterable[MemoryKind] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        explain: bool = False,
    ) -> list[Found]:
        """The entries that speak most to a query, the best first; none that has nothing to do with it.

        Args:
            query: A question, or words.
            limit: How many at most.
            kinds: Which kinds; none is every list. The core is not searched: it is always in view.
            since: Valid from then on or later.
            until: Valid from then on or earlier.
            explain: Fills `Found.signals`: which signal found it, at which rank.
        """
        return self.scope.find(query, limit, Where(kinds=tuple(kinds), since=since, until=until), explain=explain)

    def context(self, query: str, *, max_tokens: int = 800) -> str:
        """Text for a prompt: the core, what is found for a query, and the newest of the rest, as far as it fits.

        What tools and documents say stands apart and says so.
        """
        found = proposed(lambda limit: self.search(query, limit=limit))
        return self.scope.look(lambda bank: context(bank, found, max_tokens))

    def get(self, ref: Ref) -> Entry | None:
        """An entry by its id, or the core by its kind, as it is now; None when there is none."""
        return self.scope.look(lambda bank: get(bank, ref))

    def get_all(self, kinds: Iterable[MemoryKind] = ()) -> list[Entry]:
        """Every entry of some kinds, or of all: single texts first, then by id."""
        wanted = tuple(kinds)
        return self.scope.look(lambda bank: get_all(bank, wanted))

    def update(
        self,
        ref: Ref,
        text: str,
        *,
        seen: Entry | None = None,
        key: str | None = None,
        at: str | datetime | None = None,
    ) -> Change:
        """Put another text in place of that of an entry, whose earlier one stays in its history.

        Given the entry as it was `seen`, raises `ConflictError` when it is another by now. `at` is when the text became
        true.
        """
        kind, entry_id = self._place(ref)
        time, valid = _when(at)
        provenance = Provenance(time=time, author=_CALLER.author)
        return self.scope.update(kind, entry_id, text, provenance, seen=seen, key=key, valid=valid)

    def delete(self, ref: Ref, *, key: str | None = None) -> Change:
        """Take an entry away; its history stays, which `erase` takes too."""
        kind, entry_id = self._place(ref)
        return self.scope.delete(kind, entry_id, _CALLER, key=key)

    def delete_all(self) -> tuple[Change, ...]:
        """Take every entry away, at once; the history stays, which `erase` takes too."""

        def empty(bank: Bank) -> None:
            for entry in get_all(bank):
                bank.delete(entry.kind, None if entry.kind.single else entry.id, _CALLER)

        return self.scope.change(empty)

    def history(self, ref: Ref | None = None) -> tuple[Change, ...]:
        """All that was done to an entry, the oldest first, deleted ones too; None is the whole log."""
        return self.scope.changes() if ref is None else self.scope.history(*self._place(ref))

    def as_of(self, point: int | datetime) -> Snapshot:
        """The memory as it was known after an operation, or at a time, to read from."""
        return Snapshot(self.scope.as_of(point))

    def diff(self, first: int, last: int) -> tuple[Difference, ...]:
        """What differs between the memory after one operation and after another."""
        return self.scope.diff(first, last)

    def undo(self, number: int, *, key: str | None = None) -> Change:
        """Take back an operation; an undo can be undone. Raises `ConflictError` when the entry has changed since."""
        return self.scope.undo(number, _CALLER, key=key)

    def erase(self, ref: Ref | None = None) -> Erasure:
        """Take an entry with its history out of the files for good, or everything of this user; returns a receipt."""
        return self.scope.erase_all() if ref is None else self.scope.erase(*self._place(ref))

    def _place(self, ref: Ref) -> tuple[MemoryKind, int | None]:
        """Kind and id as the store names them; of what was deleted, as its history says."""
        if isinstance(ref, MemoryKind):
            if not ref.single:
                raise ConfigError(f"got {ref} as the name of an entry, expected its id")
            return ref, None
        entry = self.get(ref)
        if entry is not None:
            return entry.kind, entry.id
        for kind in self.store.layout.stores:
            if self.scope.history(kind, ref):
                return kind, ref
        raise UnknownEntryError(f"got #{ref}, which was never in memory; use the id of an entry")

    def _read(
        self, edit: Callable[[Bank, int], None], chunks: Sequence[Chunk], key: Key | None, valid: datetime
    ) -> tuple[Change, ...]:
        """Let the writer read; again when another process wrote to this memory meanwhile."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                with self.scope.read(chunks, key=key, valid=valid) as draft:
                    edit(draft.bank, draft.first_source)
                return draft.changes
            except ConflictError:
                if key is not None and (earlier := self.scope.written(key)) is not None:
                    return earlier
                if not left:
                    raise
        raise AssertionError  # the last attempt returns or raises


def open_store(where: str | Path, embedder: str | Path | Embedder | None = None) -> Store:
    """The store at a path or an address, with the limits of the default layout counted in the nano's tokens.

    Raises:
        StoreError, OutputError: It cannot be opened.
        ConfigError: There is no such embedder.
        MissingExtraError: A PostgreSQL server needs psycopg, MiniLM needs its weights and torch.
    """
    if isinstance(embedder, str | Path):
        embedder = open_embedder(embedder)
    return Store(open_database(where), count_tokens=nano_counter(), embedder=embedder)


def open_database(where: str | Path) -> Database:
    """The database at a path or an address; raises as `open_store` does."""
    if isinstance(where, str) and where.startswith(POSTGRES):
        try:
            from memalpha.memory.store.postgres import PostgresDatabase
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"a store in PostgreSQL needs {error.name}, which is not installed; run pip install "
                "'memalpha[postgres]'"
            ) from error
        return PostgresDatabase(where)
    return SQLiteDatabase(Path(where))


def _keep(bank: Bank, kind: MemoryKind, said: Sequence[Said], time: str) -> tuple[Refusal, ...]:
    """Insert texts as they are; one that stands there already is refused and holds nothing up."""
    refused: list[Refusal] = []
    for each in said:
        try:
            bank.insert(kind, each.text, Provenance(time=time, author=_CALLER.author, origin=each.origin))
        except DuplicateError as error:
            refused.append(Refusal(asked=each.text, status=ToolStatus.DUPLICATE, message=str(error)))
    return tuple(refused)


def _plan(bank: Bank, edit: Callable[[Bank], None], valid: datetime) -> tuple[Change, ...]:
    """What an edit would write."""
    first = bank.next_number
    edit(bank)
    now = datetime.now(UTC)
    return tuple(
        Change(operation=operation, learned=now, valid=valid_time(operation, valid, now))
        for operation in bank.operations_since(first)
    )


def _when(at: str | datetime | None) -> tuple[str, datetime]:
    """The time as entries show it, and the time itself; a text without a zone is in UTC."""
    if at is None:
        now = datetime.now(UTC)
        return now.date().isoformat(), now
    if isinstance(at, datetime):
        return zoned(at).isoformat(timespec="minutes"), at
    try:
        time = datetime.fromisoformat(at)
    except ValueError as error:
        raise ConfigError(
            f"got the time {at[:40]!r}, expected ISO 8601, such as 2026-05-01 or 2026-05-01T10:00"
        ) from error
    return at, time if time.tzinfo is not None else time.replace(tzinfo=UTC)
