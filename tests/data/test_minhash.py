"""Near texts, worked by hand; then the proposals against counting every pair."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.minhash import NEAR, Pair, near_pairs

WHALE = "old whale sings at night in cold sea"  # 8 words, 6 n-grams


def near_pairs_reference(first: Sequence[str], second: Sequence[str]) -> list[Pair]:
    """Every pair, by its words themselves."""

    def grams(text: str) -> set[tuple[str, str, str]]:
        words = text.split()
        return set(zip(words, words[1:], words[2:], strict=False))

    return [
        Pair(first=at, second=to)
        for at, one in enumerate(map(grams, first))
        for to, other in enumerate(map(grams, second))
        if one and other and len(one & other) >= NEAR * min(len(one), len(other))
    ]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (WHALE, True),
        ("Old whale sings at night in cold sea", True),  # five of six
        (f"sample {WHALE} label 3", True),  # all six of the shorter one
        ("old whale sings at night in cold water", True),  # five of six
        ("old whale sings at noon in cold sea", False),  # three of six
        ("a ship sails by day", False),
        ("old whale", False),  # no n-gram at all
        ("", False),
    ],
)
def test_most_of_the_shorter_text_stands_in_the_longer(text: str, near: bool) -> None:
    assert list(near_pairs([text], [WHALE])) == [Pair(first=0, second=0)] * near
    assert list(near_pairs([WHALE], [text])) == [Pair(first=0, second=0)] * near
    assert near_pairs_reference([text], [WHALE]) == [Pair(first=0, second=0)] * near


def test_pairs_come_in_order_and_only_across_the_lists() -> None:
    first, second = [WHALE, "one two three", WHALE], ["one two three", WHALE, "one two three"]
    expected = [(0, 1), (1, 0), (1, 2), (2, 1)]
    assert [(pair.first, pair.second) for pair in near_pairs(first, second)] == expected
    assert list(near_pairs([WHALE, WHALE], [])) == list(near_pairs([], [WHALE])) == list(near_pairs([], [])) == []


def test_nearly_all_near_pairs_of_like_length_are_proposed() -> None:
    rng = random.Random(0)
    words = [f"w{n}" for n in range(60)]
    first = [" ".join(rng.choices(words, k=rng.randint(6, 30))) for _ in range(200)]
    second = []
    for text in first:
        changed = text.split()
        changed[rng.randrange(len(changed))] = "other"
        second.append(" ".join(changed[rng.randint(0, 1) :]))
    expected = near_pairs_reference(first, second)
    found = list(near_pairs(first, second))
    assert set(found) <= set(expected)
    assert len(expected) > 100
    assert len(found) >= 0.99 * len(expected)


def test_what_is_proposed_does_not_depend_on_the_other_texts() -> None:
    rng = random.Random(1)
    words = [f"w{n}" for n in range(40)]
    first = [" ".join(rng.choices(words, k=6)) for _ in range(120)]
    second = [" ".join([text, *rng.choices(words, k=rng.randint(1, 16))]) for text in first]
    together = {pair.first for pair in near_pairs(first, second) if pair.first == pair.second}
    alone = {at for at in range(120) if list(near_pairs([first[at]], [second[at]]))}
    assert together == alone
    assert 60 < len(together) < 120  # all are near; of those of very unlike length some are missed


TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=6)


@given(TEXTS, TEXTS)
def test_what_is_found_is_near(first: list[str], second: list[str]) -> None:
    found = list(near_pairs(first, second))
    assert set(found) <= set(near_pairs_reference(first, second))
    assert found == sorted(found, key=lambda pair: (pair.first, pair.second))
    same = {(a, b) for a, x in enumerate(first) for b, y in enumerate(second) if x == y and len(x.split()) > 5}
    assert same <= {(pair.first, pair.second) for pair in found}
