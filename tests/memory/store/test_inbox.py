"""The inbox: on the disk once accepted, in order for each user, once for each name, nothing given up in silence."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memalpha.errors import ConflictError, StoreError
from memalpha.memory.bank import MemoryKind, Provenance
from memalpha.memory.store import Address, Backlog, Letter, Store

SEMANTIC = MemoryKind.SEMANTIC
SAID = Provenance(author="user")
ANA, BO = Address(tenant="acme", user="ana"), Address(tenant="acme", user="bo")
OpenStore = Callable[..., Store]


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


def taken(store: Store, address: Address = ANA) -> Letter:
    letter = store.inbox.take(address)
    assert letter is not None
    return letter


def test_a_letter_is_there_for_another_opening_once_it_is_accepted(store: Store, open_store: OpenStore) -> None:
    ticket = store.inbox.accept(ANA, '{"text": "hé"}', name="message 1")
    other = open_store()
    letter = taken(other)
    assert letter == Letter(
        ticket=ticket or 0,
        address=ANA,
        name="message 1",
        body='{"text": "hé"}',
        accepted=datetime(2026, 1, 1, tzinfo=UTC),
        due=datetime(2026, 1, 1, tzinfo=UTC),
        attempts=0,
        problem=None,
    )
    assert other.inbox.look(ANA, letter.ticket) == letter
    assert other.inbox.look(BO, letter.ticket) is None
    assert other.inbox.look(Address(tenant="other", user="ana"), letter.ticket) is None


def test_the_letters_of_a_user_are_in_order_and_users_take_turns(store: Store) -> None:
    for body, address in (("a", BO), ("b", ANA), ("c", BO), ("d", ANA)):
        store.inbox.accept(address, body)
    assert store.inbox.due(9) == [BO, ANA]
    assert store.inbox.due(1) == [BO]
    seen = []
    for address in (BO, ANA, BO, ANA):
        seen.append(taken(store, address).body)
        store.inbox.settle(taken(store, address))
    assert seen == ["a", "b", "c", "d"]
    assert store.inbox.due(9) == []
    assert store.inbox.take(ANA) is None


def test_a_postponed_letter_holds_up_those_behind_it_and_nobody_else(store: Store, clock: Any) -> None:
    for address, body in ((ANA, "a"), (ANA, "b"), (BO, "c")):
        store.inbox.accept(address, body)
    first = taken(store)
    store.inbox.postpone(first, "the model is away", timedelta(days=1))
    assert store.inbox.take(ANA) is None
    assert store.inbox.due(9) == [BO]
    clock.go(1)
    assert store.inbox.due(9) == [ANA, BO]
    again = taken(store)
    assert (again.ticket, again.body, again.attempts, again.problem) == (first.ticket, "a", 1, "the model is away")


def test_a_dead_letter_is_kept_with_its_problem_and_holds_up_nobody(store: Store, clock: Any) -> None:
    for body in "ab":
        store.inbox.accept(ANA, body)
    store.inbox.bury(taken(store), "half \ud800 of\0 it")
    clock.go(10_000)
    assert taken(store).body == "b"
    (dead,) = store.inbox.letters(ANA, dead=True)
    assert (dead.body, dead.due, dead.attempts, dead.problem) == ("", None, 1, "half ? of it")
    assert [letter.ticket for letter in store.inbox.letters(ANA)] == [dead.ticket, dead.ticket + 1]
    assert [letter.ticket for letter in store.inbox.letters(ANA, limit=1)] == [dead.ticket]
    assert store.inbox.letters(BO) == []
    store.inbox.revive(dead)
    assert (taken(store).body, taken(store).attempts) == ("a", 0)
    assert store.inbox.letters(ANA, dead=True) == []


def test_how_much_there_is_to_be_read(store: Store, clock: Any) -> None:
    assert store.inbox.backlog() == Backlog(waiting=0, dead=0, oldest=None)
    for address, body in ((ANA, "a"), (ANA, "b"), (BO, "c")):
        store.inbox.accept(address, body)
        clock.go(1)
    store.inbox.bury(taken(store), "no text")
    assert store.inbox.backlog() == Backlog(waiting=2, dead=1, oldest=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("direct", [None, "1"])
def test_a_name_is_taken_once_before_and_after_it_was_written(store: Store, direct: str | None) -> None:
    ticket = store.inbox.accept(ANA, "a", name="1")
    assert store.inbox.accept(ANA, "a", name="1") == ticket
    with pytest.raises(ConflictError, match="the key '1', which is in use for something else"):
        store.inbox.accept(ANA, "b", name="1")
    assert store.inbox.accept(BO, "b", name="1") not in (None, ticket)
    letter, ana = taken(store), store.scope("acme", "ana")
    assert not store.inbox.written(letter)
    change = ana.insert(SEMANTIC, "Ann lives in Oslo", SAID, key=direct or letter.key)
    assert store.inbox.written(letter)
    assert store.inbox.accept(ANA, "a", name="1") == ticket  # written, and not yet settled
    store.inbox.settle(letter)
    assert store.inbox.accept(ANA, "a", name="1") is None
    assert ana.written("1") == ana.written(f"inbox {ticket}") == (change,)


def test_a_ticket_is_not_given_out_again(store: Store) -> None:
    for _ in range(3):
        store.inbox.accept(ANA, "a")
        letter = taken(store)
        store.scope("acme", "ana").insert(SEMANTIC, f"fact {letter.ticket}", SAID, key=letter.key)
        store.inbox.settle(letter)
    assert len(store.scope("acme", "ana").changes()) == 3


def test_letters_go_with_their_user(store: Store) -> None:
    ana = store.scope("acme", "ana")
    store.inbox.accept(ANA, "a secret")
    store.inbox.accept(BO, "b")
    letter = taken(store)
    with pytest.raises(ConflictError, match="the key 'inbox 1', which is in use"), ana.edit(key=letter.key) as bank:
        bank.insert(SEMANTIC, "a secret", SAID)
        ana.erase_all()
    assert store.inbox.take(ANA) is None
    assert ana.changes() == ana.written(letter.key) == ()  # tried again, it finds itself written
    assert taken(store, BO).body == "b"


@pytest.mark.parametrize(("body", "name"), [("a\0", None), ("\ud800", None), ("a", "\0"), ("a", ""), ("a", "inbox 1")])
def test_what_cannot_be_kept_is_refused(store: Store, body: str, name: str | None) -> None:
    with pytest.raises(StoreError, match=r"in a letter, expected text|as key, expected a text"):
        store.inbox.accept(ANA, body, name=name)
    assert store.inbox.backlog().waiting == 0


def test_threads_and_openings_accept_at_once(store: Store, open_store: OpenStore) -> None:
    stores = [store, open_store()]

    def send(number: int) -> int | None:
        return stores[number % 2].inbox.accept(ANA, str(number // 2), name=f"name {number // 2}")

    with ThreadPoolExecutor(4) as pool:
        tickets = list(pool.map(send, range(40)))
    assert tickets[::2] == tickets[1::2]
    assert len(set(tickets)) == 20
    assert store.inbox.backlog().waiting == 20
