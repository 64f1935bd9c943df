"""Normalisation, sentences and packing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.text import cut_chunks, first_line, normalise, sentences, shorten


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The  Quick, brown\nfox! ", "quick brown fox"),
        ("An apple a day", "apple day"),
        ("don\u2019t", "dont"),
        ("\u00abOz\u00bb \u2014 theatre", "oz theatre"),
        ("A", "a"),
        ("The The", "the the"),
        ("+", "+"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\u6771\u4eac\u3002", "\u6771\u4eac"),
        (" \n", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_normalise_is_idempotent_and_keeps_what_is_not_blank(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert bool(once) == bool(text.strip())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. J. A. Smith lives in the U.S. Virgin Islands. He pays 3.5 dollars.", 2),
        ("He moved to the U.S. The move was hard.", ["He moved to the U.S.", "The move was hard."]),
        ("We met at 5 p.m. on Monday, e.g. In the park.", 1),
        ("They met at 5 p.m. Then they left.", 2),
        ("See No. 5 on p. 12. No. I will not.", ["See No. 5 on p. 12.", "No.", "I will not."]),
        ('"Why?" he asked. "Go home." She went.', ['"Why?" he asked.', '"Go home."', "She went."]),
        ("Wait ... what? Well... Fine.", ["Wait ... what?", "Well...", "Fine."]),
        ("a line that\nwas wrapped. Next", ["a line that was wrapped.", "Next"]),
        ("Chapter I\nThe Cyclone\n\n\nDorothy ran.", ["Chapter I The Cyclone", "Dorothy ran."]),
        ("To buy:\n- milk\n- eggs\n1. Go. 2. Pay", ["To buy:", "- milk", "- eggs", "1. Go.", "2. Pay"]),
        ("\u4eca\u65e5\u306f\u3002\u660e\u65e5\uff01", ["\u4eca\u65e5\u306f\u3002", "\u660e\u65e5\uff01"]),
        ("", []),
        (" \r\n\r\n ", []),
    ],
)
def test_sentences(text: str, expected: list[str] | int) -> None:
    found = sentences(text)
    assert found == expected if isinstance(expected, list) else len(found) == expected


@given(st.text(alphabet="aB1.!?'\" \n-\u3002"))
def test_sentences_keep_every_character_but_space(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in found)


def test_long_runs_of_marks_are_quick() -> None:
    assert len(sentences("." * 200_000 + "x")) == 1
    assert len(sentences("A. " * 20_000)) == 1
    assert len(sentences("Dr. " * 20_000)) == 1


def test_cut_chunks_fills_each_chunk() -> None:
    assert cut_chunks(["a b c", "d e", "f", "g h"], 5, words) == [["a b c", "d e"], ["f", "g h"]]


def test_cut_chunks_cuts_only_a_sentence_that_alone_is_too_long() -> None:
    assert cut_chunks(["a", "b c d e f", "g"], 3, words) == [["a"], ["b c d"], ["e f", "g"]]


def test_cut_chunks_keeps_one_long_word_whole() -> None:
    assert cut_chunks(["ab", "abcdefgh", "  ", "cd"], 5, len) == [["ab"], ["abcdefgh"], ["cd"]]


def test_cut_chunks_counts_the_joined_text() -> None:
    # Characters: "aa bb" is 5, one more than its parts.
    assert cut_chunks(["aa", "bb", "cc"], 4, len) == [["aa"], ["bb"], ["cc"]]
    assert cut_chunks(["aa", "bb", "cc"], 5, len) == [["aa", "bb"], ["cc"]]


def test_cut_chunks_counts_what_it_is_joined_by() -> None:
    assert cut_chunks(["aa", "bb", "cc"], 6, len, separator=", ") == [["aa", "bb"], ["cc"]]
    assert cut_chunks(["aa", "bb", "cc"], 5, len, separator=", ") == [["aa"], ["bb"], ["cc"]]
    assert cut_chunks(["a b c", "d"], 3, len, separator="--") == [["a b"], ["c"], ["d"]]


def test_cut_chunks_refuses_a_limit_below_one() -> None:
    with pytest.raises(ValueError, match="max_tokens=0"):
        cut_chunks(["a"], 0, words)


@given(st.lists(st.text(alphabet="ab ", max_size=12)), st.integers(1, 10))
def test_cut_chunks_loses_no_word_and_keeps_the_limit(texts: list[str], limit: int) -> None:
    chunks = cut_chunks(texts, limit, len)
    assert " ".join(" ".join(chunk) for chunk in chunks).split() == " ".join(texts).split()
    for chunk in chunks:
        assert len(" ".join(chunk)) <= limit or (len(chunk) == 1 and len(chunk[0].split()) == 1)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(9, " one two\n three "), (3, " one two\n three "), (2, " one two"), (1, " one"), (0, "")],
)
def test_a_text_is_shortened_between_words(limit: int, expected: str) -> None:
    assert shorten(" one two\n three ", limit, words) == expected


@given(st.text(alphabet="ab \n", max_size=40), st.integers(0, 12))
def test_a_shortened_text_is_the_longest_start_that_fits(text: str, limit: int) -> None:
    short = shorten(text, limit, words)
    assert text.startswith(short)
    assert words(short) == min(limit, words(text))


def test_the_first_line_of_an_error() -> None:
    assert first_line(ValueError(" one\ntwo ")) == "one"
    assert first_line(ValueError("  ")) == "ValueError"
