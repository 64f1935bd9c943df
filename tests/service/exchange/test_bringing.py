"""Files become memories: in order, once, with their times, and with the trust that they are due."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memalpha.errors import ArchiveError, ConflictError, MemalphaError
from memalpha.memory.entry import Action, MemoryKind, Origin, Provenance
from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.service.exchange.bringing import Bring, bring
from memalpha.service.exchange.files import export_memory
from memalpha.service.exchange.foreign import Shape

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(SQLiteDatabase(tmp_path / "memory.db"), count_tokens=words) as opened:
        yield opened


def written(folder: Path, data: object) -> Path:
    file = folder / "f.json"
    file.write_text(json.dumps(data))
    return file


def edge(fact: str, valid: str | None, invalid: str | None = None) -> dict[str, object]:
    return {"fact": fact, "name": "IN", "source_node_uuid": "ana", "valid_at": valid, "invalid_at": invalid}


def texts(store: Store, kind: MemoryKind = SEMANTIC, user: str = "me") -> list[str]:
    return [entry.text for entry in store.scope("default", user).entries(kind)]


def test_facts_come_with_their_history_and_once(store: Store, tmp_path: Path) -> None:
    rows = [
        edge("Rome", "2025-05-01T00:00:00Z"),
        edge("Oslo", "2020-01-01T00:00:00Z", "2025-05-01T00:00:00Z"),
        edge("a bike", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        edge("a lease", "2021-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
    ]
    file = written(tmp_path, {"edges": rows, "nodes": [{}]})
    plan = bring(store, file, Bring(dry_run=True))
    assert store.addresses() == ()
    told = bring(store, file, Bring())
    assert told == plan
    (brought,) = told
    assert (brought.shape, brought.tenant, brought.user, brought.before) == (Shape.ZEP, "default", "me", False)
    assert brought.operations == {Action.INSERT: 3, Action.UPDATE: 1, Action.DELETE: 1}
    assert brought.left_out == {"entities": 1, "ends that lie ahead": 1}
    me = store.scope("default", "me")
    assert texts(store) == ["Rome", "a lease"]
    assert [entry.text for entry in me.true_at(datetime(2021, 6, 1, tzinfo=UTC))] == ["Oslo", "a bike", "a lease"]
    assert me.get(SEMANTIC, 1).versions[0].text == "Oslo"  # type: ignore[union-attr]
    (again,) = bring(store, file, Bring())
    assert again.before
    assert not again.operations
    assert len(me.changes()) == 5


def test_each_user_of_a_file_gets_what_is_theirs(store: Store, tmp_path: Path) -> None:
    rows = [{"memory": "x", "user_id": "ana"}, {"memory": "x", "user_id": "bo"}, {"memory": "y"}]
    file = written(tmp_path, {"results": rows})
    assert [brought.user for brought in bring(store, file, Bring(tenant="acme"))] == ["ana", "bo", "me"]
    assert [str(address) for address in store.addresses()] == ["acme/ana", "acme/bo", "acme/me"]
    with pytest.raises(ArchiveError, match="holds several memories, got --user cy; leave --user out"):
        bring(store, file, Bring(user="cy"))
    one = written(tmp_path, {"results": rows[:1]})
    assert [brought.user for brought in bring(store, one, Bring(user="cy"))] == ["cy"]


def test_what_is_brought_is_a_document_unless_it_is_trusted(store: Store, tmp_path: Path) -> None:
    rows = [{"memory": "x"}, {"memory": "y", "role": "assistant"}]
    file = written(tmp_path, rows)
    bring(store, file, Bring())
    bring(store, file, Bring(user="ana", trust=True))
    for user, origins in (("me", [Origin.DOCUMENT] * 2), ("ana", [Origin.USER, Origin.ASSISTANT])):
        found = store.scope("default", user).entries(SEMANTIC)
        assert [entry.provenance.origin for entry in found] == origins
        assert {entry.provenance.author for entry in found} == {"mem0"}


def test_what_is_there_already_stays_and_later_files_add_what_is_new(store: Store, tmp_path: Path) -> None:
    me = store.scope("default", "me")
    me.insert(SEMANTIC, "y", Provenance())
    bring(store, written(tmp_path, [{"memory": "x"}]), Bring())
    (told,) = bring(store, written(tmp_path, [{"memory": "x"}, {"memory": "y"}, {"memory": "z"}]), Bring())
    assert texts(store) == ["y", "x", "z"]
    assert told.operations == {Action.INSERT: 1}
    assert told.left_out == {"texts that are there already": 2}
    assert me.get(SEMANTIC, 1).provenance.origin is Origin.USER  # type: ignore[union-attr]


def test_an_update_to_a_text_that_is_there_takes_the_old_one_away(store: Store, tmp_path: Path) -> None:
    store.scope("default", "me").insert(SEMANTIC, "Rome", Provenance())
    rows = [edge("Oslo", "2020-01-01", "2021-01-01"), edge("Rome", "2021-01-01")]
    bring(store, written(tmp_path, rows), Bring())
    assert texts(store) == ["Rome"]


def test_blocks_share_the_core_and_what_is_too_long_becomes_an_entry(store: Store, tmp_path: Path) -> None:
    store.scope("default", "me").update(CORE, None, "I am Ana.", Provenance())
    blocks = [
        {"label": "human", "value": "A chemist."},
        {"label": "long", "value": "word " * 600},
        {"label": "persona", "value": "Kind."},
    ]
    (told,) = bring(store, written(tmp_path, {"agents": [], "blocks": blocks}), Bring())
    assert texts(store, CORE) == ["I am Ana.\nhuman: A chemist.\npersona: Kind."]
    assert [text[:9] for text in texts(store)] == ["long: wor"]
    assert told.left_out == {"texts that the core has no room for, kept as entries": 1}


def test_a_file_whose_entries_were_erased_does_not_bring_them_back(store: Store, tmp_path: Path) -> None:
    file = written(tmp_path, [{"memory": "x"}, {"memory": "y"}])
    bring(store, file, Bring())
    store.scope("default", "me").erase(SEMANTIC, 1)
    with pytest.raises(ConflictError, match="part of what it brought was erased since; take that part out"):
        bring(store, file, Bring())
    assert texts(store) == ["y"]


def test_an_archive_comes_back_as_it_was_or_as_new_entries(store: Store, tmp_path: Path) -> None:
    ana = store.scope("acme", "ana")
    ana.insert(SEMANTIC, "x", Provenance(origin=Origin.TOOL))
    ana.update(SEMANTIC, 1, "y", Provenance(origin=Origin.TOOL))
    file = tmp_path / "ana.jsonl"
    export_memory(ana, file)
    (same,) = bring(store, file, Bring())
    assert same.before
    plan = bring(store, file, Bring(user="bo", dry_run=True))
    assert bring(store, file, Bring(user="bo")) == plan
    assert plan[0].operations == {Action.INSERT: 1, Action.UPDATE: 1}
    assert store.scope("acme", "bo").changes() == ana.changes()
    ana.insert(SEMANTIC, "z", Provenance())
    with pytest.raises(ConflictError, match="has been written to; name another user or store"):
        bring(store, file, Bring())
    (added,) = bring(store, file, Bring(user="bo", tenant="acme", as_new=True))
    assert added.left_out == {"operations of the past": 1, "texts that are there already": 1}
    bring(store, file, Bring(user="cy", as_new=True))
    (entry,) = store.scope("default", "cy").entries(SEMANTIC)
    assert (entry.text, entry.versions, entry.provenance.origin) == ("y", (), Origin.TOOL)


def test_an_archive_of_several_memories_brings_each(store: Store, tmp_path: Path) -> None:
    for user in ("ana", "bo"):
        store.scope("acme", user).insert(SEMANTIC, f"I am {user}", Provenance())
        export_memory(store.scope("acme", user), tmp_path / f"{user}.jsonl")
    both = tmp_path / "both.jsonl"
    both.write_bytes((tmp_path / "ana.jsonl").read_bytes() + (tmp_path / "bo.jsonl").read_bytes())
    told = bring(store, both, Bring(tenant="copy"))
    assert [(brought.tenant, brought.user) for brought in told] == [("copy", "ana"), ("copy", "bo")]
    with pytest.raises(ArchiveError, match="holds several memories"):
        bring(store, both, Bring(tenant="other", user="cy"))


def test_a_file_without_entries_says_so(store: Store, tmp_path: Path) -> None:
    (told,) = bring(store, written(tmp_path, {"results": []}), Bring())
    assert (told.shape, told.user, told.operations) == (Shape.MEM0, "me", {})
    assert store.addresses() == ()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["2026-05-01", "fact"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "results memory user_id id edges facts fact content uuid valid_at invalid_at source_node_uuid agents "
                "blocks value label core_memory text archive_id messages nodes items timestamp".split()
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=ANYTHING)
def test_whatever_a_file_holds_it_is_taken_or_refused(store: Store, tmp_path: Path, data: object) -> None:
    try:
        bring(store, written(tmp_path, data), Bring(dry_run=True))
    except MemalphaError as error:
        assert "\n" not in str(error)
