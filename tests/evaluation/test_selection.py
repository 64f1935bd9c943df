"""What is shown of a memory: nothing, its end, what is nearest, what fits; a token is a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.agent.reader import BestEntries, ExtractiveReader, Shown
from memalpha.evaluation.selection import Capped, LastTokens, Nearest, Nothing
from memalpha.memory.bank import Bank, MemoryKind, Provenance
from memalpha.memory.embedding import Vectors, unit_rows
from memalpha.memory.layouts import MEMGPT

SEMANTIC, EPISODIC, CORE = MemoryKind.SEMANTIC, MemoryKind.EPISODIC, MemoryKind.CORE


def words(text: str) -> int:
    return len(text.split())


def bank() -> Bank:
    """Semantic 1 and 3, episodic 2 and 4, with 3, 2, 1 and 4 words; a core of 2."""
    made = Bank(count_tokens=words)
    made.insert(SEMANTIC, "Ann sails home", Provenance())
    made.insert(EPISODIC, "Ann called", Provenance(time="2024-03-05"))
    made.insert(SEMANTIC, "Ann", Provenance())
    made.insert(EPISODIC, "Bo and Ann met", Provenance())
    made.update(CORE, None, "They talk", Provenance())
    return made


def ids(shown: Shown) -> list[int]:
    return [entry.id for entry in shown.entries]


def test_nothing_is_shown_whatever_is_there() -> None:
    assert Nothing().select(bank(), ["Ann?", "Bo?"]) == [Shown(core="", entries=())] * 2


@pytest.mark.parametrize(
    # From the end 4, 1, 2 and 3 words, after the 2 of the core.
    ("window", "expected"),
    [(99, [1, 2, 3, 4]), (12, [1, 2, 3, 4]), (11, [2, 3, 4]), (9, [2, 3, 4]), (8, [3, 4]), (6, [4]), (5, []), (1, [])],
)
def test_the_last_tokens_come_in_the_order_in_which_they_were_stored(window: int, expected: list[int]) -> None:
    (shown,) = LastTokens(window).select(bank(), ["x"])
    assert (ids(shown), shown.core) == (expected, "They talk")


class Letters:
    """A vector is whether "a" and "b" stand in a text; remembers what it was asked."""

    name = "letters"
    dimensions = 2

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        return unit_rows(np.array([["a" in text, "b" in text] for text in texts], dtype=np.float32))


def letters() -> Bank:
    """Semantic 1 "a", 2 "b", 3 "ab"; episodic 4 "b" with a time."""
    made = Bank(count_tokens=words)
    for text in ("a", "b", "ab"):
        made.insert(SEMANTIC, text, Provenance())
    made.insert(EPISODIC, "b", Provenance(time="2024"))
    return made


def test_the_nearest_of_each_store() -> None:
    embedder = Letters()
    shown = Nearest(embedder, 2).select(letters(), ["a", "b"])
    # Cosines with "a": 1, 0, 0.71; with "b": 0, 1, 0.71.
    assert [ids(each) for each in shown] == [[1, 3, 4], [2, 3, 4]]
    assert embedder.asked == [["a", "b", "ab", "[2024] b"], ["a", "b"]]


def test_an_entry_is_embedded_once_while_it_is_needed() -> None:
    embedder, made = Letters(), letters()
    selector = Nearest(embedder, 1)
    selector.select(made, ["a"])
    made.insert(SEMANTIC, "ba", Provenance())
    selector.select(made, ["a"])
    assert embedder.asked[2:] == [["ba"], ["a"]]
    selector.select(Bank(count_tokens=words), ["a"])
    selector.select(made, ["a"])
    assert embedder.asked[-2] == ["a", "b", "ab", "ba", "[2024] b"]


def test_a_question_about_the_user_is_asked_in_the_first_person() -> None:
    embedder = Letters()
    Nearest(embedder, 1).select(letters(), ["Where is the user?"])
    assert embedder.asked[-1] == ["Where is the user? I me my"]


@pytest.mark.parametrize(
    # In rank order: semantic 1 (3 words), episodic 4 (4), semantic 3 (1), episodic 2 (2); the core has 2.
    ("cap", "expected"),
    [(12, [1, 3, 4, 2]), (11, [1, 3, 4]), (10, [1, 3, 4]), (9, [1, 4]), (8, [1]), (5, [1]), (4, []), (1, [])],
)
def test_a_cap_takes_the_best_of_each_store_in_turn(cap: int, expected: list[int]) -> None:
    made = bank()

    class Ranked:
        def select(self, bank: Bank, questions: Sequence[str]) -> list[Shown]:
            return [Shown(core=bank.core_text, entries=tuple(bank.get(each) for each in (1, 3, 4, 2)))]

    (shown,) = Capped(Ranked(), cap).select(made, ["?"])
    assert (ids(shown), shown.core) == (expected, "They talk")


@given(st.lists(st.tuples(st.sampled_from((SEMANTIC, EPISODIC)), st.integers(1, 9)), max_size=12), st.integers(1, 40))
def test_a_cap_is_never_passed(sizes: list[tuple[MemoryKind, int]], cap: int) -> None:
    made = Bank(count_tokens=words)
    for at, (kind, size) in enumerate(sizes):
        made.insert(kind, " ".join([f"w{at}"] * size), Provenance())
    (shown,) = Capped(BestEntries(20), cap).select(made, ["w1 w2"])
    assert sum(words(entry.text) for entry in shown.entries) <= cap


def test_selectors_serve_any_layout_and_reader() -> None:
    made = Bank(count_tokens=words, layout=MEMGPT)
    made.insert(MemoryKind.RECALL, "Ann sails.", Provenance())
    made.insert(MemoryKind.ARCHIVAL, "Ann digs.", Provenance())
    for selector in (LastTokens(9), Nearest(Letters(), 2), Capped(BestEntries(2), 9)):
        assert ExtractiveReader(selector=selector).read(made, ["Who sails?"])[0].text == "Ann sails."
