"""The vocabulary: word lists, invented names and the pools that keep the splits apart."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest

from memalpha.data.words import ADJECTIVES, NOUNS, Pools, Split, split_of

DRAWS: dict[str, Callable[[Pools], str]] = {
    "name": Pools.name,
    "word": Pools.word,
    "phrase": Pools.phrase,
    "number": Pools.number,
}


def pools(split: Split = Split.TRAIN, seed: int = 0) -> Pools:
    return Pools(random.Random(seed), split)


def test_the_lists_hold_plain_words_once_each() -> None:
    for words in (ADJECTIVES, NOUNS):
        assert len(set(words)) == len(words) > 100
        assert all(re.fullmatch(r"[a-z]+", word) for word in words)


@pytest.mark.parametrize(
    ("word", "checksum", "split"),
    [
        ("", 0, Split.TRAIN),
        ("b", 0x71BEEFF9, Split.TRAIN),
        ("123456789", 0xCBF43926, Split.TRAIN),  # the check value of CRC-32
        ("g", 0x01D41B76, Split.VALIDATION),
        ("h", 0x916B06E7, Split.TEST),
    ],
)
def test_a_word_belongs_to_one_split_by_its_checksum(word: str, checksum: int, split: Split) -> None:
    by_rest = [Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST]
    assert split_of(word) is by_rest[checksum % 5] is split


def test_the_splits_have_three_one_and_one_fifth() -> None:
    found = Counter(split_of(str(number)) for number in range(10_000))
    shares = [round(found[split] / 10_000, 2) for split in Split]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.02)


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("split", Split)
def test_what_is_drawn_is_of_its_split(kind: str, split: Split) -> None:
    made = pools(split)
    assert {split_of(DRAWS[kind](made).lower()) for _ in range(300)} == {split}


@pytest.mark.parametrize("kind", DRAWS)
def test_the_splits_share_nothing(kind: str) -> None:
    found = []
    for split in Split:
        drawn = pools(split, seed=1)
        found.append({DRAWS[kind](drawn).lower() for _ in range(500)})
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]


@pytest.mark.parametrize("kind", DRAWS)
def test_the_same_seed_draws_the_same(kind: str) -> None:
    one, other, third = (pools(seed=seed) for seed in (3, 3, 4))
    drawn = [[DRAWS[kind](each) for _ in range(20)] for each in (one, other, third)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_names_and_words_come_once() -> None:
    made = pools()
    drawn = [made.name() if number % 2 else made.word() for number in range(4000)]
    assert len({each.lower() for each in drawn}) == 4000


def test_a_phrase_or_a_number_may_come_again() -> None:
    made = pools()
    assert len({made.number() for _ in range(20_000)}) < 20_000
    assert len({made.phrase() for _ in range(20_000)}) < 20_000


def test_the_shape_of_each() -> None:
    made = pools()
    for _ in range(200):
        assert re.fullmatch(r"[A-Z][a-z]{3,}", made.name())
        assert re.fullmatch(r"[a-z]{4,}", made.word())
        adjective, noun = made.phrase().split()
        assert (adjective in ADJECTIVES, noun in NOUNS) == (True, True)
        assert 100 <= int(made.number()) <= 9999
