"""Forms of English words, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.memory.inflections import forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("live", "lives"), ("live", "lived"), ("live", "living"), ("lives", "living"), ("lived", "lives"),
        ("walk", "walked"), ("walking", "walks"), ("stop", "stopped"), ("stopping", "stops"), ("run", "running"),
        ("city", "cities"), ("study", "studied"), ("studies", "studying"), ("box", "boxes"), ("wishes", "wished"),
        ("play", "played"), ("plays", "playing"), ("house", "houses"), ("bus", "buses"), ("need", "needed"),
        ("agree", "agreed"), ("use", "using"),
    ],
)  # fmt: skip
def test_forms_of_one_word_lead_to_each_other(one: str, other: str) -> None:
    assert other in forms(one)
    assert one in forms(other)


@pytest.mark.parametrize(
    ("word", "other"),
    [("king", "k"), ("sing", "s"), ("bed", "b"), ("thing", "th"), ("string", "str"), ("feed", "fee")],
)
def test_what_only_looks_like_a_form_is_none(word: str, other: str) -> None:
    assert other not in forms(word)
    assert all(each.startswith(word[:3]) for each in forms(word))


@pytest.mark.parametrize("word", ["x", "7", "2024", "a1", "_", "hm", "pst"])
def test_what_is_no_english_word_has_one_form(word: str) -> None:
    assert forms(word) == (word,)


@given(st.text(max_size=12))
def test_any_text_is_a_form_of_itself_and_others_begin_alike(word: str) -> None:
    found = forms(word)
    assert found[0] == word
    assert len(set(found)) == len(found) < 40
    assert all(each[: len(word) - 4] == word[: len(word) - 4] for each in found if len(word) > 4)
