from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from memalpha.data.slots import CROWD, LONGEST, Slot, slot_pairs


def pairs(*texts: str) -> list[Slot]:
    return list(slot_pairs([text.split() for text in texts]))


def test_one_place_is_found_wherever_it_is() -> None:
    found = pairs("the cat sat down", "the dog sat down", "a cat sat down", "the cat sat up at once", "far off")
    assert found == [
        Slot(first=0, second=1, start=1, values=(("cat",), ("dog",))),
        Slot(first=0, second=2, start=0, values=(("the",), ("a",))),
        Slot(first=0, second=3, start=3, values=(("down",), ("up", "at", "once"))),
        Slot(first=1, second=2, start=0, values=(("the", "dog"), ("a", "cat"))),
    ]


def test_a_word_may_stand_where_there_is_none() -> None:
    assert pairs("I am well", "I am not well") == [Slot(first=0, second=1, start=2, values=((), ("not",)))]


def test_equal_texts_short_ones_and_long_gaps_are_none() -> None:
    assert pairs("a b c", "a b c") == []
    assert pairs("a", "b", "") == []
    assert pairs("a b 1 2 3 4 5", "a b 6") == []
    assert pairs() == []


def test_a_list_is_left_out() -> None:
    assert len(pairs(*(f"room {number} is free" for number in range(CROWD)))) == CROWD * (CROWD - 1) // 2
    assert pairs(*(f"room {number} is free" for number in range(CROWD + 1))) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=7), max_size=CROWD, unique_by=tuple))
def test_what_is_found_is_what_comparing_all_finds(texts: list[list[str]]) -> None:
    found = {(slot.first, slot.second) for slot in slot_pairs(texts)}
    wanted = {
        (one, other)
        for one in range(len(texts))
        for other in range(one + 1, len(texts))
        if differ_in_one_place(texts[one], texts[other])
    }
    assert found == wanted


def differ_in_one_place(one: list[str], other: list[str]) -> bool:
    return any(
        one[:start] + one[start + gap :] == other[:start] + other[start + width :]
        and one != other
        and len(one) - gap >= 2
        for gap in range(min(LONGEST, len(one)) + 1)
        for width in range(min(LONGEST, len(other)) + 1)
        for start in range(min(len(one) - gap, len(other) - width) + 1)
        if len(one) - gap == len(other) - width
    )
