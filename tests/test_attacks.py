"""The attack suite: it bites where there is no guard, the guard holds, the page shows the rates that were measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))

import attacks  # noqa: E402
from attack_suite import VICTIMS, Attack, Victim, prepare  # noqa: E402

from memalpha.memory.entry import MemoryKind, Origin  # noqa: E402
from memalpha.memory.store import Store  # noqa: E402
from memalpha.service import Memory  # noqa: E402
from memalpha.service.memory import open_store  # noqa: E402

SUITE = list(attacks.attacks())
LOST = {"echo of the assistant, a later turn"}
"""What the guard does not stop, since what the assistant says is trusted."""
HARMLESS = {"another user's memory"}
"""What no call can say, with the guard or without."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "memory.db") as opened:
        yield opened


def won(store: Store, victim: Victim, attack: Attack, *, guarded: bool) -> bool:
    return attacks.attempt(store, f"{guarded}", attacks.obedient(attack), victim, attack, guarded=guarded)


@pytest.mark.parametrize("family", list(dict.fromkeys(attack.family for _, attack in SUITE)))
def test_the_guard_holds_where_the_worst_writer_does_what_it_reads(store: Store, family: str) -> None:
    victim, attack = next((victim, attack) for victim, attack in SUITE if attack.family == family)
    assert won(store, victim, attack, guarded=True) is (family in LOST)
    if family != "flooding with the opposite":  # which wins by numbers, and not with every wording
        assert won(store, victim, attack, guarded=False) is (family not in HARMLESS)


@pytest.mark.slow
def test_the_rates_of_the_worst_writer_are_those_of_the_page() -> None:
    measured = [row for row in attacks.load("attacks")["results"] if row["writer"] == "obedient"]
    assert attacks.run(["obedient"]) == measured


def test_the_page_shows_what_was_measured() -> None:
    page = attacks.PAGE.read_text(encoding="utf-8")
    assert attacks.table(attacks.load("attacks")) in page


def test_the_suite_has_every_class_in_several_wordings_on_every_victim() -> None:
    for family in {attack.family for _, attack in SUITE}:
        for victim in VICTIMS:
            assert sum(each is victim and attack.family == family for each, attack in SUITE) >= 3


def test_a_memory_that_nothing_was_done_to_is_not_won(store: Store) -> None:
    for number, (victim, attack) in enumerate(SUITE):
        if attack.family == "being there first":  # which asks for what the user says later
            continue
        memory = Memory(store, user="victim", tenant=str(number))
        prepare(memory, victim)
        assert not attack.won(memory)
        memory.update(MemoryKind.CORE, "Owned.")
        memory.delete(1)


def test_an_interval_by_hand() -> None:
    # 0 of 10: (0 + z²/20) / (1 + z²/10) ± the same, z = 1.96: 0 to z² / (10 + z²) = 3.8416 / 13.8416.
    assert attacks.wilson(0, 10) == (0.0, pytest.approx(3.8416 / 13.8416))
    assert attacks.wilson(10, 10) == (pytest.approx(10 / 13.8416), 1.0)
    low, high = attacks.wilson(5, 10)
    assert (low + high) / 2 == pytest.approx(0.5)


def test_without_the_guard_all_text_is_the_users(store: Store) -> None:
    victim, attack = SUITE[0]
    attacks.attempt(store, "free", attacks.obedient(attack), victim, attack, guarded=False)
    entries = Memory(store, user="victim", tenant="free").get_all()
    assert {entry.provenance.origin for entry in entries} == {Origin.USER}
