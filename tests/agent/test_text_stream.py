"""Text from tokens as they come: what is told early stays, and in the end it is what all tokens decode to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from memalpha.agent.text_stream import TextStream, held_back
from memalpha.agent.tokens import NANO_FOLDER


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(NANO_FOLDER / "tokenizer.json"))


def letters(ids: list[int]) -> str:
    return "".join(chr(each) for each in ids)


def spelled(text: str, *stop: str) -> tuple[list[str], TextStream]:
    """What is sure after each letter, and the stream."""
    stream = TextStream(letters, stop)
    told = []
    for letter in text:
        stream.push(ord(letter))
        told.append(stream.sure)
    return told, stream


def test_what_may_become_a_stop_text_is_held_back() -> None:
    told, stream = spelled("a<b</c", "</", "</x")
    assert told == ["a", "a", "a<b", "a<b", "a<b", "a<b"]
    assert (stream.stopped, stream.text, stream.finish()) == (True, "a<b", "a<b")


def test_what_was_held_back_in_vain_is_told_in_the_end() -> None:
    told, stream = spelled("ab<", "<stop>")
    assert told == ["a", "ab", "ab"]
    assert (stream.finish(), stream.sure, stream.stopped) == ("ab<", "ab<", False)


def test_the_first_stop_text_ends_whatever_their_order() -> None:
    _, stream = spelled("one two", "two", "e t")
    assert stream.finish() == "on"


def test_a_stop_text_may_stand_in_one_token() -> None:
    stream = TextStream(lambda ids: "ab\n\ncd" * len(ids), ("\n\n",))
    stream.push(1)
    assert (stream.text, stream.stopped) == ("ab", True)
    stream.push(1)
    assert stream.finish() == "ab"


def test_part_of_a_character_is_held_back(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("a🙂b").ids
    assert len(ids) > 3
    stream = TextStream(tokenizer.decode)
    told = []
    for each in ids:
        stream.push(each)
        told.append(stream.text)
    assert set(told) == {"a", "a🙂", "a🙂b"}
    cut = TextStream(tokenizer.decode)
    for each in ids[:2]:
        cut.push(each)
    assert (cut.text, cut.finish()) == ("a", tokenizer.decode(ids[:2]))


def test_a_space_that_hangs_on_the_word_before_is_kept() -> None:
    # Some tokenizers drop the space at the start of what they decode.
    def decode(ids: list[int]) -> str:
        return "".join([" one", " two", " three"][each] for each in ids).removeprefix(" ")

    stream = TextStream(decode)
    for each in (0, 1, 2):
        stream.push(each)
    assert stream.text == "one two three"


@given(ids=st.lists(st.integers(4, 2047), max_size=30), stop=st.lists(st.text('ae <{"n', min_size=1), max_size=3))
def test_any_tokens_give_the_text_of_all_of_them_up_to_a_stop_text(
    tokenizer: Tokenizer, ids: list[int], stop: list[str]
) -> None:
    whole: Any = tokenizer.decode(ids, skip_special_tokens=False)
    free, stream = TextStream(decode_with(tokenizer)), TextStream(decode_with(tokenizer), stop)
    before = ""
    for each in ids:
        free.push(each)
        stream.push(each)
        assert stream.sure.startswith(before)
        before = stream.sure
    assert free.finish() == whole
    assert stream.finish().startswith(before)
    places = [whole.find(each) for each in stop if each in whole]
    assert stream.text == (whole[: min(places)] if places else whole)


def decode_with(tokenizer: Tokenizer) -> Any:
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize(
    ("text", "marks", "expected"),
    [("", ("ab",), 0), ("xa", ("ab",), 1), ("xab", ("ab",), 0), ("aab", ("abc", "b!"), 2), ("aaa", ("aaab",), 3)],
)
def test_held_back(text: str, marks: tuple[str, ...], expected: int) -> None:
    assert held_back(text, marks) == expected
