"""Cutting passages at line ends, finding answers in them, and moving evidence along."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.passages import (
    Filled,
    cut_lines,
    dated,
    expect_positive,
    fill,
    holding,
    limit_chunks,
    pack,
    places,
)
from memalpha.errors import ConfigError
from memalpha.records import Chunk, Episode, Question

LINE = st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=8).map(" ".join)


def words(text: str) -> int:
    return len(text.split())


def test_lines_are_packed_up_to_the_limit() -> None:
    assert cut_lines(["a b c", "d e", "f"], 6, words) == ["a b c\nd e\nf"]
    assert cut_lines(["a b c", "d e", "f"], 5, words) == ["a b c\nd e", "f"]
    assert cut_lines(["a b c", "d e", "f"], 3, words) == ["a b c", "d e\nf"]
    assert cut_lines(["a b c", "d e", "f"], 2, words) == ["a b", "c", "d e", "f"]


def test_a_line_over_the_limit_is_cut_at_words_and_a_word_stays_whole() -> None:
    assert cut_lines(["a b c d e"], 2, words) == ["a b", "c d", "e"]
    assert cut_lines(["supercalifragilistic", "a"], 5, len) == ["supercalifragilistic", "a"]


@given(st.lists(LINE, min_size=1, max_size=8), st.integers(1, 30))
def test_no_part_is_over_the_limit_and_no_word_is_lost(lines: list[str], limit: int) -> None:
    texts = cut_lines(lines, limit, len)
    assert all(len(text) <= limit or words(text) == 1 for text in texts)
    assert " ".join(texts).split() == " ".join(lines).split()


def test_texts_are_filled_over_the_ends_of_passages() -> None:
    passages = [["a b", "c"], [], ["d e f g", "h"], ["i"]]
    assert pack(passages, 5, words) == (["a b\nc", "d e f g\nh", "i"], [range(1), range(0), range(1, 2), range(2, 3)])
    assert pack(passages, 3, words) == (
        ["a b\nc", "d e f", "g\nh\ni"],
        [range(1), range(0), range(1, 3), range(2, 3)],
    )
    assert pack([], 3, words) == ([], [])


def test_line_breaks_count_as_they_are_counted() -> None:
    assert pack([["aa"], ["bb"], ["cc"]], 5, len) == (["aa\nbb", "cc"], [range(1), range(1), range(1, 2)])


@given(st.lists(st.lists(LINE, max_size=4), max_size=6), st.integers(1, 30))
def test_every_word_of_a_passage_stands_in_its_texts(passages: list[list[str]], limit: int) -> None:
    texts, held = pack(passages, limit, len)
    assert all(len(text) <= limit or words(text) == 1 for text in texts)
    assert " ".join(texts).split() == " ".join(line for lines in passages for line in lines).split()
    for lines, places_of in zip(passages, held, strict=True):
        assert set(" ".join(lines).split()) <= set(" ".join(texts[index] for index in places_of).split())
        assert bool(places_of) is bool(lines)


def test_evidence_is_where_an_answer_stands_or_all_that_was_given() -> None:
    texts = ["in Oslo", "in Rome", "in Oslo again", "Bergen"]
    assert holding(("Oslo", "Bergen"), texts, [3, 1, 0]) == (0, 3)
    assert holding(("Porto",), texts, {2, 1}) == (1, 2)
    assert holding(("Oslo",), texts, ()) == ()


def filled(sizes: list[int], least: int, most: int, seed: int = 0) -> list[Filled]:
    passages = [[f"p{at} " * size] for at, size in enumerate(sizes)]
    return fill(passages, least, most, words, random.Random(seed))


def test_passages_fill_texts_and_a_longer_one_is_cut() -> None:
    found = filled([2, 2, 2, 7, 1], 5, 5)
    assert [(sorted(each.passages), words(each.text)) for each in found] == [
        ([0, 1], 4),
        ([2], 2),
        ([3], 5),
        ([3, 4], 3),
    ]
    assert found[0].text == "p0 p0 \n\np1 p1 "


def test_sizes_are_drawn_anew_for_each_text() -> None:
    sizes = {words(each.text) for each in filled([1] * 400, 3, 9)[:-1]}
    assert sizes == set(range(3, 10))


@given(st.lists(st.integers(1, 12), max_size=12), st.integers(1, 6), st.integers(0, 6), st.integers(0, 5))
def test_nothing_is_lost_and_the_order_stays(sizes: list[int], least: int, more: int, seed: int) -> None:
    found = filled(sizes, least, least + more, seed)
    assert " ".join(each.text for each in found).split() == [f"p{at}" for at, n in enumerate(sizes) for _ in range(n)]
    for each in found:
        assert words(each.text) <= least + more
        assert each.passages == {int(word[1:]) for word in each.text.split()}


def test_chunks_are_a_day_apart() -> None:
    assert [chunk.time for chunk in dated(["a"] * 61)][::30] == ["2024-01-01", "2024-01-31", "2024-03-01"]
    assert dated(["a", "b"])[1] == Chunk(text="b", time="2024-01-02")


@pytest.mark.parametrize(
    ("answer", "texts", "expected"),
    [
        ("Oslo", ["in oslo.", "in Rome", "OSLO"], (0, 2)),
        ("ten men", ["Ten\nmen", "ten"], (0,)),
        ("10", ["in 1066", "in 1100", "the 10 of"], (2,)),
        ("10", ["in 1066, 2010", "in 1987"], (0,)),
        ("$5 (net)", ["for $5 (net).", "x$5 (net)"], (0,)),
        ("Oslo", ["Rome"], ()),
    ],
)
def test_an_answer_stands_where_its_words_do(answer: str, texts: list[str], expected: tuple[int, ...]) -> None:
    assert places(answer, texts) == expected


def test_evidence_follows_the_answer_when_chunks_are_cut() -> None:
    chunks = (
        Chunk(text="One two three.", time="2024-05-01"),
        Chunk(text="Red is it. Blue is it. Green is it.", time="2024-05-02"),
    )
    asked = (
        Question(text="Which?", answers=("blue",), evidence=(1,)),
        Question(text="Sum?", answers=("absent",), evidence=(0, 1)),
        Question(text="Any?", answers=("red",)),
    )
    cut = limit_chunks(Episode(id="e", chunks=chunks, questions=asked), 3, words)
    assert [chunk.text for chunk in cut.chunks] == ["One two three.", "Red is it.", "Blue is it.", "Green is it."]
    assert [chunk.time for chunk in cut.chunks] == ["2024-05-01"] + ["2024-05-02"] * 3
    assert [question.evidence for question in cut.questions] == [(2,), (0, 1, 2, 3), ()]


def test_an_episode_within_the_limit_stays_as_it_is() -> None:
    episode = Episode(
        id="e", chunks=(Chunk(text="a  b\n\nc"),), questions=(Question(text="?", answers=("a",), evidence=(0,)),)
    )
    assert limit_chunks(episode, 3, words) == episode


def test_a_limit_below_one_is_refused() -> None:
    expect_positive([("a", 1), ("b", None)])
    with pytest.raises(ConfigError, match="got b=0, expected at least 1"):
        expect_positive([("a", 1), ("b", 0)])
