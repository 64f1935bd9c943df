from __future__ import annotations

from typing import Any

import pytest

from memalpha.memory.entry import MemoryKind, Origin
from memalpha.service.exchange.zep import is_zep, read_zep

EPISODIC, SEMANTIC = MemoryKind.EPISODIC, MemoryKind.SEMANTIC


def edge(fact: str, valid: str | None, invalid: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "uuid": fact,
        "fact": fact,
        "name": "LIVES_IN",
        "source_node_uuid": "ana",
        "target_node_uuid": "x",
        "created_at": "2026-06-01T00:00:00Z",
        "valid_at": valid,
        "invalid_at": invalid,
        "expired_at": None,
        **more,
    }


GRAPH = {
    "edges": [
        edge("Ana lives in Rome", "2025-05-01T00:00:00Z"),
        edge("Ana lives in Oslo", "2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        edge("Ana lives in Lisbon", "2024-01-01T00:00:00Z", "2025-05-01T00:00:00Z"),
        edge("Ana works at Acme", "2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z", name="WORKS_AT"),
        edge("Bo lives in Rome", "2024-01-01T00:00:00Z", source_node_uuid="bo"),
        edge("Ana likes tea", None, name="LIKES"),
    ],
    "episodes": [
        {"uuid": "e1", "content": "I moved.", "created_at": "2024-01-02T00:00:00Z", "role": "Ana", "role_type": "user"},
        {"uuid": "e2", "content": "Noted.", "reference_time": "2024-01-02T00:00:01Z", "role": "assistant"},
        {"uuid": "e3", "content": '{"city": "Rome"}', "source": "json", "valid_at": "2025-05-01T00:00:00+00:00"},
        {"uuid": "e4", "content": ""},
    ],
    "nodes": [{"uuid": "ana", "name": "Ana", "summary": "Ana lives in Rome."}],
}


def steps(data: object) -> list[tuple[str, MemoryKind, str | None, str | None]]:
    events = read_zep(data, "graph.json").events
    assert set(events) == {None}
    return [(event.subject, event.kind, event.text, event.time) for event in events[None]]


def test_a_fact_that_took_the_place_of_another_is_its_next_version() -> None:
    assert steps({"edges": GRAPH["edges"]}) == [
        ("fact 1", SEMANTIC, "Ana lives in Oslo", "2020-01-01T00:00:00"),
        ("fact 1", SEMANTIC, "Ana lives in Lisbon", "2024-01-01T00:00:00"),
        ("fact 1", SEMANTIC, "Ana lives in Rome", "2025-05-01T00:00:00"),
        ("fact 3", SEMANTIC, "Ana works at Acme", "2024-01-01T00:00:00"),
        ("fact 3", SEMANTIC, None, "2026-01-01T00:00:00"),
        ("fact 4", SEMANTIC, "Bo lives in Rome", "2024-01-01T00:00:00"),
        ("fact 5", SEMANTIC, "Ana likes tea", "2026-06-01T00:00:00"),
    ]


def test_episodes_are_dated_and_say_who_spoke() -> None:
    assert steps({"episodes": GRAPH["episodes"]}) == [
        ("episode 0", EPISODIC, "Ana: I moved.", "2024-01-02T00:00:00"),
        ("episode 1", EPISODIC, "Assistant: Noted.", "2024-01-02T00:00:01"),
        ("episode 2", EPISODIC, '{"city": "Rome"}', "2025-05-01T00:00:00"),
    ]
    origins = [event.origin for event in read_zep(GRAPH, "g").events[None] if event.kind is EPISODIC]
    assert origins == [Origin.USER, Origin.ASSISTANT, Origin.DOCUMENT]


def test_what_is_left_out_is_counted() -> None:
    assert +read_zep(GRAPH, "g").left_out == {"episodes without a text": 1, "entities": 1}


def test_groups_of_graphiti_are_users() -> None:
    rows = [edge("a", None, group_id="ana"), edge("b", None, group_id="bo"), edge("c", None, group_id="")]
    assert {user: len(events) for user, events in read_zep(rows, "g").events.items()} == {"ana": 1, "bo": 1, None: 1}


def test_two_facts_that_end_at_once_have_one_follower() -> None:
    rows = [edge("a", "2020-01-01", "2021-01-01"), edge("b", "2020-02-01", "2021-01-01"), edge("c", "2021-01-01")]
    assert [(subject, text) for subject, _, text, _ in steps(rows)] == [
        ("fact 0", "a"),
        ("fact 0", "c"),
        ("fact 1", "b"),
        ("fact 1", None),
    ]


@pytest.mark.parametrize(
    "data",
    [
        GRAPH,
        GRAPH["edges"],
        GRAPH["episodes"],
        {"items": GRAPH["edges"], "next_cursor": "x"},
        {"items": GRAPH["episodes"]},
        {"facts": [{"uuid": "1", "content": "x", "fact": "x", "created_at": "2026-01-01"}]},
        {"edges": []},
    ],
)
def test_what_is_of_zep_is_known(data: object) -> None:
    assert is_zep(data)
    read_zep(data, "g")


@pytest.mark.parametrize("data", [{}, [], "x", {"items": []}, {"edges": 3}, [{"content": "x"}]])
def test_other_shapes_are_not(data: object) -> None:
    assert not is_zep(data)
