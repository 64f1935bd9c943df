"""Banks: every operation, every refusal, tokens, the log, forks, and any sequence of operations against plain dicts."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from memalpha.errors import (
    BankError,
    DuplicateError,
    EmptyTextError,
    NotAllowedError,
    OverLimitError,
    UnknownEntryError,
)
from memalpha.memory.bank import Action, Bank, Entry, MemoryKind, Operation, Provenance, Version
from memalpha.memory.entry import Origin
from memalpha.memory.layout import FLAT, Block, Layout
from memalpha.memory.layouts import MEMGPT

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC
HUMAN, PERSONA, ARCHIVAL = MemoryKind.HUMAN, MemoryKind.PERSONA, MemoryKind.ARCHIVAL
FIRST = Provenance(chunk=0, lines=(2,), time="2024-03-05")
SECOND = Provenance(chunk=1, time="2024-03-06", author="user")


def words(text: str) -> int:
    return len(text.split())


def bank() -> Bank:
    return Bank(count_tokens=words)


def filled() -> Bank:
    """Semantic 1 and 3, episodic 2."""
    made = bank()
    made.insert(SEMANTIC, "Ann lives in Oslo", FIRST)
    made.insert(EPISODIC, "Ann moved", FIRST)
    made.insert(SEMANTIC, "Bo has a dog", FIRST)
    return made


def test_insert_numbers_entries_of_both_kinds_by_one_counter() -> None:
    made = filled()
    assert [entry.id for entry in made.entries(SEMANTIC)] == [1, 3]
    assert [entry.id for entry in made.entries(EPISODIC)] == [2]
    assert len(made) == 3
    assert made.get(2) == Entry(id=2, kind=EPISODIC, text="Ann moved", provenance=FIRST)


def test_a_text_of_the_conversation_takes_the_place_of_the_same_text_of_a_document() -> None:
    made, page = bank(), Provenance(origin=Origin.DOCUMENT)
    for text in ("Eva is my sister.", "Bo sings.", "Ann sails."):
        made.insert(SEMANTIC, text, page)
    told = made.insert(SEMANTIC, "Eva is my sister.", SECOND)
    assert [(entry.id, entry.text) for entry in made.entries(SEMANTIC)] == [
        (2, "Bo sings."),
        (3, "Ann sails."),
        (4, "Eva is my sister."),
    ]
    assert told.provenance is SECOND
    made.update(SEMANTIC, 4, "Bo sings.", SECOND)
    raised = made.update(SEMANTIC, 3, "Ann sails.", SECOND)
    assert [(entry.id, entry.provenance) for entry in made.entries(SEMANTIC)] == [(3, SECOND), (4, SECOND)]
    assert raised.versions == (Version(text="Ann sails.", provenance=page),)
    log = [(operation.action, operation.entry_id) for operation in made.log[3:]]
    assert log == [
        (Action.DELETE, 1),
        (Action.INSERT, 4),
        (Action.DELETE, 2),
        (Action.UPDATE, 4),
        (Action.UPDATE, 3),
    ]
    made.undo(7, SECOND)
    assert made.get(4).text == "Eva is my sister."
    made.insert(SEMANTIC, "Bo sings.", page)
    made.undo(9, SECOND)  # what it brings back takes its place as well
    assert [entry.id for entry in made.entries(SEMANTIC)] == [3, 4]
    assert (made.get(4).text, made.log[-2].action, made.log[-1].undoes) == ("Bo sings.", Action.DELETE, 9)


@pytest.mark.parametrize(
    ("standing", "new"),
    [
        (Origin.USER, Origin.USER),
        (Origin.USER, Origin.DOCUMENT),
        (Origin.ASSISTANT, Origin.USER),
        (Origin.DOCUMENT, Origin.TOOL),
        (Origin.TOOL, Origin.DOCUMENT),
    ],
)
def test_no_other_text_stands_twice(standing: Origin, new: Origin) -> None:
    made = bank()
    made.insert(SEMANTIC, "Bo sings.", Provenance(origin=standing))
    other = made.insert(SEMANTIC, "Ann sails.", FIRST)
    with pytest.raises(DuplicateError):
        made.insert(SEMANTIC, "Bo sings.", Provenance(origin=new))
    with pytest.raises(DuplicateError):
        made.update(SEMANTIC, other.id, "Bo sings.", Provenance(origin=new))
    assert len(made.log) == 2


def test_taking_a_text_over_can_be_undone() -> None:
    made = bank()
    made.insert(SEMANTIC, "Bo sings.", Provenance(origin=Origin.TOOL))
    made.update(SEMANTIC, 1, "Bo sings.", FIRST)
    assert made.others == 0
    back = made.undo(2, SECOND)
    assert back == made.get(1)
    assert back is not None
    assert (back.provenance.origin, back.versions, made.others, made.tokens()) == (Origin.TOOL, (), 1, 2)
    made.undo(3, SECOND)
    assert made.get(1).provenance == FIRST


def test_nothing_makes_way_for_a_text_that_is_over_the_limit() -> None:
    small = Layout(name="small", blocks=(Block(kind=SEMANTIC, operations=frozenset(Action), max_tokens=3),))
    made = Bank(count_tokens=words, layout=small)
    made.insert(SEMANTIC, "Bo sings", Provenance(origin=Origin.TOOL))
    with pytest.raises(OverLimitError):
        made.insert(SEMANTIC, "Bo sings", FIRST)
    assert len(made.log) == 1


def test_texts_are_stripped_and_keep_inner_line_breaks() -> None:
    assert bank().insert(SEMANTIC, "  one\ntwo \n", FIRST).text == "one\ntwo"


def test_episodic_entries_are_rendered_with_their_time() -> None:
    made = filled()
    assert made.get(2).rendered == "[2024-03-05] Ann moved"
    assert made.get(2).time == "2024-03-05"
    assert made.get(1).rendered == "Ann lives in Oslo"
    assert bank().insert(EPISODIC, "undated", Provenance()).rendered == "undated"


def test_update_keeps_id_and_place_and_appends_a_version() -> None:
    made = filled()
    made.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)
    entry = made.update(SEMANTIC, 1, "Ann lives in Bern", SECOND)
    assert made.entries(SEMANTIC)[0] is entry
    assert entry.text == "Ann lives in Bern"
    assert entry.provenance == SECOND
    assert entry.versions == (
        Version(text="Ann lives in Oslo", provenance=FIRST),
        Version(text="Ann lives in Rome", provenance=SECOND),
    )


def test_an_id_is_never_used_again() -> None:
    made = filled()
    made.delete(SEMANTIC, 3, SECOND)
    assert made.insert(EPISODIC, "later", FIRST).id == 4
    with pytest.raises(UnknownEntryError, match="#3"):
        made.get(3)


def test_the_core_is_rewritten_and_cleared() -> None:
    made = bank()
    assert (made.core, made.core_text, made.entries(CORE)) == (None, "", ())
    made.update(CORE, None, "Ann, 30", FIRST)
    core = made.update(CORE, None, "Ann, 31", SECOND)
    assert (made.core, made.core_text, made.entries(CORE)) == (core, "Ann, 31", (core,))
    assert core.versions == (Version(text="Ann, 30", provenance=FIRST),)
    assert len(made) == 0
    made.delete(CORE, None, SECOND)
    assert (made.core, made.tokens()) == (None, 0)


def test_the_log_tells_every_operation() -> None:
    made = bank()
    made.insert(SEMANTIC, "one", FIRST)
    made.update(SEMANTIC, 1, "two", SECOND)
    made.delete(SEMANTIC, 1, SECOND)
    made.update(CORE, None, "core", FIRST)
    rows = [(op.number, op.action, op.kind, op.entry_id, op.before, op.after) for op in made.log]
    assert rows == [
        (1, Action.INSERT, SEMANTIC, 1, None, "one"),
        (2, Action.UPDATE, SEMANTIC, 1, "one", "two"),
        (3, Action.DELETE, SEMANTIC, 1, "two", None),
        (4, Action.UPDATE, CORE, None, None, "core"),
    ]
    assert [op.provenance for op in made.log] == [FIRST, SECOND, SECOND, FIRST]
    assert isinstance(made.log[0], Operation)
    assert len(made.log) == 4
    assert made.operations_since(3) == made.log[2:]
    assert made.operations_since(5) == ()


def test_tokens_follow_every_operation() -> None:
    made = filled()
    assert (made.tokens(), made.tokens(SEMANTIC), made.tokens(EPISODIC), made.tokens(CORE)) == (10, 8, 2, 0)
    made.update(SEMANTIC, 3, "Bo", FIRST)
    made.update(CORE, None, "a b c", FIRST)
    made.delete(EPISODIC, 2, FIRST)
    assert (made.tokens(), made.tokens(SEMANTIC), made.tokens(EPISODIC), made.tokens(CORE)) == (8, 5, 0, 3)


def test_newest_counts_insertions_only() -> None:
    made = filled()
    made.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)
    assert [entry.id for entry in made.newest(2)] == [3, 2]
    assert [entry.id for entry in made.newest(9, SEMANTIC)] == [3, 1]
    assert made.newest(0) == []
    assert made.newest(-1) == []


def test_search_ranks_entries_of_one_kind() -> None:
    made = filled()
    made.insert(SEMANTIC, "Cy sails", FIRST)
    hits = made.search(SEMANTIC, "who has a dog", 5)
    assert [hit.entry.id for hit in hits] == [3, 1, 4]
    assert hits[0].score > hits[1].score == hits[2].score == 0.0
    assert made.search(EPISODIC, "dog", 0) == []
    assert bank().search(SEMANTIC, "dog", 3) == []


def test_search_follows_edits() -> None:
    made = filled()
    made.insert(SEMANTIC, "Cy sails", FIRST)
    made.update(SEMANTIC, 1, "Ann has a cat", SECOND)
    assert made.search(SEMANTIC, "cat", 1)[0].entry.text == "Ann has a cat"
    made.delete(SEMANTIC, 1, SECOND)
    assert {hit.entry.id for hit in made.search(SEMANTIC, "cat", 9)} == {3, 4}


def test_episodic_entries_are_found_by_their_time() -> None:
    made = bank()
    for day in (4, 5, 6):
        made.insert(EPISODIC, f"meal {day * 'x'}", Provenance(time=f"2024-03-0{day}"))
    assert made.search(EPISODIC, "what was on 2024-03-05", 1)[0].entry.id == 2


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda b: b.insert(CORE, "x", FIRST), NotAllowedError, "insert on core, which allows only update, delete"),
        (lambda b: b.insert(SEMANTIC, " \n", FIRST), EmptyTextError, "empty text for semantic"),
        (lambda b: b.update(CORE, None, " ", FIRST), EmptyTextError, "empty text for core"),
        (lambda b: b.insert(SEMANTIC, " Bo has a dog ", FIRST), DuplicateError, "semantic #3"),
        (lambda b: b.update(SEMANTIC, 3, "Bo has a dog", FIRST), DuplicateError, "semantic #3"),
        (lambda b: b.update(SEMANTIC, 1, "Bo has a dog", FIRST), DuplicateError, "semantic #3"),
        (lambda b: b.update(EPISODIC, 3, "x", FIRST), UnknownEntryError, "#3 as episodic, but it is semantic"),
        (lambda b: b.update(SEMANTIC, 8, "x", FIRST), UnknownEntryError, "#8, which is not in memory"),
        (lambda b: b.update(SEMANTIC, None, "x", FIRST), UnknownEntryError, "no id for semantic"),
        (lambda b: b.update(CORE, 1, "x", FIRST), UnknownEntryError, "#1 for the core"),
        (lambda b: b.update(CORE, 0, "x", FIRST), UnknownEntryError, "#0 for the core"),
        (lambda b: b.delete(CORE, None, FIRST), UnknownEntryError, "core, which is empty"),
        (lambda b: b.delete(SEMANTIC, 2, FIRST), UnknownEntryError, "#2 as semantic, but it is episodic"),
        (lambda b: b.update(CORE, None, "w " * 513, FIRST), OverLimitError, "513 tokens .* at most 512"),
    ],
)
def test_refusals_change_nothing(action, error, message) -> None:  # type: ignore[no-untyped-def]
    made = filled()
    before = (made.log, made.tokens(), made.entries(SEMANTIC), made.entries(EPISODIC), made.core)
    with pytest.raises(error, match=message):
        action(made)
    assert (made.log, made.tokens(), made.entries(SEMANTIC), made.entries(EPISODIC), made.core) == before
    assert made.insert(SEMANTIC, "next", FIRST).id == 4


def test_a_text_that_was_replaced_or_deleted_may_be_written_again() -> None:
    made = filled()
    made.update(SEMANTIC, 1, "Ann lives in Rome", SECOND)
    made.delete(SEMANTIC, 3, SECOND)
    assert made.insert(SEMANTIC, "Ann lives in Oslo", SECOND).id == 4
    assert made.insert(SEMANTIC, "Bo has a dog", SECOND).id == 5


def test_one_text_may_stand_in_two_kinds() -> None:
    made = filled()
    assert made.insert(EPISODIC, "Bo has a dog", FIRST).id == 4


def test_the_core_takes_exactly_its_limit() -> None:
    made = bank()
    made.update(CORE, None, "w " * 512, FIRST)
    made.update(CORE, None, "v " * 512, FIRST)
    assert made.tokens(CORE) == 512


def test_a_limit_of_a_list_counts_its_texts_together() -> None:
    made = Bank(
        count_tokens=words,
        layout=Layout(name="x", blocks=(Block(kind=SEMANTIC, operations=frozenset(Action), max_tokens=4),)),
    )
    made.insert(SEMANTIC, "one two three", FIRST)
    with pytest.raises(OverLimitError, match="5 tokens for semantic memory, expected at most 4"):
        made.insert(SEMANTIC, "four five", FIRST)
    made.update(SEMANTIC, 1, "one two three four", FIRST)
    assert made.tokens() == 4


def test_a_flat_bank_has_no_lists() -> None:
    made = Bank(count_tokens=words, layout=FLAT)
    with pytest.raises(NotAllowedError, match="does not have; expected one of core"):
        made.insert(SEMANTIC, "x", FIRST)
    made.update(CORE, None, "w " * 1024, FIRST)
    assert made.search(SEMANTIC, "w", 3) == []


def test_forks_are_independent() -> None:
    parent = filled()
    child = parent.fork()
    parent.delete(SEMANTIC, 3, SECOND)
    parent.insert(SEMANTIC, "Cy sails", SECOND)
    child.update(SEMANTIC, 3, "Bo has two dogs", SECOND)
    child.update(CORE, None, "child", SECOND)
    assert [entry.text for entry in parent.entries(SEMANTIC)] == ["Ann lives in Oslo", "Cy sails"]
    assert [entry.text for entry in child.entries(SEMANTIC)] == ["Ann lives in Oslo", "Bo has two dogs"]
    assert child.insert(SEMANTIC, "own", SECOND).id == 4
    assert (len(parent.log), len(child.log), parent.core_text) == (5, 6, "")
    assert parent.search(SEMANTIC, "dogs", 1)[0].score == 0.0
    assert child.search(SEMANTIC, "dogs", 1)[0].entry.id == 3


def test_a_layout_with_several_single_texts_shows_them_under_their_names() -> None:
    made = Bank(count_tokens=words, layout=MEMGPT)
    assert made.core_text == ""
    made.update(HUMAN, None, "Ann", FIRST)
    assert (made.core_text, made.core, made.tokens()) == ("human:\nAnn", None, 1)
    made.update(PERSONA, None, "kind", FIRST)
    assert made.core_text == "persona:\nkind\nhuman:\nAnn"
    text = made.single(HUMAN)
    assert text is not None
    assert (text.id, text.text, made.log[0].entry_id) == (0, "Ann", None)
    with pytest.raises(UnknownEntryError, match="#1 for the human, which has no id"):
        made.update(HUMAN, 1, "Bo", FIRST)
    made.delete(HUMAN, None, FIRST)
    with pytest.raises(UnknownEntryError, match="on the human, which is empty"):
        made.delete(HUMAN, None, FIRST)


def test_entries_of_all_lists_share_one_counter_and_are_counted_together() -> None:
    made = Bank(count_tokens=words, layout=MEMGPT)
    made.insert(ARCHIVAL, "Ann sails", FIRST)
    made.insert(MemoryKind.RECALL, "Ann digs", SECOND)
    assert (len(made), made.get(2).text, made.frequency("ann"), made.frequency("digs")) == (2, "Ann digs", 2, 1)
    assert [entry.id for entry in made.newest(5)] == [2, 1]
    assert [entry.id for entry in made.fork().newest(5, ARCHIVAL)] == [1]
    assert [hit.entry.id for hit in made.search(ARCHIVAL, "ann", 5)] == [1]


def test_a_kind_that_the_layout_does_not_have_is_empty() -> None:
    made = Bank(count_tokens=words, layout=FLAT)
    assert (made.entries(SEMANTIC), made.newest(3, SEMANTIC), made.search(SEMANTIC, "x", 3)) == ((), [], [])
    assert (made.tokens(SEMANTIC), made.single(HUMAN), made.frequency("x")) == (0, None, 0)


short = st.text(alphabet="ab \n", max_size=4)
ids = st.none() | st.integers(0, 8)
BLOCKS = Layout(
    name="tight",
    blocks=(
        Block(kind=CORE, operations=frozenset({Action.UPDATE, Action.DELETE}), max_tokens=2),
        Block(kind=HUMAN, operations=frozenset({Action.UPDATE, Action.DELETE})),
        Block(kind=ARCHIVAL, operations=frozenset({Action.INSERT, Action.DELETE})),
        Block(kind=EPISODIC, operations=frozenset(Action)),
        Block(kind=SEMANTIC, operations=frozenset(Action), max_tokens=5),
    ),
)


kinds = st.sampled_from([block.kind for block in BLOCKS.blocks])


class BankAgainstDicts(RuleBasedStateMachine):
    """A bank under any operations, beside one dict of texts a kind; a refused operation must not change either."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = Bank(count_tokens=words, layout=BLOCKS)
        self.texts: dict[MemoryKind, dict[int | None, str]] = {block.kind: {} for block in BLOCKS.blocks}
        self.done = 0
        self.kept: list[tuple[Bank, list[Operation], dict[MemoryKind, list[str]]]] = []

    def texts_of(self, made: Bank) -> dict[MemoryKind, list[str]]:
        return {kind: [entry.text for entry in made.entries(kind)] for kind in self.texts}

    @rule(kind=kinds, text=short)
    def insert(self, kind: MemoryKind, text: str) -> None:
        try:
            entry = self.bank.insert(kind, text, FIRST)
        except DuplicateError:
            assert text.strip() in self.texts[kind].values()
            return
        except BankError:
            return
        assert not kind.single
        assert text.strip() not in self.texts[kind].values()
        self.texts[kind][entry.id] = text.strip()
        self.done += 1

    @rule(kind=kinds, entry_id=ids, text=short)
    def update(self, kind: MemoryKind, entry_id: int | None, text: str) -> None:
        try:
            self.bank.update(kind, entry_id, text, FIRST)
        except DuplicateError:
            assert text.strip() in self.texts[kind].values()
            return
        except BankError:
            return
        assert entry_id in self.texts[kind] or (kind.single and entry_id is None)
        assert text.strip() not in self.texts[kind].values()
        self.texts[kind][entry_id] = text.strip()
        self.done += 1

    @rule(kind=kinds, entry_id=ids)
    def delete(self, kind: MemoryKind, entry_id: int | None) -> None:
        try:
            self.bank.delete(kind, entry_id, FIRST)
        except UnknownEntryError:
            assert entry_id not in self.texts[kind]
            return
        del self.texts[kind][entry_id]
        self.done += 1

    @precondition(lambda self: len(self.kept) < 3)
    @rule()
    def fork(self) -> None:
        """Go on with the fork; what stays behind must not change any more."""
        self.kept.append((self.bank, list(self.bank.log), self.texts_of(self.bank)))
        self.bank = self.bank.fork()

    @invariant()
    def same_contents(self) -> None:
        assert self.texts_of(self.bank) == {kind: list(texts.values()) for kind, texts in self.texts.items()}
        assert len(self.bank.log) == self.done
        assert [op.number for op in self.bank.log] == list(range(1, self.done + 1))
        for kind, texts in self.texts.items():
            total = sum(map(words, texts.values()))
            assert self.bank.tokens(kind) == total <= (BLOCKS.limit(kind) or total)
            assert {hit.entry.text for hit in self.bank.search(kind, "a ab", 99)} == set(texts.values())
        for made, log, contents in self.kept:
            assert list(made.log) == log
            assert self.texts_of(made) == contents


BankAgainstDicts.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestBankAgainstDicts = BankAgainstDicts.TestCase


def test_what_is_replayed_is_counted_when_somebody_asks() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text.split())

    first = Bank(count_tokens=lambda text: len(text.split()))
    for number in range(100):
        first.insert(SEMANTIC, f"word {number}", FIRST)
    first.delete(SEMANTIC, 7, FIRST)
    second = Bank(count_tokens=count)
    second.replay(first.log, next_id=first.next_id, next_number=first.next_number)
    assert second.search(SEMANTIC, "42", 3) == first.search(SEMANTIC, "42", 3)
    assert second.insert(SEMANTIC, "one more word", FIRST).id == 101
    assert counted == ["one more word"]
    twin = second.fork()
    second.update(SEMANTIC, 1, "another text here", FIRST)
    second.delete(SEMANTIC, 2, FIRST)
    assert second.tokens() == 97 * 2 + 3 + 3
    assert twin.tokens() == 99 * 2 + 3
    assert second.tokens() == second.tokens(SEMANTIC) == 200
