"""BM25: numbers worked by hand, equality with the reference library after any edits, ties, forks."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from memalpha.memory.search import SMALL, BM25Index, tokenize

WORDS = ("a", "b", "c", "d", "e", "f")

texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
edits = st.lists(st.tuples(st.sampled_from(("add", "add", "update", "remove")), st.integers(0, 50), texts), max_size=40)


def index_of(*given_texts: str) -> BM25Index:
    index = BM25Index()
    for key, text in enumerate(given_texts):
        index.add(key, text)
    return index


def apply_edits(index: BM25Index, plain: dict[int, str], steps: list[tuple[str, int, str]]) -> None:
    """Do the same edits to an index and to a dict, whose order is the insertion order."""
    for action, number, text in steps:
        if action == "add":
            key = max(plain, default=100) + 1
            index.add(key, text)
            plain[key] = text
        elif plain:
            key = list(plain)[number % len(plain)]
            if action == "update":
                index.update(key, text)
                plain[key] = text
            else:
                index.remove(key)
                del plain[key]


def reference_scores(plain: dict[int, str], query: str) -> dict[int, float]:
    """What the reference library scores on a fresh index; it cannot take a corpus without words."""
    corpus = [tokenize(text) for text in plain.values()]
    if not any(corpus):
        return dict.fromkeys(plain, 0.0)
    return dict(zip(plain, BM25Okapi(corpus).get_scores(tokenize(query)).tolist(), strict=True))


def assert_same(index: BM25Index, plain: dict[int, str], query: str) -> None:
    expected = reference_scores(plain, query)
    scores = index.scores(query)
    assert list(scores) == list(expected)
    assert list(scores.values()) == pytest.approx(list(expected.values()), abs=1e-9, rel=0)
    place = {key: at for at, key in enumerate(plain)}
    order = sorted(scores, key=lambda key: (-round(scores[key], 9), place[key]))
    for k in (1, 3, len(plain), len(plain) + 5):
        assert index.search(query, k) == [(key, scores[key]) for key in order[:k]]


def test_tokenize_is_lower_case_word_characters() -> None:
    assert tokenize("Ann's 2nd café, id_7: Ünder—way!") == ["ann", "s", "2nd", "café", "id_7", "ünder", "way"]
    assert tokenize("?! …") == []


def test_scores_worked_by_hand() -> None:
    # Three texts of 2, 2 and 1 words, mean 5/3. A word in one text has idf ln(2.5/1.5); "a" is in two of three, its idf
    # is the negative of that, and a quarter of the mean of the four words takes its place: (3 - 1) / 4 / 4 of it.
    index = index_of("a b", "a c", "d")
    idf = math.log(2.5 / 1.5)
    # One occurrence weighs 2.5 / (1 + 1.5 (0.25 + 0.75 length / mean)): the divisor is 2.725 for 2 words, 2.05 for 1.
    assert index.scores("b") == pytest.approx({0: idf * 2.5 / 2.725, 1: 0.0, 2: 0.0})
    assert index.scores("a") == pytest.approx({0: idf / 8 * 2.5 / 2.725, 1: idf / 8 * 2.5 / 2.725, 2: 0.0})
    assert index.scores("d D x") == pytest.approx({0: 0.0, 1: 0.0, 2: 2 * idf * 2.5 / 2.05})


def test_an_empty_index_finds_nothing() -> None:
    assert BM25Index().search("a", 5) == []
    assert BM25Index().scores("a") == {}


def test_the_only_text_is_found_although_its_score_is_negative() -> None:
    [(key, score)] = index_of("a b").search("a", 5)
    assert (key, score < 0) == (0, True)


def test_texts_without_words_score_zero_and_are_found() -> None:
    assert index_of("!", "").search("a", 5) == [(0, 0.0), (1, 0.0)]


def test_zero_scores_fill_up_in_insertion_order_and_an_update_keeps_the_place() -> None:
    index = index_of("a", "b", "c", "d")
    index.update(0, "x")
    index.remove(1)
    index.add(9, "y")
    assert [key for key, _ in index.search("d", 3)] == [3, 0, 2]
    assert [key for key, _ in index.search("none", 9)] == [0, 2, 3, 9]


def test_no_k_finds_nothing() -> None:
    assert index_of("a").search("a", 0) == []
    assert index_of("a").search("a", -1) == []


def test_a_key_in_use_is_refused_and_an_unknown_one_too() -> None:
    index = index_of("a")
    with pytest.raises(ValueError, match="in use"):
        index.add(0, "b")
    with pytest.raises(KeyError):
        index.remove(1)
    with pytest.raises(KeyError):
        index.update(1, "b")
    assert len(index) == 1


@settings(max_examples=150, deadline=None)
@given(steps=edits, query=texts, small=st.sampled_from((0, SMALL)), dense=st.sampled_from((1, 3, 64)))
def test_any_edits_score_as_the_reference_library(
    steps: list[tuple[str, int, str]], query: str, small: int, dense: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memalpha.memory.search.SMALL", small)
        patch.setattr("memalpha.memory.search.DENSE", dense)
        index = BM25Index()
        plain: dict[int, str] = {}
        apply_edits(index, plain, steps)
        assert_same(index, plain, query)


@settings(max_examples=100, deadline=None)
@given(first=edits, left=edits, right=edits, query=texts, dense=st.sampled_from((1, 64)))
def test_forks_are_independent(
    first: list[tuple[str, int, str]],
    left: list[tuple[str, int, str]],
    right: list[tuple[str, int, str]],
    query: str,
    dense: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memalpha.memory.search.DENSE", dense)
        parent = BM25Index()
        plain: dict[int, str] = {}
        apply_edits(parent, plain, first)
        child, child_plain = parent.fork(), dict(plain)
        grandchild, grandchild_plain = child.fork(), dict(plain)
        apply_edits(parent, plain, left)
        apply_edits(child, child_plain, right)
        apply_edits(grandchild, grandchild_plain, [*right[::2], *left[::2]])
        assert_same(parent, plain, query)
        assert_same(child, child_plain, query)
        assert_same(grandchild, grandchild_plain, query)


def test_a_large_index_scores_as_the_reference_library() -> None:
    rng = random.Random(5)
    words = [f"w{rank}" for rank in range(60)]
    weights = [1 / (1 + rank) for rank in range(60)]

    def text() -> str:
        return " ".join(rng.choices(words, weights, k=rng.randint(1, 12)))

    index = BM25Index()
    plain: dict[int, str] = {}
    apply_edits(index, plain, [("add", 0, text()) for _ in range(400)])
    apply_edits(
        index, plain, [(rng.choice(("update", "remove", "add")), rng.randrange(400), text()) for _ in range(300)]
    )
    assert len(plain) > 2 * SMALL
    for _ in range(5):
        assert_same(index, plain, text())
    # The way down again passes from arrays to plain Python.
    apply_edits(index, plain, [("remove", rng.randrange(400), "") for _ in range(len(plain) - 20)])
    for _ in range(5):
        assert_same(index, plain, text())


def test_plain_python_and_numpy_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(6)
    index = index_of(*(" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(SMALL)))
    query = "a b b f"
    small = index.search(query, 30)
    monkeypatch.setattr("memalpha.memory.search.SMALL", 0)
    assert index.search(query, 30) == small


@settings(max_examples=40, deadline=None)
@given(st.lists(texts, min_size=SMALL + 1, max_size=SMALL + 70), st.lists(texts, max_size=3), texts)
def test_many_at_once_are_as_one_by_one(many: list[str], later: list[str], query: str) -> None:
    given_texts = {100 + key: text for key, text in enumerate(many)}
    index, plain = BM25Index(), dict(given_texts)
    index.add_all(given_texts)
    assert_same(index, plain, query)
    for key in list(plain)[::3]:
        index.remove(key)
        del plain[key]
    for number, text in enumerate(later):
        index.add(number, text)
        plain[number] = text
    assert_same(index, plain, query)


@given(
    st.lists(texts, max_size=12),
    st.dictionaries(st.sampled_from(WORDS), st.integers(0, 3)),
    st.sets(st.sampled_from(WORDS)),
)
def test_matches_are_those_of_telling_words(many: list[str], weights: dict[str, float], telling: set[str]) -> None:
    index = index_of(*many)
    words = [tokenize(text) for text in many]
    mean = sum(map(len, words)) / max(len(words), 1) or 1.0
    expected = []
    for key, own in enumerate(words):
        if telling & set(weights) & set(own):
            norm = 1.5 * (0.25 + 0.75 * len(own) / mean)
            score = sum(weight * own.count(word) * 2.5 / (own.count(word) + norm) for word, weight in weights.items())
            expected.append((key, score))
    expected.sort(key=lambda hit: (-round(hit[1], 9), -hit[0]))
    found = list(index.matches(weights, telling))
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-9)
