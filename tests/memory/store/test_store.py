"""One contract for a bank in RAM and a bank in a store, whatever its database; and what a store knows of itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from memalpha.errors import (
    BankError,
    ConflictError,
    DuplicateError,
    EmptyTextError,
    NotAllowedError,
    OverLimitError,
    StoreError,
    UnknownEntryError,
)
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.embedding import HashedEmbedder
from memalpha.memory.entry import Action
from memalpha.memory.layout import FLAT, Block, Layout
from memalpha.memory.store import SQLiteDatabase, Store

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
FIRST = Provenance(chunk=0, lines=(2, 3), time="2024-03-05")
SECOND = Provenance(chunk=1, time="2024-03-06", author="user")
SMALL = Layout(
    name="small",
    blocks=(
        Block(kind=CORE, operations=frozenset({Action.UPDATE, Action.DELETE}), max_tokens=4),
        Block(kind=EPISODIC, operations=frozenset({Action.INSERT})),
        Block(kind=SEMANTIC, operations=frozenset(Action), max_tokens=12),
    ),
)


def words(text: str) -> int:
    return len(text.split())


class Home(Protocol):
    """Where a memory lives."""

    def edit(self) -> AbstractContextManager[Bank]: ...

    def bank(self) -> Bank: ...


class InRam:
    def __init__(self, layout: Layout) -> None:
        self._bank = Bank(count_tokens=words, layout=layout)

    @contextmanager
    def edit(self) -> Any:
        yield self._bank

    def bank(self) -> Bank:
        return self._bank


class InStore:
    """Each look is one of a store that was opened for it."""

    def __init__(self, open_store: Callable[..., Store], layout: Layout) -> None:
        self._open = lambda: open_store(layout=layout).scope("acme", "ana")

    def edit(self) -> AbstractContextManager[Bank]:
        return self._open().edit()

    def bank(self) -> Bank:
        return self._open().bank()


@pytest.fixture(params=["ram", "store"])
def home(request: pytest.FixtureRequest, open_store: Callable[..., Store]) -> Home:
    return InRam(SMALL) if request.param == "ram" else InStore(open_store, SMALL)


def fill(home: Home) -> None:
    """Semantic 1 and 3, episodic 2, the core."""
    with home.edit() as bank:
        bank.insert(SEMANTIC, "Ann lives in Oslo", FIRST)
        bank.insert(EPISODIC, "Ann moved", FIRST)
    with home.edit() as bank:
        bank.insert(SEMANTIC, "Bo has a dog", FIRST)
        bank.update(CORE, None, "about Ann", SECOND)


def test_what_was_written_is_there(home: Home) -> None:
    fill(home)
    bank = home.bank()
    assert [(entry.id, entry.text) for entry in bank.entries(SEMANTIC)] == [
        (1, "Ann lives in Oslo"),
        (3, "Bo has a dog"),
    ]
    assert bank.get(2).provenance == FIRST
    assert bank.get(2).rendered == "[2024-03-05] Ann moved"
    assert bank.core_text == "about Ann"
    assert [operation.number for operation in bank.log] == [1, 2, 3, 4]
    assert (bank.tokens(), bank.tokens(SEMANTIC), len(bank)) == (12, 8, 3)
    assert [entry.id for entry in bank.newest(2)] == [3, 2]


def test_an_update_supersedes_and_keeps_the_version(home: Home) -> None:
    fill(home)
    with home.edit() as bank:
        bank.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)
    entry = home.bank().get(1)
    assert (entry.text, entry.provenance) == ("Ann lives in Rome", SECOND)
    assert [(version.text, version.provenance) for version in entry.versions] == [("Ann lives in Oslo", FIRST)]


def test_ids_and_numbers_go_on(home: Home) -> None:
    fill(home)
    with home.edit() as bank:
        bank.delete(SEMANTIC, 3, SECOND)
    with home.edit() as bank:
        assert bank.insert(EPISODIC, "Bo left", SECOND).id == 4
    assert home.bank().log[-1].number == 6


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda bank: bank.insert(SEMANTIC, " ", FIRST), EmptyTextError),
        (lambda bank: bank.insert(SEMANTIC, "Bo has a dog", FIRST), DuplicateError),
        (lambda bank: bank.insert(SEMANTIC, "one two three four five", FIRST), OverLimitError),
        (lambda bank: bank.update(CORE, None, "one two three four five", FIRST), OverLimitError),
        (lambda bank: bank.update(EPISODIC, 2, "Ann stayed", FIRST), NotAllowedError),
        (lambda bank: bank.insert(MemoryKind.VAULT, "a code", FIRST), NotAllowedError),
        (lambda bank: bank.update(SEMANTIC, 9, "nobody", FIRST), UnknownEntryError),
        (lambda bank: bank.delete(SEMANTIC, 2, FIRST), UnknownEntryError),
        (lambda bank: bank.undo(9, FIRST), UnknownEntryError),
    ],
)
def test_what_is_refused_changes_nothing(home: Home, edit: Callable[[Bank], object], error: type[Exception]) -> None:
    fill(home)
    before = home.bank().fork()
    with pytest.raises(error), home.edit() as bank:
        edit(bank)
    assert_same(home.bank(), before)


def test_limits_count_what_stands_there_already(home: Home) -> None:
    fill(home)
    with home.edit() as bank:
        bank.insert(SEMANTIC, "one two three four", FIRST)
    with pytest.raises(OverLimitError, match="got 13 tokens"), home.edit() as bank:
        bank.insert(SEMANTIC, "five", FIRST)


def test_undo_takes_back_each_kind_of_operation(home: Home) -> None:
    fill(home)
    before = home.bank().fork()
    with home.edit() as bank:
        bank.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)  # 5
        bank.delete(SEMANTIC, 3, SECOND)  # 6
        bank.insert(EPISODIC, "Bo left", SECOND)  # 7
        bank.delete(CORE, None, SECOND)  # 8
    with home.edit() as bank:
        for number in (8, 7, 6, 5):
            bank.undo(number, SECOND)
    bank = home.bank()
    for kind in (CORE, EPISODIC, SEMANTIC):
        assert bank.entries(kind) == before.entries(kind)
    assert [(each.action, each.undoes) for each in bank.log[8:]] == [
        (Action.UPDATE, 8),
        (Action.DELETE, 7),
        (Action.INSERT, 6),
        (Action.UPDATE, 5),
    ]
    assert bank.search(SEMANTIC, "nothing", 2) == before.search(SEMANTIC, "nothing", 2)  # ties in the old order


def test_an_undo_can_be_undone(home: Home) -> None:
    fill(home)
    with home.edit() as bank:
        bank.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)  # 5
        bank.undo(5, SECOND)
        bank.undo(6, SECOND)
    entry = home.bank().get(1)
    assert (entry.text, entry.provenance, len(entry.versions)) == ("Ann lives in Rome", SECOND, 1)


def test_undo_asks_for_limits_and_duplicates_not_for_rights(home: Home) -> None:
    fill(home)
    with home.edit() as bank:
        bank.undo(2, SECOND)  # the layout allows no delete there
        bank.delete(SEMANTIC, 3, SECOND)  # 6
        bank.insert(SEMANTIC, "Bo has a dog", SECOND)
    with pytest.raises(DuplicateError), home.edit() as bank:
        bank.undo(6, SECOND)
    assert home.bank().entries(EPISODIC) == ()


class StoredBank(RuleBasedStateMachine):
    """Any operations, in edits of any size, on a store that is opened again and again: a bank in RAM is the judge."""

    texts = st.sampled_from(["red fox", "red", "blue sky", "a b c d e", "fox fox sky", " ", "in Oslo"])
    ids = st.integers(1, 6)

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "memory.db"
        self.model = Bank(count_tokens=words, layout=SMALL)
        self.open()

    def open(self) -> None:
        self.store = Store(SQLiteDatabase(self.path), count_tokens=words, layout=SMALL)
        self.scope = self.store.scope("acme", "ana")

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def both(self, edit: Callable[[Bank], object]) -> None:
        outcomes: list[object] = []
        for bank in (self.model, None):
            try:
                if bank is not None:
                    edit(bank)
                else:
                    with self.scope.edit() as draft:
                        edit(draft)
                outcomes.append(None)
            except (BankError, ConflictError) as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]

    @rule(kind=st.sampled_from([SEMANTIC, EPISODIC]), text=texts)
    def insert(self, kind: MemoryKind, text: str) -> None:
        self.both(lambda bank: bank.insert(kind, text, FIRST))

    @rule(text=texts)
    def write_core(self, text: str) -> None:
        self.both(lambda bank: bank.update(CORE, None, text, SECOND))

    @rule(entry_id=ids, text=texts)
    def update(self, entry_id: int, text: str) -> None:
        self.both(lambda bank: bank.update(SEMANTIC, entry_id, text, SECOND))

    @rule(kind=st.sampled_from([SEMANTIC, CORE]), entry_id=ids)
    def delete(self, kind: MemoryKind, entry_id: int) -> None:
        self.both(lambda bank: bank.delete(kind, None if kind is CORE else entry_id, SECOND))

    @precondition(lambda self: self.model.log)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.model.log)))
        self.both(lambda bank: bank.undo(number, SECOND))

    @rule(texts=st.lists(texts, min_size=2, max_size=4))
    def insert_many_or_none(self, texts: Sequence[str]) -> None:
        fork = self.model.fork()
        try:
            for text in texts:
                fork.insert(SEMANTIC, text, FIRST)
        except BankError as error:
            with pytest.raises(type(error)), self.scope.edit() as draft:
                for text in texts:
                    draft.insert(SEMANTIC, text, FIRST)
        else:
            with self.scope.edit() as draft:
                for text in texts:
                    draft.insert(SEMANTIC, text, FIRST)
            self.model = fork

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def same(self) -> None:
        assert_same(self.scope.bank(), self.model)

    @invariant()
    def sound(self) -> None:
        assert self.store.check() == ()

    @invariant()
    def every_point_of_the_past(self) -> None:
        for count, operation in enumerate(self.model.log, start=1):
            earlier = Bank(count_tokens=words, layout=SMALL)
            earlier.replay(self.model.log[:count], next_id=1, next_number=count + 1)
            for kind in (CORE, EPISODIC, SEMANTIC):
                assert self.scope.as_of(operation.number).entries(kind) == earlier.entries(kind)


TestStoredBank = StoredBank.TestCase
TestStoredBank.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)


def assert_same(bank: Bank, expected: Bank) -> None:
    for kind in (CORE, EPISODIC, SEMANTIC):
        assert bank.entries(kind) == expected.entries(kind)
        assert bank.tokens(kind) == expected.tokens(kind)
        for query in ("red fox", "Ann", "nothing"):
            assert bank.search(kind, query, 3) == expected.search(kind, query, 3)
    assert bank.log == expected.log
    assert (bank.next_id, bank.next_number) == (expected.next_id, expected.next_number)


def test_vectors_are_kept_with_the_entries(open_store: Callable[..., Store]) -> None:
    embedder = HashedEmbedder(64)
    scope = open_store(embedder=embedder).scope("acme", "ana")
    scope.insert(SEMANTIC, "Ann paints", FIRST)
    scope.insert(SEMANTIC, "Bo cooks soup", FIRST)
    scope.insert(EPISODIC, "Ann painted", FIRST)
    scope.update(SEMANTIC, 1, "Ann sings songs", FIRST)
    with scope.edit() as bank:
        bank.insert(SEMANTIC, "Cy plays chess", FIRST)
        bank.delete(SEMANTIC, 2, FIRST)
    store = open_store(embedder=embedder)
    scope = store.scope("acme", "ana")
    assert [entry.text for entry in scope.nearest(SEMANTIC, "a song that she sings", 1)] == ["Ann sings songs"]
    assert {entry.id for entry in scope.nearest(SEMANTIC, "soup", 5)} == {1, 4}
    assert store.check() == ()


def test_another_embedder_is_refused_until_it_is_meant(open_store: Callable[..., Store]) -> None:
    open_store(embedder=HashedEmbedder(64)).scope("acme", "ana").insert(SEMANTIC, "Ann paints", FIRST)
    with pytest.raises(StoreError, match=r"\"dimensions\": 64.*got .*\"dimensions\": 32.*or run `memalpha reindex`"):
        open_store(embedder=HashedEmbedder(32))
    with pytest.raises(StoreError, match="got none"):
        open_store()
    store = open_store(embedder=HashedEmbedder(32), reindex=True)
    assert store.scope("acme", "ana").nearest(SEMANTIC, "paints", 1)[0].id == 1
    assert store.check() == ()
    with pytest.raises(StoreError, match=r"\"dimensions\": 32"):
        open_store(embedder=HashedEmbedder(64))
    plain = open_store(reindex=True)
    assert plain.check() == ()
    with pytest.raises(StoreError, match="without an embedder"):
        plain.scope("acme", "ana").nearest(SEMANTIC, "paints", 1)
    open_store()


def test_who_had_the_store_open_while_it_was_reindexed_is_told(open_store: Callable[..., Store]) -> None:
    before = open_store(embedder=HashedEmbedder(64)).scope("acme", "ana")
    before.insert(SEMANTIC, "Ann paints", FIRST)
    assert before.find("paints", 1)
    after = open_store(embedder=HashedEmbedder(32), reindex=True).scope("acme", "ana")
    with pytest.raises(StoreError, match=r"reindexed with the embedder .*32.* since it was opened with .*64.*open it"):
        before.insert(SEMANTIC, "Bo sings", FIRST)
    with pytest.raises(StoreError, match="reindexed"):
        before.find("paints", 1)
    assert [entry.text for entry in before.entries(SEMANTIC)] == ["Ann paints"]
    assert [change.operation.number for change in after.changes()] == [1]
    again = open_store(embedder=HashedEmbedder(32), reindex=True)  # the same embedder disturbs nobody
    after.insert(SEMANTIC, "Bo sings", FIRST)
    assert [found.entry.id for found in after.find("sings", 1)] == [2]
    assert again.check() == ()


def test_vectors_are_those_of_the_embedder(open_store: Callable[..., Store]) -> None:
    embedder = HashedEmbedder(64)
    store = open_store(embedder=embedder)
    stored = np.frombuffer(store._memories.vectors(["Ann paints"])[0] or b"", dtype=np.float16)
    np.testing.assert_allclose(stored, embedder.embed(["Ann paints"])[0], atol=1e-3)


def test_another_layout_is_refused(open_store: Callable[..., Store]) -> None:
    open_store()
    with pytest.raises(StoreError, match="written with the layout 'memalpha', got 'flat'; open it with that layout"):
        open_store(layout=FLAT)
    open_store()


def test_check_finds_what_does_not_follow_from_the_log(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Store(SQLiteDatabase(path), count_tokens=words) as store:
        scope = store.scope("acme", "ana")
        scope.insert(SEMANTIC, "Ann lives in Oslo", FIRST)
        assert store.check() == ()
        store._memories._database.write(lambda execute: execute("UPDATE entries SET text = 'x', vector = x'00'", ()))
        assert len(store.check()) == 2
    with Store(SQLiteDatabase(path), count_tokens=words, reindex=True) as store:
        assert store.check() == ()
        store._memories._database.write(lambda execute: execute("UPDATE entries SET text = 'x', vector = x'00'", ()))
        store._memories._database.write(lambda execute: execute("UPDATE scopes SET next_number = 1, next_id = 1", ()))
        assert [str(problem).split(";")[0] for problem in store.check()] == [
            "acme/ana: the row of semantic #1 is not what the log says",
            "acme/ana: vectors are missing or left over",
            "acme/ana: the log goes on behind its head",
            "acme/ana: an entry has an id that is still to be given out",
        ]
    assert sqlite3.connect(path).execute("SELECT COUNT(*) FROM entries").fetchone() == (1,)  # any SQLite can read it


def test_a_closed_store_says_so(open_store: Callable[..., Store]) -> None:
    store = open_store()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.scope("acme", "ana").bank()
