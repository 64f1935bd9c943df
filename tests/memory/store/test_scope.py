"""The memory of one user: keys, conflicts, history, two times, differences, erasure, and nobody else's memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memalpha.errors import ConfigError, ConflictError, DuplicateError, StoreError, UnknownEntryError
from memalpha.memory.bank import Entry, MemoryKind, Provenance
from memalpha.memory.entry import Origin
from memalpha.memory.store import Difference, Scope, Store
from memalpha.records import Chunk

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
SAID = Provenance(chunk=0, author="user")
OpenStore = Callable[..., Store]


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


def test_what_makes_way_is_no_other_use_of_a_key(ana: Scope) -> None:
    page = Provenance(origin=Origin.DOCUMENT)
    for text in ("Eva is my sister", "Bo sings"):
        ana.insert(SEMANTIC, text, page)
    for _ in range(2):
        told = ana.insert(SEMANTIC, "Eva is my sister", SAID, key="said")
        assert (told.operation.number, told.operation.entry_id) == (4, 3)
    changed = ana.update(SEMANTIC, 3, "Bo sings", SAID)
    assert (changed.operation.number, changed.operation.before) == (6, "Eva is my sister")
    assert [(entry.id, entry.provenance.origin) for entry in ana.entries(SEMANTIC)] == [(3, Origin.USER)]
    with pytest.raises(ConflictError, match="in use for something else"):
        ana.insert(SEMANTIC, "Another", SAID, key="said")


@pytest.fixture
def ana(open_store: OpenStore) -> Scope:
    return open_store().scope("acme", "ana")


def texts(entries: Any) -> list[str]:
    return [entry.text for entry in entries]


def test_each_edit_returns_what_it_wrote(ana: Scope) -> None:
    inserted = ana.insert(SEMANTIC, " Ann lives in Oslo ", SAID)
    assert (inserted.operation.number, inserted.operation.entry_id, inserted.operation.after) == (
        1,
        1,
        "Ann lives in Oslo",
    )
    assert (inserted.learned, inserted.valid) == (day(1), day(1))
    updated = ana.update(SEMANTIC, 1, "Ann lives in Rome", SAID)
    assert (updated.operation.before, updated.operation.after) == ("Ann lives in Oslo", "Ann lives in Rome")
    assert ana.undo(2, SAID).operation.after == "Ann lives in Oslo"
    assert ana.delete(SEMANTIC, 1, SAID).operation.before == "Ann lives in Oslo"
    assert [change.operation.number for change in ana.changes()] == [1, 2, 3, 4]
    assert ana.get(SEMANTIC, 1) is None


def test_a_bank_is_the_callers_own(ana: Scope) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    ana.bank().insert(SEMANTIC, "Bo has a dog", SAID)
    assert texts(ana.entries(SEMANTIC)) == ["Ann lives in Oslo"]
    assert texts(hit.entry for hit in ana.search(SEMANTIC, "oslo", 3)) == ["Ann lives in Oslo"]


def test_a_key_writes_once(ana: Scope, open_store: OpenStore) -> None:
    first = ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, key="message 1")
    assert ana.written("message 2") is None
    assert open_store().scope("acme", "ana").insert(SEMANTIC, "Ann lives in Oslo", SAID, key="message 1") == first
    assert ana.written("message 1") == (first,)
    assert len(ana.changes()) == 1
    with pytest.raises(StoreError, match="as key"):
        ana.insert(SEMANTIC, "Bo", SAID, key="")


def test_an_edit_under_a_key_is_written_once_also_when_it_did_nothing(ana: Scope) -> None:
    with ana.edit(key="a"):
        pass
    assert ana.written("a") == ()
    with ana.edit(key="b") as bank:
        bank.insert(SEMANTIC, "Ann lives in Oslo", SAID)
        bank.insert(SEMANTIC, "Bo has a dog", SAID)
    assert [change.operation.number for change in ana.written("b") or ()] == [1, 2]
    with pytest.raises(ConflictError, match="the key 'b', which is in use"), ana.edit(key="b") as bank:
        bank.insert(SEMANTIC, "Cy sings", SAID)
    assert len(ana.entries(SEMANTIC)) == 2


def test_keys_are_those_of_one_user(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, key="1")
    other = open_store().scope("acme", "bo")
    other.insert(SEMANTIC, "Bo has a dog", SAID, key="1")
    assert texts(other.entries(SEMANTIC)) == ["Bo has a dog"]


def test_an_update_of_what_has_changed_since_is_a_conflict(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    seen = ana.get(SEMANTIC, 1)
    open_store().scope("acme", "ana").update(SEMANTIC, 1, "Ann lives in Rome", SAID)
    with pytest.raises(ConflictError, match="semantic #1, which has changed since it was seen"):
        ana.update(SEMANTIC, 1, "Ann lives in Bern", SAID, seen=seen)
    ana.update(SEMANTIC, 1, "Ann lives in Bern", SAID, seen=ana.get(SEMANTIC, 1))
    assert texts(ana.entries(SEMANTIC)) == ["Ann lives in Bern"]


def test_an_edit_of_what_others_changed_meanwhile_is_a_conflict(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    late = pytest.raises(ConflictError, match="as it was some time ago, but others have written to it")
    with late, ana.edit() as bank:
        bank.insert(SEMANTIC, "Cy sings", SAID)
        open_store().scope("acme", "ana").insert(SEMANTIC, "Bo has a dog", SAID)
    assert texts(ana.entries(SEMANTIC)) == ["Ann lives in Oslo", "Bo has a dog"]


def test_an_edit_does_not_bring_back_what_was_erased_meanwhile(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann has a secret", SAID)
    with pytest.raises(ConflictError, match="or erased from it since"), ana.edit() as bank:
        bank.update(SEMANTIC, 1, "Ann has a secret no longer", SAID)
        open_store().scope("acme", "ana").erase(SEMANTIC, 1)
    assert ana.changes() == ()


def test_a_key_does_not_answer_for_something_else(ana: Scope) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, key="1")
    with ana.edit(key="2") as bank:
        bank.insert(SEMANTIC, "Bo has a dog", SAID)
        bank.insert(SEMANTIC, "Cy sings", SAID)
    for key in ("1", "2"):
        with pytest.raises(ConflictError, match=f"the key '{key}', which is in use for something else"):
            ana.insert(SEMANTIC, "Dee cooks", SAID, key=key)
        with pytest.raises(ConflictError, match="something else"):
            ana.delete(SEMANTIC, 1, SAID, key=key)
    assert ana.undo(2, SAID, key="3") == ana.undo(2, SAID, key="3")
    assert ana.delete(SEMANTIC, 1, SAID, key="4") == ana.delete(SEMANTIC, 1, SAID, key="4")
    assert ana.update(CORE, None, " a core ", SAID, key="5") == ana.update(CORE, None, " a core ", SAID, key="5")
    assert len(ana.changes()) == 6


def test_an_edit_that_raises_writes_nothing(ana: Scope) -> None:
    with pytest.raises(DuplicateError), ana.edit() as bank:
        bank.insert(SEMANTIC, "Ann lives in Oslo", SAID)
        bank.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    assert ana.changes() == ()


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800"])
def test_what_no_database_takes_is_refused_and_leaves_nothing(ana: Scope, bad: str) -> None:
    for text, said in ((bad, SAID), ("a", Provenance(author=bad)), ("a", Provenance(time=bad))):
        with pytest.raises(StoreError, match="zero byte or half of a surrogate pair"):
            ana.insert(SEMANTIC, text, said)
    ana.insert(SEMANTIC, "a", SAID)
    assert texts(ana.entries(SEMANTIC)) == ["a"]


@given(text=st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was(ana: Scope, open_store: OpenStore, text: str) -> None:
    change = ana.insert(EPISODIC, text + str(len(ana.changes())), SAID)
    assert ana.history(EPISODIC, change.operation.entry_id) == (change,)


def test_history_tells_deleted_entries_too(ana: Scope) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)
    ana.update(CORE, None, "about Ann", SAID)
    ana.update(SEMANTIC, 1, "Ann lives in Rome", SAID)
    ana.delete(SEMANTIC, 1, SAID)
    assert [change.operation.after for change in ana.history(SEMANTIC, 1)] == [
        "Ann lives in Oslo",
        "Ann lives in Rome",
        None,
    ]
    assert [change.operation.number for change in ana.history(CORE, None)] == [2]
    assert ana.history(SEMANTIC, 7) == ()
    with pytest.raises(ConfigError, match="expected the id of an entry"):
        ana.history(SEMANTIC, None)
    with pytest.raises(ConfigError, match="expected no id"):
        ana.history(CORE, 1)


def test_as_of_an_operation_and_as_of_a_time(ana: Scope, clock: Any) -> None:
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID)  # day 1
    clock.go(2)
    ana.update(SEMANTIC, 1, "Ann lives in Rome", SAID)  # day 3
    clock.go(2)
    ana.delete(SEMANTIC, 1, SAID)  # day 5
    assert [texts(ana.as_of(number).entries(SEMANTIC)) for number in range(4)] == [
        [],
        ["Ann lives in Oslo"],
        ["Ann lives in Rome"],
        [],
    ]
    assert [texts(ana.as_of(day(number)).entries(SEMANTIC)) for number in (1, 2, 3, 4, 5)] == [
        ["Ann lives in Oslo"],
        ["Ann lives in Oslo"],
        ["Ann lives in Rome"],
        ["Ann lives in Rome"],
        [],
    ]
    assert ana.as_of(day(1) - timedelta(seconds=1)).log == ()
    assert texts(hit.entry for hit in ana.as_of(2).search(SEMANTIC, "rome", 1)) == ["Ann lives in Rome"]
    assert ana.as_of(2).insert(SEMANTIC, "of no consequence", SAID).id == 2
    with pytest.raises(StoreError, match="no time zone"):
        ana.as_of(datetime(2026, 1, 1))


def test_what_was_true_and_what_was_known(ana: Scope, clock: Any) -> None:
    """Oslo from the 2nd, learned on the 1st; on the 11th it is learned that it was Rome from the 5th."""
    ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, valid=day(2))
    clock.go(10)
    ana.update(SEMANTIC, 1, "Ann lives in Rome", SAID, valid=day(5))
    assert [texts(ana.true_at(day(number))) for number in (1, 2, 4, 5, 30)] == [
        [],
        ["Ann lives in Oslo"],
        ["Ann lives in Oslo"],
        ["Ann lives in Rome"],
        ["Ann lives in Rome"],
    ]
    assert texts(ana.true_at(day(6), known=day(10))) == ["Ann lives in Oslo"]
    assert texts(ana.true_at(day(6), known=1)) == ["Ann lives in Oslo"]
    assert texts(ana.true_at(day(6), known=day(11))) == ["Ann lives in Rome"]


def test_what_is_said_of_an_earlier_time_holds_from_then_on(ana: Scope) -> None:
    ana.update(CORE, None, "A", SAID, valid=day(10))
    ana.update(CORE, None, "B", SAID, valid=day(20))
    ana.update(CORE, None, "C", SAID, valid=day(15))
    assert [texts(ana.true_at(day(number))) for number in (9, 12, 17, 25)] == [[], ["A"], ["C"], ["C"]]
    ana.undo(3, SAID)
    assert [texts(ana.true_at(day(number))) for number in (9, 12, 17, 25)] == [[], ["A"], ["A"], ["B"]]


def test_the_time_of_a_chunk_is_when_it_is_true(ana: Scope) -> None:
    east = timezone(timedelta(hours=2))
    valid = [
        ana.insert(EPISODIC, text, Provenance(time=time), valid=given).valid
        for text, time, given in (
            ("a", "2024-03-05", None),
            ("b", "2024-03-05T10:00:00+02:00", None),
            ("c", "last Monday", None),
            ("d", None, None),
            ("e", "2024-03-05", datetime(2020, 1, 1, 2, tzinfo=east)),
        )
    ]
    assert valid == [
        datetime(2024, 3, 5, tzinfo=UTC),
        datetime(2024, 3, 5, 8, tzinfo=UTC),
        day(1),
        day(1),
        datetime(2020, 1, 1, tzinfo=UTC),
    ]
    assert [change.valid for change in ana.changes()] == valid
    with pytest.raises(StoreError, match="no time zone"):
        ana.insert(EPISODIC, "f", SAID, valid=datetime(2024, 1, 1))
    assert len(ana.entries(EPISODIC)) == 5


def test_a_clock_that_goes_back_dates_nothing_before_what_it_follows(ana: Scope, clock: Any) -> None:
    clock.go(4)
    ana.insert(SEMANTIC, "one", SAID)
    clock.go(-3)
    ana.insert(SEMANTIC, "two", SAID)
    clock.go(7)
    ana.insert(SEMANTIC, "three", SAID)
    assert [change.learned for change in ana.changes()] == [day(5), day(5), day(9)]
    assert texts(ana.as_of(day(5)).entries(SEMANTIC)) == ["one", "two"]


def test_a_difference_names_what_changed(ana: Scope) -> None:
    ana.insert(SEMANTIC, "stays", SAID)
    ana.insert(SEMANTIC, "goes", SAID)
    ana.update(CORE, None, "about Ann", SAID)
    ana.delete(SEMANTIC, 2, SAID)
    ana.insert(EPISODIC, "comes and goes", SAID)
    ana.update(SEMANTIC, 1, "changes", SAID)
    assert ana.diff(2, 6) == (
        Difference(kind=CORE, entry_id=None, before=None, after="about Ann"),
        Difference(kind=SEMANTIC, entry_id=1, before="stays", after="changes"),
        Difference(kind=SEMANTIC, entry_id=2, before="goes", after=None),
        Difference(kind=EPISODIC, entry_id=3, before=None, after="comes and goes"),
    )
    assert ana.diff(4, 2)[-1] == Difference(kind=SEMANTIC, entry_id=2, before=None, after="goes")
    assert ana.diff(3, 3) == ()


def test_a_page_of_the_past_is_that_part_of_the_whole_past(ana: Scope) -> None:
    for number in range(1, 8):
        ana.insert(EPISODIC if number % 3 == 0 else SEMANTIC, f"text {number}", SAID)
    ana.update(CORE, None, "about Ann", SAID)
    ana.delete(SEMANTIC, 2, SAID)
    ana.update(SEMANTIC, 4, "text 4, mended", SAID)
    ana.undo(9, SAID)
    ana.undo(10, SAID)
    for number in range(13):
        whole = [entry for kind in (CORE, EPISODIC, SEMANTIC) for entry in ana.as_of(number).entries(kind)]
        assert list(ana.known(number, limit=100)) == sorted(whole, key=lambda entry: entry.id)
    assert texts(ana.known(10, [SEMANTIC], after=1, limit=2)) == ["text 4, mended", "text 5"]
    assert texts(ana.known(10, [SEMANTIC], after=5, limit=2)) == ["text 7"]
    assert texts(ana.known(10, after=0, limit=3)) == ["about Ann", "text 1", "text 3"]
    assert ana.known(0, limit=5) == ()


def test_a_page_of_the_past_goes_on_behind_what_was_deleted(ana: Scope) -> None:
    with ana.edit() as bank:
        for number in range(500):
            bank.insert(SEMANTIC, f"text {number}", SAID)
        for entry_id in range(1, 451):
            bank.delete(SEMANTIC, entry_id, SAID)
    assert texts(ana.known(950, limit=2)) == ["text 450", "text 451"]
    assert texts(ana.known(500, after=449, limit=2)) == ["text 449", "text 450"]


def read(scope: Scope, *texts: str, keep: int) -> None:
    """Chunks of one line each, of which one becomes an entry."""
    chunks = [Chunk(text=text, time="2026-05-01") for text in texts]
    with scope.read(chunks) as draft:
        provenance = Provenance(chunk=draft.first_source + keep, lines=(1,), origin=Origin.TOOL)
        draft.bank.insert(SEMANTIC, chunks[keep].text, provenance)
    assert [change.operation.after for change in draft.changes] == [chunks[keep].text]


def test_a_chunk_that_something_was_made_from_is_kept_with_it(ana: Scope, open_store: OpenStore) -> None:
    read(ana, "Hi", "Ann lives in Oslo", keep=1)
    read(ana, "Bo has a dog", keep=0)
    later = open_store().scope("acme", "ana")
    provenances = [change.operation.provenance for change in later.changes()]
    assert [(each.chunk, each.origin) for each in provenances] == [(1, Origin.TOOL), (2, Origin.TOOL)]
    assert [later.source(number) for number in range(4)] == [
        None,
        Chunk(text="Ann lives in Oslo", time="2026-05-01"),
        Chunk(text="Bo has a dog", time="2026-05-01"),
        None,
    ]
    assert open_store().scope("acme", "bo").source(1) is None


def test_chunks_go_with_the_entries_that_were_made_from_them(ana: Scope) -> None:
    read(ana, "Ann lives in Oslo", keep=0)
    read(ana, "Bo has a dog", keep=0)
    read(ana, "They say: Ann lives in Oslo, as ever", keep=0)
    ana.erase(SEMANTIC, 1)
    assert [ana.source(number) is not None for number in range(3)] == [False, True, False]
    ana.erase_all()
    assert ana.source(1) is None


def test_an_erased_entry_is_gone_with_its_history(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann has a secret", SAID, key="1")
    ana.insert(SEMANTIC, "Bo has a dog", SAID)
    ana.update(SEMANTIC, 1, "Ann has none", SAID)
    ana.update(CORE, None, "so Ann has a secret of hers", SAID)
    erasure = ana.erase(SEMANTIC, 1)
    assert erasure.also_in == ((CORE, 0),)
    assert (erasure.receipt.operations, erasure.receipt.kind, erasure.receipt.entry_id) == (2, SEMANTIC, 1)
    assert erasure.receipt.scrubbed == day(1)
    for scope in (ana, open_store().scope("acme", "ana")):
        assert texts(scope.entries(SEMANTIC)) == ["Bo has a dog"]
        assert scope.history(SEMANTIC, 1) == ()
        assert [change.operation.number for change in scope.changes()] == [2, 4]
        assert texts(hit.entry for hit in scope.search(SEMANTIC, "Ann none", 5)) == ["Bo has a dog"]
        assert scope.receipts() == (erasure.receipt,)
    with pytest.raises(ConflictError, match="what it wrote was erased"):
        ana.insert(SEMANTIC, "Ann has a secret", SAID, key="1")
    assert ana.insert(SEMANTIC, "Cy sings", SAID).operation.entry_id == 3
    assert ana.insert(SEMANTIC, "Dee cooks", SAID).operation.number == 6
    with pytest.raises(UnknownEntryError, match="semantic #1 to erase"):
        ana.erase(SEMANTIC, 1)


def test_numbers_of_what_was_erased_last_are_not_used_again(ana: Scope, open_store: OpenStore) -> None:
    ana.insert(SEMANTIC, "Ann has a secret", SAID)
    ana.erase(SEMANTIC, 1)
    for scope in (ana, open_store().scope("acme", "ana")):
        change = scope.insert(SEMANTIC, f"after {len(scope.changes())}", SAID)
        assert (change.operation.number, change.operation.entry_id) == (2 + len(scope.changes()) - 1,) * 2


def test_a_user_can_be_erased(open_store: OpenStore) -> None:
    store = open_store()
    ana, bo = store.scope("acme", "ana"), store.scope("acme", "bo")
    ana.insert(SEMANTIC, "Ann has a secret", SAID, key="1")
    ana.update(CORE, None, "about Ann", SAID)
    bo.insert(SEMANTIC, "Bo has a dog", SAID)
    receipt = ana.erase_all().receipt
    assert (receipt.operations, receipt.kind, receipt.entry_id) == (2, None, None)
    assert ana.changes() == () and ana.bank().core is None and ana.written("1") is None
    assert texts(bo.entries(SEMANTIC)) == ["Bo has a dog"] and bo.receipts() == ()
    assert ana.insert(SEMANTIC, "Ann is back", SAID).operation.number == 3
    assert store.check() == ()


def test_an_erasure_reaches_stores_that_hold_the_memory_in_ram(open_store: OpenStore) -> None:
    here, there = (open_store().scope("acme", "ana") for _ in range(2))
    here.insert(SEMANTIC, "Ann has a secret", SAID)
    assert texts(there.entries(SEMANTIC)) == ["Ann has a secret"]
    here.erase(SEMANTIC, 1)
    here.insert(SEMANTIC, "Bo has a dog", SAID)
    assert texts(there.entries(SEMANTIC)) == ["Bo has a dog"]


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6).filter(
    str.strip
)


@given(addresses=st.lists(st.tuples(names, names), min_size=2, max_size=6, unique=True))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_sees_the_memory_of_another(open_store: OpenStore, addresses: list[tuple[str, str]]) -> None:
    """Whatever the names: quotes, wildcards, slashes, another case."""
    store = open_store()
    for tenant, user in addresses:
        scope = store.scope(tenant, user)
        if not scope.changes():
            scope.insert(SEMANTIC, f"only {tenant} {user}", SAID, key="1")
    for tenant, user in addresses:
        scope = store.scope(tenant, user)
        (entry,) = scope.entries(SEMANTIC)
        assert entry == Entry(id=1, kind=SEMANTIC, text=f"only {tenant} {user}".strip(), provenance=SAID)
        assert len(scope.changes()) == len(scope.history(SEMANTIC, 1)) == len(scope.written("1") or ()) == 1
        assert scope.written("2") is None and scope.history(SEMANTIC, 2) == () and scope.get(SEMANTIC, 2) is None
        assert len(scope.as_of(9).log) == len(scope.true_at(day(9))) == len(scope.diff(0, 9)) == 1
