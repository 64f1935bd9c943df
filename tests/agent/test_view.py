"""What a writer is shown: the newest entries, the entry that a line is about however old it is, and the nano prompt."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.agent.view import DEFAULT_VIEW, PAPER_VIEW, View, ViewConfig, build_view, find_related, nano_prompt
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.entry import Origin
from memalpha.records import Chunk

SEMANTIC, EPISODIC = MemoryKind.SEMANTIC, MemoryKind.EPISODIC
CORRECTION = "User: Not tea any more for Ann: the drink is cider now."


def bank(*texts: str, kind: MemoryKind = SEMANTIC) -> Bank:
    made = Bank(count_tokens=lambda text: len(text.split()))
    for text in texts:
        made.insert(kind, text, Provenance())
    return made


def large(n: int) -> Bank:
    """n facts about people, those of Ann and Bo among the oldest."""
    people = ["Ann", "Bo", *(f"Person{number}" for number in range(2, n))]
    return bank(*(f"{name}'s {'drink' if at % 2 == 0 else 'boat'} is tea." for at, name in enumerate(people)))


def related(made: Bank, line: str, config: ViewConfig = DEFAULT_VIEW) -> list[int]:
    return [entry.id for entry in find_related(made, line, config)]


def test_an_old_entry_is_found_among_thousands() -> None:
    made = large(3000)
    chunk = Chunk(text=f"{CORRECTION}\nAssistant: Thanks.\nBo has sold the boat.")
    view = build_view(made, chunk)
    assert [[entry.id for entry in entries] for entries in view.related] == [[1], [], [2]]
    assert view.related_entries == (made.get(1), made.get(2))


def test_the_view_does_not_grow_with_the_memory() -> None:
    chunk = Chunk(text=f"{CORRECTION}\nBo has sold the boat.")
    small, big = (build_view(large(n), chunk) for n in (20, 3000))
    sizes = [(len(view.newest), len(view.related_entries), len(nano_prompt(view, chunk))) for view in (small, big)]
    assert sizes[0][:2] == sizes[1][:2] == (1, 2)
    assert sizes[1][2] - sizes[0][2] == 2 * len("00")  # an id and a name of two digits more


def test_weight_of_common_words_by_hand() -> None:
    made = bank("Ann's favourite drink is tea.", "Ann's drink.", "Bo sold paint to Ann in Rome.")
    # Of three entries all have Ann, two drink, one tea and favourite, none cider. In logarithms: drink 2.4, tea and
    # favourite 10/3, cider 8, and Ann, whose name counts twice, 2 · 2. The line has tea, Ann, drink and cider: ln 256.
    # It shares ln 32 with entry 1, which has ln 106.7: 0.742. It shares ln 9.6 with entry 2, all that is in it, and
    # ln 4 with entry 3, which has more than the line: 0.25.
    three = ViewConfig(related=3, overlap=0.249)
    assert related(made, CORRECTION, three) == [1, 2, 3]
    assert related(made, CORRECTION, replace(three, overlap=0.251)) == [1, 2]
    assert related(made, CORRECTION, replace(three, overlap=0.742)) == [1, 2]
    assert related(made, CORRECTION, replace(three, overlap=0.743)) == [2]
    assert related(made, CORRECTION, ViewConfig(related=1, overlap=0.743)) == [2]


def test_names_and_numbers_decide_between_entries_with_as_many_common_words() -> None:
    # Each shares two words with the line; of the second a name or a number is among them, unless both hide it.
    named, hidden = "Paint for Ann of blue, the sky.", "paint for ann of blue, the sky."
    loose = ViewConfig(overlap=0.4)
    assert related(bank("The sky is blue.", "The paint is Ann's."), named, loose) == [2]
    assert related(bank("The sky is blue.", "The paint is Ann's."), hidden, loose) == [2]
    assert related(bank("The sky is blue.", "The paint is ann's."), named, loose) == [2]
    assert related(bank("the sky is blue.", "the paint is ann's."), hidden, loose) == [1]
    for line, found in (("paint for room 12 of blue, the sky.", [2]), ("paint for room a of blue, the sky.", [1])):
        assert related(bank("the sky is blue.", "the paint is in 12."), line, loose) == found


def test_what_everybody_has_relates_nobody() -> None:
    people = [f"{first}{last}" for first in ("An", "Bo", "Cy", "Di") for last in ("na", "ra", "la", "ta")]
    for known in (1, 16):
        made = bank(*(f"{name}'s favourite drink is tea{name}." for name in people[:known]))
        assert related(made, "Zoe's favourite drink is milk.") == []
        assert related(made, "Not teaAnna any more for Anna: the drink is milk now.") == [1]


def test_function_words_relate_nothing() -> None:
    assert related(bank("It is not any more what it was.", "User: that was it."), "That is not it any more.") == []
    assert related(bank("Ann sails."), "...") == []
    assert related(bank("..."), "Ann sails.") == []


def test_both_stores_are_searched_and_the_older_of_two_alike_comes_first() -> None:
    made = bank("Ann sails.", kind=EPISODIC)
    made.insert(SEMANTIC, "Ann sails.", Provenance())
    assert related(made, "Ann sails today.", ViewConfig(related=2)) == [1, 2]
    assert related(made, "Ann sails today.") == [1]


def test_the_newest_of_each_store_are_shown_oldest_first() -> None:
    made = bank("a one", "a two", "a three")
    made.insert(EPISODIC, "b four", Provenance())
    made.insert(SEMANTIC, "a five", Provenance())
    made.insert(EPISODIC, "b six", Provenance())
    view = build_view(made, Chunk(text="x"), ViewConfig(newest=2))
    assert [entry.id for entry in view.newest] == [3, 4, 5, 6]
    assert [entry.id for entry in build_view(made, Chunk(text="x")).newest] == [5, 6]
    assert build_view(made, Chunk(text="x"), ViewConfig(newest=0)).newest == ()


def test_the_paper_shows_five_of_each_store_and_nothing_older() -> None:
    made = bank(*(f"Ann fact {n}" for n in range(7)))
    for n in range(6):
        made.insert(EPISODIC, f"Ann act {n}", Provenance())
    view = build_view(made, Chunk(text="Ann fact 0 is wrong.\nAnn act 0"), PAPER_VIEW)
    assert [entry.id for entry in view.newest] == [3, 4, 5, 6, 7, 9, 10, 11, 12, 13]
    assert view.related == ((), ())


def test_related_entries_come_once_and_without_the_newest() -> None:
    made = bank("Ann sails.", "Bo paints.", "Cy digs.")
    view = build_view(made, Chunk(text="Bo paints now.\nAnn sails now.\nBo paints again.\nCy digs."))
    assert [entry.id for entry in view.newest] == [3]
    assert [[entry.id for entry in entries] for entries in view.related] == [[2], [1], [2], [3]]
    assert [entry.id for entry in view.related_entries] == [2, 1]


def test_an_updated_entry_is_found_by_its_new_text_only() -> None:
    made = bank("Ann's drink is tea.", "Bo digs.")
    made.update(SEMANTIC, 1, "Cy sells paint.", Provenance())
    assert related(made, CORRECTION) == []
    assert related(made, "Cy sells no paint.") == [1]


def golden() -> tuple[Bank, Chunk]:
    made = bank("Ann's drink is tea.")
    made.insert(EPISODIC, "Bo called.\nTwice.", Provenance(time="2024-03-01"))
    made.insert(SEMANTIC, "Bo sails.", Provenance())
    made.update(MemoryKind.CORE, None, "Ann and Bo\ntalk.", Provenance())
    return made, Chunk(text=f"User: Thanks.\n\n {CORRECTION} ", time="2024-03-05")


def test_the_nano_prompt() -> None:
    made, chunk = golden()
    assert nano_prompt(build_view(made, chunk), chunk) == (
        "core: Ann and Bo / talk.\n"
        "episodic 2: Bo called. / Twice.\n"
        "semantic 3: Bo sails.\n"
        "<|chunk|>2024-03-05\n"
        "User: Thanks. #1\n"
        "User: Not tea any more for Ann: the drink is cider now. #2\n"
        "~semantic 1: Ann's drink is tea.\n"
    )


def test_the_nano_prompt_of_an_empty_memory_and_with_a_budget() -> None:
    view = View(core="", newest=(), related=((),))
    assert nano_prompt(view, Chunk(text="Hi.")) == "<|chunk|>\nHi. #1\n"
    assert nano_prompt(view, Chunk(text="Hi.", time="2024-03-05"), 0.3) == "<|chunk|>2024-03-05 keep 30%\nHi. #1\n"
    assert nano_prompt(view, Chunk(text="Hi."), 1.0) == "<|chunk|> keep 100%\nHi. #1\n"


def test_the_nano_prompt_with_words_to_look_out_for() -> None:
    view = View(core="", newest=(), related=((),))
    focus = ("names", "dates")
    assert nano_prompt(view, Chunk(text="Hi."), focus=focus) == "<|chunk|> about names dates\nHi. #1\n"
    dated = Chunk(text="Hi.", time="2024-03-05")
    assert nano_prompt(view, dated, 0.3, focus) == "<|chunk|>2024-03-05 keep 30% about names dates\nHi. #1\n"


def test_a_view_of_another_chunk_is_refused() -> None:
    made, chunk = golden()
    with pytest.raises(ValueError, match="shorter"):
        nano_prompt(build_view(made, chunk), Chunk(text="a\nb\nc"))


words = st.sampled_from("Ann Bo tea cider drink boat 12 sails is the not".split())
lines = st.lists(words, min_size=1, max_size=5).map(" ".join)


def weight(words: set[str], texts: list[tuple[MemoryKind, str]]) -> float:
    having = {word: sum(word in text.split() for _, text in texts) for word in words}
    rarity = {word: math.log(1 + (len(texts) + 0.5) / (having[word] + 0.5)) for word in words}
    return sum(rarity[word] * (2 if word in ("Ann", "Bo", "12") else 1) for word in words)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.tuples(st.sampled_from((SEMANTIC, EPISODIC)), lines), max_size=12, unique=True),
    chunk=st.lists(lines, min_size=1, max_size=4),
    newest=st.integers(0, 3),
    count=st.integers(0, 3),
    overlap=st.sampled_from((0.25, 0.5, 1.0)),
)
def test_a_view_holds_what_it_may_and_each_of_it_stands_on_a_line_of_the_prompt(
    texts: list[tuple[MemoryKind, str]], chunk: list[str], newest: int, count: int, overlap: float
) -> None:
    made = Bank(count_tokens=len)
    for kind, text in texts:
        made.insert(kind, text, Provenance())
    source = Chunk(text="\n".join(chunk))
    view = build_view(made, source, ViewConfig(newest=newest, related=count, overlap=overlap))
    assert len(view.newest) <= 2 * newest
    assert [entry.id for entry in view.newest] == sorted(entry.id for entry in view.newest)
    assert all(len(entries) == len(set(entries)) <= count for entries in view.related)
    assert all(made.get(entry.id) == entry for entry in view.related_entries)
    for line, entries in zip(chunk, view.related, strict=True):
        told = set(line.split()) - {"is", "the", "not"}
        for entry in entries:
            said = set(entry.text.split()) - {"is", "the", "not"}
            least = min(weight(told, texts), weight(said, texts))
            assert weight(told & said, texts) >= overlap * least - 1e-9 > 0
    prompt = nano_prompt(view, source).splitlines()
    assert len(prompt) == len(view.newest) + 1 + len(chunk) + sum(map(len, view.related))


def flooded(lookalikes: int) -> Bank:
    """A fact of the user, and many of a document that are as like a line about it."""
    made = bank("Ann's drink is tea.")
    for number in range(lookalikes):
        made.insert(SEMANTIC, f"Ann's drink is water {number}.", Provenance(origin=Origin.DOCUMENT))
    return made


@pytest.mark.parametrize("lookalikes", [1, 4, 5, 200])
def test_beside_the_conversation_only_its_own_entries_are_shown(lookalikes: int) -> None:
    made, chunk = flooded(lookalikes), Chunk(text="User: Ann's drink is cider now.")
    # What documents repeat makes words common, so that a line shares less of its weight with anything.
    config = ViewConfig(overlap=0.01)
    view = build_view(made, chunk, config, said=True)
    assert [entry.id for entry in view.newest] == [1]
    assert view.related == ((made.get(1),),)
    page = build_view(made, chunk, config, said=False)
    assert [entry.id for entry in page.newest] == [lookalikes + 1]


def test_what_is_nothing_but_of_documents_is_not_shown_beside_the_conversation() -> None:
    made = bank()
    for number in range(9):
        made.insert(SEMANTIC, f"Ann's drink is water {number}.", Provenance(origin=Origin.TOOL))
    view = build_view(made, Chunk(text="User: Ann's drink is cider now."))
    assert (view.newest, view.related) == ((), ((),))
