"""What each rule keeps, worked by hand; a token is a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.errors import ConfigError
from memalpha.evaluation.rules import keep_file, keep_newest, keep_salient, kind_of, page_out, sort_by_kind
from memalpha.memory.bank import Action, Bank, MemoryKind
from memalpha.memory.layout import Block, Layout
from memalpha.memory.layouts import MARKDOWN, MEM1, MEMAGENT, MEMGPT, MIRIX
from memalpha.records import Chunk, Episode, Question


def words(text: str) -> int:
    return len(text.split())


def episode(*chunks: str) -> Episode:
    return Episode(
        id="e",
        chunks=tuple(Chunk(text=text, time=f"2024-03-0{day}") for day, text in enumerate(chunks, start=1)),
        questions=(Question(text="Who?", answers=("Ann",)),),
    )


def limited(layout: Layout, **limits: int) -> Layout:
    """The layout with other limits."""
    blocks = [replace(block, max_tokens=limits.get(block.kind.value, block.max_tokens)) for block in layout.blocks]
    return replace(layout, blocks=tuple(blocks))


def fill(rule: Callable[[Episode, Bank], None], layout: Layout, *chunks: str) -> Bank:
    bank = Bank(count_tokens=words, layout=layout)
    rule(episode(*chunks), bank)
    return bank


def texts(bank: Bank, kind: MemoryKind) -> list[str]:
    return [entry.text for entry in bank.entries(kind)]


def test_the_newest_sentences_that_fit_stay_in_their_order() -> None:
    bank = fill(keep_newest, limited(MEM1, core=7), "One two. Three four five.", "Six.\nSeven eight.", "Nine ten.")
    # 2 + 3, then 1 and 2 more make 8: the oldest goes. Of 3 + 1 + 2 + 2 the 3 does not fit beside 5.
    states = [operation.after for operation in bank.log]
    assert states == [
        "One two.\nThree four five.",
        "Three four five.\nSix.\nSeven eight.",
        "Six.\nSeven eight.\nNine ten.",
    ]
    assert bank.log[1].provenance.chunk == 1


def test_a_sentence_that_does_not_fit_leaves_room_for_an_older_one() -> None:
    assert fill(keep_newest, limited(MEM1, core=3), "One. Two three.", "A b c d.").core_text == "One.\nTwo three."
    # What was said before is not newer for being said again, and a memory that stays is not written again.
    bank = fill(keep_newest, limited(MEM1, core=2), "One.\nTwo.", "One.")
    assert (bank.core_text, len(bank.log)) == ("One.\nTwo.", 1)


def test_names_and_numbers_a_word_decide_what_is_salient() -> None:
    bank = fill(
        keep_salient,
        limited(MEMAGENT, core=10),
        "Thanks a lot.\nToday Ann met Bo in Rome.\nUser: My code is 3146 now.\nWell, I like it here.",
        "So Ann Ann and Ann again.",
    )
    # Names and numbers a word: 0 of 3, 3 of 6, 1 of 6 (the speaker is no name), 0 of 5 ("I" is no name); Ann once of 6.
    # 6 words are taken, then neither 6 fits into the 4 that are left, and the newest of none is 5 words: 3 fit.
    assert bank.core_text == "Thanks a lot.\nToday Ann met Bo in Rome."


def test_between_equally_salient_sentences_the_newer_stays() -> None:
    bank = fill(keep_salient, limited(MEMAGENT, core=4), "Then Ann digs wells.", "Then Bo sails boats.")
    assert bank.core_text == "Then Bo sails boats."


def test_a_paragraph_without_a_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="the layout 'mem1' without a limit for core"):
        fill(keep_newest, replace(MEM1, blocks=(replace(MEM1.blocks[0], max_tokens=None),)), "One.")


def test_a_file_has_a_heading_a_time_and_a_bullet_a_line() -> None:
    bank = fill(keep_file, MARKDOWN, "Ann sails.\nThanks.", "Bo digs.\nThanks.")
    assert texts(bank, MemoryKind.FILE) == [
        "## 2024-03-01",
        "- Ann sails.",
        "- Thanks.",
        "## 2024-03-02",
        "- Bo digs.",
    ]
    assert bank.entries(MemoryKind.FILE)[4].provenance.lines == (1,)
    undated = Bank(count_tokens=words, layout=MARKDOWN)
    keep_file(Episode(id="u", chunks=(Chunk(text="Hi."),), questions=episode("x").questions), undated)
    assert texts(undated, MemoryKind.FILE) == ["- Hi."]


def test_the_oldest_lines_of_a_full_file_go() -> None:
    # Lines of 2, 3, 2 words, then 2 and 3 more: of 8 the heading goes, then the first line.
    bank = fill(
        keep_file, limited(MARKDOWN, file=8), "Ann sails.\nThanks.", "Bo digs.\nmuch too long for a file like this."
    )
    assert texts(bank, MemoryKind.FILE) == ["- Thanks.", "## 2024-03-02", "- Bo digs."]
    assert [op.before for op in bank.log if op.action is Action.DELETE] == ["## 2024-03-01", "- Ann sails."]


def test_everything_is_recorded_and_the_first_person_is_paged_in() -> None:
    bank = fill(
        page_out,
        limited(MEMGPT, human=7),
        "User: I live in Oslo. It rains.\nAssistant: I am glad.",
        "User: My dog is old.\nUser: Bo met me.",
    )
    assert texts(bank, MemoryKind.RECALL) == [
        "User: I live in Oslo. It rains.",
        "Assistant: I am glad.",
        "User: My dog is old.",
        "User: Bo met me.",
    ]
    # 5 words, then 5 and 4: the newest that fit 7 are the 4 alone, since neither 5 fits beside them.
    human = [op.after for op in bank.log if op.kind is MemoryKind.HUMAN]
    assert human == ["User: I live in Oslo.", "User: Bo met me."]
    assert bank.core_text == "human:\nUser: Bo met me."
    assert not bank.entries(MemoryKind.ARCHIVAL)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Write to ann@oslo.no about it.", MemoryKind.VAULT),
        ("The door code is 3146.", MemoryKind.VAULT),
        ("Order 123456 came.", MemoryKind.VAULT),
        ("word " * 60, MemoryKind.RESOURCE),
        ("word " * 59, MemoryKind.SEMANTIC),
        ("This is how to bake bread.", MemoryKind.PROCEDURAL),
        ("First boil water, then add tea.", MemoryKind.PROCEDURAL),
        ("I met Ann.", MemoryKind.EPISODIC),
        ("It rained yesterday.", MemoryKind.EPISODIC),
        ("Ann lives in Oslo.", MemoryKind.SEMANTIC),
    ],
)
def test_a_line_goes_where_it_looks_like(line: str, kind: MemoryKind) -> None:
    assert kind_of(line) is kind


def test_each_line_is_in_one_store_and_what_the_user_says_of_themselves_in_view() -> None:
    bank = fill(
        sort_by_kind, MIRIX, "User: I met Ann.\nAnn lives in Oslo.", "The door code is 3146.\nAnn lives in Oslo."
    )
    assert {kind.value: texts(bank, kind) for kind in MIRIX.stores if texts(bank, kind)} == {
        "vault": ["The door code is 3146."],
        "semantic": ["Ann lives in Oslo."],
        "episodic": ["User: I met Ann."],
    }
    assert bank.core_text == "human:\nUser: I met Ann."


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(alphabet="aAI1. \n", min_size=1, max_size=40).filter(lambda text: text.strip() != ""),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 12),
)
def test_no_rule_passes_a_limit(chunks: list[str], limit: int) -> None:
    for rule, layout, kind in (
        (keep_newest, MEM1, MemoryKind.CORE),
        (keep_salient, MEMAGENT, MemoryKind.CORE),
        (keep_file, MARKDOWN, MemoryKind.FILE),
        (page_out, MEMGPT, MemoryKind.HUMAN),
        (sort_by_kind, MIRIX, MemoryKind.HUMAN),
    ):
        bank = fill(rule, limited(layout, **{kind.value: limit}), *chunks)
        assert bank.tokens(kind) <= limit


def test_counts_of_parts_that_do_not_add_up_are_made_to_fit() -> None:
    # Joined by a line break two sentences cost 3 tokens more than apart.
    layout = Layout(
        name="x", blocks=(Block(kind=MemoryKind.CORE, operations=frozenset(Action) - {Action.INSERT}, max_tokens=4),)
    )
    bank = Bank(count_tokens=lambda text: words(text) + 3 * text.strip().count("\n"), layout=layout)
    keep_newest(episode("One two.\nThree."), bank)
    assert bank.core_text == "Three."
