"""Keys: shown once, kept as digests, for one tenant, refused once they are revoked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from memalpha.errors import StoreError, UnknownEntryError
from memalpha.memory.store import Right, Store

OpenStore = Callable[..., Store]


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


def test_a_key_is_known_by_its_secret_and_by_nothing_else(store: Store, open_store: OpenStore, clock: Any) -> None:
    key, secret = store.keys.create("acme", "the chat", [Right.WRITE, Right.READ])
    assert (key.tenant, key.label, key.rights, key.created, key.revoked) == (
        "acme",
        "the chat",
        {Right.READ, Right.WRITE},
        clock(),
        None,
    )
    assert store.keys.check(secret) == open_store().keys.check(secret) == key
    for wrong in ("", secret[:-1], secret + "x", secret.lower(), "é", "\ud800", "a\0", str(key.number)):
        assert store.keys.check(wrong) is None
    assert len(secret) == len("memalpha_") + 43  # 32 bytes in base 64


def test_a_secret_is_not_kept(store: Store) -> None:
    _, secret = store.keys.create("acme", "", [Right.READ])
    ((row),) = store._memories._database.read(lambda execute: execute("SELECT * FROM api_keys", ()))
    assert hashlib.sha256(secret.encode()).hexdigest() in row
    assert not any(secret in str(value) or secret.removeprefix("memalpha_") in str(value) for value in row)


def test_a_revoked_key_is_refused_at_once_and_stays_listed(store: Store, clock: Any) -> None:
    key, secret = store.keys.create("acme", "a", [Right.READ])
    other, others = store.keys.create("umbrella", "b", [Right.READ])
    clock.go(1)
    revoked = store.keys.revoke(key.number)
    clock.go(1)
    assert store.keys.revoke(key.number) == revoked
    assert revoked.revoked == key.created.replace(day=2)
    assert store.keys.check(secret) is None
    assert store.keys.check(others) == other
    assert store.keys.listed() == [revoked, other]
    assert store.keys.listed("umbrella") == [other]
    with pytest.raises(UnknownEntryError, match="got the key number 99, which there is not"):
        store.keys.revoke(99)


def test_what_is_no_key_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="as tenant, expected 1 to 500 characters"):
        store.keys.create(" ", "a", [Right.READ])
    with pytest.raises(StoreError, match="got a key without rights"):
        store.keys.create("acme", "a", [])
    for label in ("a" * 201, "a\0"):
        with pytest.raises(StoreError, match="as label, expected at most 200 characters"):
            store.keys.create("acme", label, [Right.READ])
    assert store.keys.listed() == []
