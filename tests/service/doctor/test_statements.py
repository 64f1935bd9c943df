from __future__ import annotations

import pytest

from memalpha.memory.bank import Bank
from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.service.doctor.statements import contradictions, repeats

SEMANTIC, EPISODIC = MemoryKind.SEMANTIC, MemoryKind.EPISODIC


def bank_of(*texts: str, kind: MemoryKind = SEMANTIC) -> Bank:
    bank = Bank(count_tokens=lambda text: len(text.split()))
    for text in texts:
        bank.insert(kind, text, Provenance())
    return bank


def clashes(*texts: str) -> list[tuple[int, int, str]]:
    found = contradictions(bank_of(*texts), lambda: None)
    return [(older.id, newer.id, evidence) for older, newer, evidence in found]


def same(*texts: str) -> list[tuple[int, int, str]]:
    found = repeats(bank_of(*texts).entries(SEMANTIC))
    return [(older.id, newer.id, evidence) for older, newer, evidence in found]


@pytest.mark.parametrize(
    ("one", "other", "evidence"),
    [
        ("User: Ann lives in Oslo.", "User: Ann lives in Rome now.", "'oslo' against 'rome now'"),
        ("User: Ann lives in Oslo.", "User: Ann lives in Rome.", "'oslo' against 'rome'"),
        ("Ann's favourite drink is mint tea.", "Ann's favourite drink is cider.", "'mint tea' against 'cider'"),
        ("I work for Acme as a chemist", "I work for Initech as a chemist", "'acme' against 'initech'"),
        ("I am vegetarian.", "I am not vegetarian.", "'nothing' against 'not'"),
        ("The meeting with Bo is at 3.", "The meeting with Bo is at 4.", None),
        ("Ann likes tea.", "Ann likes cider.", None),
        ("Ann lives in Oslo.", "Bo lives in Oslo.", None),
        ("The weather is fine.", "The weather is bad.", None),
        ("Where is Ann's house in Oslo?", "Where is Ann's house in Rome?", None),
        ("I talked to Ann.", "I talked to Bo.", None),
        ("Meredith Grey was created by Shonda Rhimes.", "Meredith Grey was performed by Ellen Pompeo.", None),
        ("I am well", "I am very well", None),
    ],
)
def test_one_value_against_another_is_a_contradiction(one: str, other: str, evidence: str | None) -> None:
    assert clashes(one, other, "Something else altogether") == ([(1, 2, evidence)] if evidence else [])


def test_a_correction_points_at_what_it_corrects() -> None:
    old, new = "Ann's favourite drink is mint tea.", "Mint tea is no longer Ann's favourite drink."
    assert clashes("Bo has a red bike.", old, new) == [
        (2, 3, "it corrects, and shares ann, drink, favourite, mint, tea")
    ]
    assert clashes(new, old) == []
    assert (
        clashes("If you have any questions, feel free to ask.", "If you have any more questions, feel free to ask.")
        == []
    )


def test_only_semantic_entries_contradict() -> None:
    bank = bank_of("Ann lives in Oslo.", "Ann lives in Rome.", kind=EPISODIC)
    assert list(contradictions(bank, lambda: None)) == []


def test_each_entry_is_looked_at_once() -> None:
    steps: list[int] = []
    assert list(contradictions(bank_of("a b", "c d", "e f?"), lambda: steps.append(1))) == []
    assert len(steps) == 2


@pytest.mark.parametrize(
    ("one", "other", "evidence"),
    [
        ("Ann has a dog.", "ann has the dog!", "the same words"),
        ("I think a pilot makes the most sense to me.", "I think that a pilot makes the most sense to me.", None),
        (
            "Ann moved to Lisbon with her two cats last week",
            "Ann has moved to Lisbon with her two cats last week",
            "nearly the same words",
        ),
        ("Ann paid 30 euros for the red bike of Bo", "Ann paid 40 euros for the red bike of Bo", None),
        ("Ann has a dog.", "Ann has a cat.", None),
    ],
)
def test_who_adds_nothing_repeats(one: str, other: str, evidence: str | None) -> None:
    assert same(one, other) == ([(1, 2, evidence)] if evidence else []), one


def test_of_three_alike_two_are_named() -> None:
    assert [(older, newer) for older, newer, _ in same("One two.", "one two!", "One, two?")] == [(1, 2), (1, 3)]
