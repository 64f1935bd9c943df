"""A memory in RAM: the single texts and lists of a layout, with limits, versions, a log, search and a cheap fork.

A bank is not safe for several threads at once; give each rollout a fork of its own. Nothing is changed when an
operation raises. Texts are stripped, line breaks inside them are kept.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice

from memalpha.errors import DuplicateError, EmptyTextError, OverLimitError, UnknownEntryError
from memalpha.memory.entry import CORE_ID, Action, Entry, Hit, MemoryKind, Operation, Provenance, Version
from memalpha.memory.history import Place, before_operation, entries_after, place_of
from memalpha.memory.layout import MEMALPHA, Layout
from memalpha.memory.log import Log, Past
from memalpha.memory.shelf import Shelf

__all__ = ["Action", "Bank", "Entry", "Hit", "MemoryKind", "Operation", "Provenance", "Version"]


_NOTHING = Shelf()


class Bank:
    """A memory that a writer edits and a reader searches.

    Args:
        count_tokens: Length of a text in tokens, of the model at hand where limits must be exact.
        layout: Which operations and how many tokens each kind allows.
        first_id: Where the counter of ids starts, at least 1.
    """

    def __init__(self, *, count_tokens: Callable[[str], int], layout: Layout = MEMALPHA, first_id: int = 1) -> None:
        """Start empty."""
        self.count_tokens = count_tokens
        self.layout = layout
        self._shelves = {block.kind: Shelf() for block in layout.blocks}
        self._stores = layout.stores
        self._log = Log()
        self.first_id = first_id
        self.next_id = first_id
        self.next_number = 1

    def fork(self) -> Bank:
        """A bank with the same contents; from now on neither sees what happens to the other."""
        twin = copy(self)
        twin._shelves = {kind: shelf.fork() for kind, shelf in self._shelves.items()}
        twin._log = self._log.fork()
        return twin

    def __len__(self) -> int:
        """Number of entries without the core and other single texts."""
        return sum(len(self._shelves[kind].entries) for kind in self._stores)

    @property
    def core(self) -> Entry | None:
        """The core, None while nothing is written there."""
        return self.single(MemoryKind.CORE)

    def single(self, kind: MemoryKind) -> Entry | None:
        """The one text of a kind, None while nothing is written there."""
        return self._shelf(kind).entries.get(CORE_ID)

    @property
    def core_text(self) -> str:
        """What is always in view: the text of the core, or of several single texts each under its name.

        Empty while nothing is written there.
        """
        written = [text for kind in self.layout.singles if (text := self.single(kind)) is not None]
        if len(self.layout.singles) == 1:
            return written[0].text if written else ""
        return "\n".join(f"{text.kind.value}:\n{text.text}" for text in written)

    @property
    def log(self) -> Sequence[Operation]:
        """Every operation that succeeded, the oldest first; a fork goes on with the log it was forked with."""
        return self._log.whole()

    def entries(self, kind: MemoryKind) -> Sequence[Entry]:
        """The live entries of a kind in insertion order; of a single text, one or none."""
        return tuple(self._shelf(kind).entries.values())

    def get(self, entry_id: int) -> Entry:
        """The entry of this id, whatever its kind; raises `UnknownEntryError`."""
        for kind in self._stores:
            entry = self._shelves[kind].entries.get(entry_id)
            if entry is not None:
                return entry
        raise UnknownEntryError(f"got #{entry_id}, which is not in memory; use the id of an entry that is there")

    def find(self, kind: MemoryKind, entry_id: int) -> Entry | None:
        """The entry of a kind with this id, `CORE_ID` for a single text; None when there is none."""
        return self._shelf(kind).entries.get(entry_id)

    def operations_since(self, number: int) -> tuple[Operation, ...]:
        """The operations from a number on, which `next_number` told before them."""
        return self._log.since(number)

    def operations_beside(self, number: int) -> tuple[Operation, ...]:
        """The operations on the entry that the one of this number changed, itself too; none when there is none."""
        place = self._log.place(number)
        return () if place is None else self._log.on({place})

    def lean_on(self, past: Past) -> None:
        """Hold none of the log up to now, which is kept elsewhere."""
        self._log = Log(past, self.next_number)

    def newest(self, n: int, kind: MemoryKind | None = None) -> list[Entry]:
        """The n entries inserted last, of one kind or of all lists, the newest first; an update makes none newer."""
        kinds = self._stores if kind is None else (kind,)
        lists: list[Iterable[Entry]] = [reversed(self._shelf(each).entries.values()) for each in kinds]
        return list(islice(heapq.merge(*lists, key=lambda entry: -entry.id), max(n, 0)))

    def search(self, kind: MemoryKind, query: str, k: int) -> list[Hit]:
        """The k entries of a kind that match best by BM25, the best first; entries without a match fill up to k."""
        shelf = self._shelf(kind)
        return [Hit(entry=shelf.entries[key], score=score) for key, score in shelf.index.search(query, k)]

    def matches(
        self, kind: MemoryKind, weights: Mapping[str, float], telling: Collection[str]
    ) -> Iterator[tuple[int, float]]:
        """Id and score of the entries of a kind that have a telling word, the best first (`BM25Index.matches`)."""
        return self._shelf(kind).index.matches(weights, telling)

    def frequency(self, word: str) -> int:
        """How many entries of all lists have a word, as `search.tokenize` gives it."""
        return sum(self._shelves[kind].index.frequency(word) for kind in self._stores)

    @property
    def others(self) -> int:
        """How many entries of all lists are texts of tools and documents."""
        return sum(self._shelves[kind].others for kind in self._stores)

    def tokens(self, kind: MemoryKind | None = None) -> int:
        """Tokens of the texts of one kind, or of the whole memory; ids and times are not counted."""
        if kind is not None:
            return self._shelf(kind).tokens(self.count_tokens)
        return sum(shelf.tokens(self.count_tokens) for shelf in self._shelves.values())

    def insert(self, kind: MemoryKind, text: str, provenance: Provenance) -> Entry:
        """Add an entry under the next id.

        Raises:
            NotAllowedError: The layout has no insert for this kind.
            EmptyTextError: The text is white space only.
            DuplicateError: This kind has an entry with this text, as trusted as this one.
            OverLimitError: The kind would pass its limit.
        """
        self.layout.check(kind, Action.INSERT)
        text, size_tokens = self._make_room(kind, text, None, provenance)
        entry = Entry(id=self.next_id, kind=kind, text=text, provenance=provenance)
        self.next_id += 1
        self._shelves[kind].put(entry, size_tokens)
        self._record(Action.INSERT, kind, None, entry, provenance)
        return entry

    def update(self, kind: MemoryKind, entry_id: int | None, text: str, provenance: Provenance) -> Entry:
        """Replace the text of an entry, which keeps its id and its place; a single text (id None) may be empty before.

        Raises:
            NotAllowedError: The layout has no update for this kind.
            UnknownEntryError: No entry of this kind has this id.
            EmptyTextError: The text is white space only.
            DuplicateError: This entry or another of its kind has this text already, as trusted as this one.
            OverLimitError: The kind would pass its limit.
        """
        self.layout.check(kind, Action.UPDATE)
        first = kind.single and entry_id is None and self.single(kind) is None
        old = None if first else self._find(kind, entry_id)
        text, size_tokens = self._make_room(kind, text, old, provenance)
        if old is None:
            entry = Entry(id=CORE_ID, kind=kind, text=text, provenance=provenance)
        else:
            past = (*old.versions, Version(text=old.text, provenance=old.provenance))
            entry = replace(old, text=text, provenance=provenance, versions=past)
        self._shelves[kind].put(entry, size_tokens)
        self._record(Action.UPDATE, kind, old, entry, provenance)
        return entry

    def delete(self, kind: MemoryKind, entry_id: int | None, provenance: Provenance) -> None:
        """Take an entry away for good; a single text is named by None.

        Raises:
            NotAllowedError: The layout has no delete for this kind.
            UnknownEntryError: No entry of this kind has this id, or the single text is empty.
        """
        self.layout.check(kind, Action.DELETE)
        old = self._find(kind, entry_id)
        self._shelves[kind].drop(old)
        self._record(Action.DELETE, kind, old, None, provenance)

    def undo(self, number: int, provenance: Provenance) -> Entry | None:
        """Take back an operation, by one more operation; an undo can be undone. Returns the entry as it is then.

        What came back has its id, its place, its provenance and its versions again. The layout is not asked: an undo is
        nothing that a model calls.

        Raises:
            UnknownEntryError: The log has no operation of this number.
            ConflictError: The entry has changed since.
            DuplicateError: Another entry of its kind has the earlier text by now, and is as trusted.
            OverLimitError: The kind would pass its limit.
        """
        (kind, entry_id), earlier = before_operation(self.operations_beside(number), number)
        shelf = self._shelves[kind]
        current = shelf.entries.get(entry_id)
        if earlier is not None:
            same_text = current is not None and current.text == earlier.text  # only whose words it was changed
            size_tokens = None if same_text else self._make_room(kind, earlier.text, current, earlier.provenance)[1]
            shelf.put(earlier, size_tokens)
        elif current is not None:
            shelf.drop(current)
        action = Action.UPDATE if current is not None or kind.single else Action.INSERT
        self._record(Action.DELETE if earlier is None else action, kind, current, earlier, provenance, number)
        return earlier

    def replay(self, operations: Iterable[Operation], *, next_id: int, next_number: int) -> None:
        """Do what the log of this memory says next, without asking whether it is allowed.

        Args:
            operations: In the order of their numbers; the texts and numbers of some may be missing for good.
            next_id: The id of the next entry.
            next_number: The number of the next operation.

        Raises:
            NotAllowedError: The layout lacks a kind that they name.
        """
        new = list(operations)
        for operation in new:
            if operation.kind not in self._shelves:
                self.layout.check(operation.kind, operation.action)
        self._log.extend(new)
        found = self._after(new)
        for kind, shelf in self._shelves.items():
            here = {entry_id: entry for (each, entry_id), entry in found.items() if each is kind}
            for gone in (entry_id for entry_id, entry in here.items() if entry is None and entry_id in shelf.entries):
                shelf.drop(shelf.entries[gone])
            shelf.put_all([entry for _, entry in sorted(here.items()) if entry is not None])
        self.next_id, self.next_number = next_id, next_number

    def _after(self, new: Sequence[Operation]) -> dict[Place, Entry | None]:
        """What the newest operations leave at the places that they name."""
        undone = {place_of(operation) for operation in new if operation.undoes is not None}
        plain = [operation for operation in new if place_of(operation) not in undone]
        first = {(kind, id_): self._shelves[kind].entries.get(id_) for kind, id_ in map(place_of, plain)}
        # An undo goes back to what only the log knows.
        return entries_after(plain, first) | entries_after(self._log.on(undone))

    def _shelf(self, kind: MemoryKind) -> Shelf:
        """The entries of a kind to read from; a kind that the layout does not have has none."""
        return self._shelves.get(kind, _NOTHING)

    def _find(self, kind: MemoryKind, entry_id: int | None) -> Entry:
        """The entry that an operation names; None names a single text and nothing else."""
        if kind.single:
            text = self.single(kind)
            if entry_id is not None:
                raise UnknownEntryError(f"got #{entry_id} for the {kind}, which has no id; leave the id out")
            if text is None:
                raise UnknownEntryError(f"got an operation on the {kind}, which is empty; update it first")
            return text
        if entry_id is None:
            raise UnknownEntryError(f"got no id for {kind} memory; expected the id of one of its entries")
        entry = self.get(entry_id)
        if entry.kind is not kind:
            raise UnknownEntryError(f"got #{entry_id} as {kind}, but it is {entry.kind}; name that kind")
        return entry

    def _make_room(self, kind: MemoryKind, text: str, old: Entry | None, provenance: Provenance) -> tuple[str, int]:
        """The text as it will stand in place of `old`, and its tokens; a less trusted entry with it makes way."""
        text = text.strip()
        if not text:
            raise EmptyTextError(
                f"got an empty text for {kind} memory, expected words; write some or leave the call out"
            )
        shelf = self._shelves[kind]
        same = shelf.ids.get(text)
        if same is not None and not provenance.outranks(shelf.entries[same].provenance):
            name = kind if kind.single else f"{kind} #{same}"
            raise DuplicateError(f"got the text that {name} has already; nothing is to be written")
        size_tokens = self.count_tokens(text)
        limit = self.layout.limit(kind)
        if limit is not None:
            after = shelf.tokens(self.count_tokens) + size_tokens - (0 if old is None else shelf.sizes[old.id])
            if after > limit:
                raise OverLimitError(f"got {after} tokens for {kind} memory, expected at most {limit}; write less")
        if same is not None and (old is None or same != old.id):
            standing = shelf.entries[same]
            shelf.drop(standing)
            self._record(Action.DELETE, kind, standing, None, provenance)
        return text, size_tokens

    def _record(
        self,
        action: Action,
        kind: MemoryKind,
        old: Entry | None,
        new: Entry | None,
        provenance: Provenance,
        undoes: int | None = None,
    ) -> None:
        entry_id = next((entry.id for entry in (new, old) if entry is not None and entry.id != CORE_ID), None)
        operation = Operation(
            number=self.next_number,
            action=action,
            kind=kind,
            entry_id=entry_id,
            before=None if old is None else old.text,
            after=None if new is None else new.text,
            provenance=provenance,
            undoes=undoes,
        )
        self._log.extend((operation,))
        self.next_number += 1
