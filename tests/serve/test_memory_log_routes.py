"""The log over HTTP: the timeline with its sources, differences, undo, and erasure with its receipts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

ANA = "/v1/users/ana"
MEMORIES = f"{ANA}/memories"


@pytest.fixture
def ana(acme: httpx.Client) -> httpx.Client:
    """Ana said something, changed it, and had something else deleted."""
    acme.post(MEMORIES, json={"text": "I keep Oslo. I keep Rome.", "at": "2026-05-01"})
    acme.patch(f"{MEMORIES}/1", json={"text": "Bern"})
    acme.delete(f"{MEMORIES}/2")
    return acme


def operations(client: httpx.Client, **asked: int) -> list[dict[str, Any]]:
    reply = client.get(f"{ANA}/operations", params=asked)
    assert reply.status_code == 200, reply.text
    assert reply.json()["last"] == 4
    found: list[dict[str, Any]] = reply.json()["operations"]
    return found


def test_the_timeline_tells_all_of_each_operation(ana: httpx.Client) -> None:
    first, _, update, delete = operations(ana)
    assert first == {
        "number": 1,
        "action": "insert",
        "kind": "semantic",
        "id": 1,
        "before": None,
        "after": "User: I keep Oslo.",
        "author": "writer",
        "origin": "user",
        "learned": first["learned"],
        "valid": "2026-05-01T00:00:00Z",
        "undoes": None,
        "source": {"text": "User: I keep Oslo.\nUser: I keep Rome.", "time": "2026-05-01"},
    }
    assert (update["before"], update["after"], update["author"], update["source"]) == (
        "User: I keep Oslo.",
        "Bern",
        "caller",
        None,
    )
    assert (delete["action"], delete["before"], delete["after"]) == ("delete", "User: I keep Rome.", None)


def test_a_part_of_the_timeline(ana: httpx.Client) -> None:
    for asked, numbers in (
        ({"first": 2}, [2, 3, 4]),
        ({"first": 2, "last": 3}, [2, 3]),
        ({"first": 2, "limit": 1}, [2]),
        ({"last": 1}, [1]),
        ({"first": 9}, []),
        ({"first": 3, "last": 2}, []),
        ({"first": 2**53 - 1, "last": 2**53 - 1, "limit": 1000}, []),
    ):
        assert [each["number"] for each in operations(ana, **asked)] == numbers, asked


def test_what_differs_between_two_points(ana: httpx.Client) -> None:
    reply = ana.get(f"{ANA}/diff", params={"first": 2, "last": 4}).json()
    assert reply["differences"] == [
        {"kind": "semantic", "id": 1, "before": "User: I keep Oslo.", "after": "Bern"},
        {"kind": "semantic", "id": 2, "before": "User: I keep Rome.", "after": None},
    ]
    assert ana.get(f"{ANA}/diff", params={"first": 4, "last": 4}).json() == {"differences": []}


def test_an_operation_is_taken_back_once(ana: httpx.Client) -> None:
    undone = ana.post(f"{ANA}/operations/4/undo", json={"key": "back"})
    assert (undone.json()["undoes"], undone.json()["after"]) == (4, "User: I keep Rome.")
    assert ana.post(f"{ANA}/operations/4/undo", json={"key": "back"}).json() == undone.json()
    assert ana.post(f"{ANA}/operations/5/undo").status_code == 200
    missing = ana.post(f"{ANA}/operations/99/undo")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_what_is_erased_is_gone_and_has_a_receipt(ana: httpx.Client, memories: Any) -> None:
    ana.post(MEMORIES, json={"text": "I said: User: I keep Rome.", "infer": False})
    erased = ana.post(f"{ANA}/erase", json={"ref": 2})
    assert erased.status_code == 200
    receipt = erased.json()["receipt"]
    assert (receipt["kind"], receipt["id"], receipt["operations"]) == ("semantic", 2, 2)
    assert receipt["scrubbed"] is not None
    assert erased.json()["also_in"] == [{"kind": "semantic", "id": 3}]
    assert [each["id"] for each in ana.get(f"{ANA}/operations").json()["operations"]] == [1, 1, 3]
    everything = ana.post(f"{ANA}/erase", json={}).json()["receipt"]
    assert (everything["kind"], everything["operations"]) == (None, 3)
    assert [each["number"] for each in ana.get(f"{ANA}/receipts").json()["receipts"]] == [1, 2]
    assert ana.get(MEMORIES).json()["entries"] == []
    never = ana.post(f"{ANA}/erase", json={"ref": 77})
    assert (never.status_code, never.json()["error"]["code"]) == (404, "not_found")


def test_erasing_needs_to_be_said(ana: httpx.Client) -> None:
    assert ana.post(f"{ANA}/erase").status_code == 400
    assert ana.post(f"{ANA}/erase", json={"id": 2}).status_code == 422
    assert len(operations(ana)) == 4
