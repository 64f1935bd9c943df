"""Memories of Zep and Graphiti: facts with the time for which they hold, and the episodes that they are from.

Shapes as of zep-cloud 2.22 and 4.0 and graphiti-core 0.31: `{"edges": [...], "episodes": [...], "nodes": [...]}`, each
part also alone, as a page (`{"items": [...]}`) or as a list; `{"facts": [...]}` of a session. A fact that another of
the same subject and relation took the place of, at the same moment, is one entry with a history; another that ended is
one that was deleted. Episodes become episodic entries. Entities repeat the facts in other words and are left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from memalpha.memory.entry import MemoryKind, Origin
from memalpha.service.exchange.foreign import Event, Foreign, Row, Shape, count_of, origin_of, rows_of, text_of, time_of

_FACTS, _EPISODES = ("edges", "facts", "relevant_facts"), ("episodes",)


def is_zep(data: object) -> bool:
    """Whether it is a graph, a part of one, or the facts of a session."""
    if isinstance(data, dict):
        known = {*_FACTS, *_EPISODES} & data.keys()
        return any(isinstance(data[key], list) for key in known) or is_zep(data.get("items"))
    return isinstance(data, list) and any(isinstance(row, dict) and (_is_fact(row) or _is_episode(row)) for row in data)


def read_zep(data: Any, where: str) -> Foreign:
    """The facts with their ends, and the episodes."""
    foreign = Foreign(shape=Shape.ZEP)
    parts = {"items": data} if isinstance(data, list) else data
    rows = [row for key in (*_FACTS, *_EPISODES, "items") for row in rows_of(parts.get(key) or [], where)]
    facts = [row for row in rows if _is_fact(row)]
    episodes = [row for row in rows if not _is_fact(row)]
    followers = _followers(facts)
    followed = set(followers.values())
    for number in range(len(facts)):
        if number not in followed:
            _tell(foreign, facts, number, followers)
    for number, row in enumerate(episodes):
        _episode(foreign, row, f"episode {number}")
    foreign.left_out["entities"] += count_of(parts, "nodes")
    return foreign


def _is_fact(row: Row) -> bool:
    return "fact" in row


def _is_episode(row: Row) -> bool:
    return "content" in row and "uuid" in row


def _begin(row: Row) -> str | None:
    return time_of(row, "valid_at", "created_at")


def _end(row: Row) -> str | None:
    return time_of(row, "invalid_at", "expired_at")


def _followers(facts: list[Row]) -> dict[int, int]:
    """For each fact the one that took its place: one subject, one relation, begun at the moment when it ended."""
    begun: defaultdict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(facts):
        begun[text_of(row, "source_node_uuid"), text_of(row, "name"), _begin(row)].append(number)
    found: dict[int, int] = {}
    for number, row in enumerate(facts):
        subject, end = text_of(row, "source_node_uuid"), _end(row)
        later = begun[subject, text_of(row, "name"), end] if subject and end else []
        if later and (_begin(row) or "") < (end or ""):
            found[number] = later.pop(0)
    return found


def _tell(foreign: Foreign, facts: list[Row], first: int, followers: dict[int, int]) -> None:
    """One entry: a fact and those that took its place, one after the other, to the end of the last."""
    subject, user = f"fact {first}", text_of(facts[first], "group_id")
    number: int | None = first
    end: str | None = None
    while number is not None:
        row = facts[number]
        text, end = text_of(row, "fact", "content"), _end(row)
        if text is None:
            foreign.left_out["facts without a text"] += 1
        else:
            foreign.add(user, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=text, time=_begin(row)))
        number = followers.get(number)
    if end is not None:
        foreign.add(user, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=None, time=end))


def _episode(foreign: Foreign, row: Row, subject: str) -> None:
    text = text_of(row, "content")
    if text is None:
        foreign.left_out["episodes without a text"] += 1
        return
    # The name of the speaker stood in "role" before there was "role_name".
    role, name = ("role_type", "role") if "role_type" in row else ("role", "role_name")
    speaker = text_of(row, name) or (text_of(row, role) or "").capitalize()
    time = time_of(row, "reference_time", "valid_at", "created_at")
    origin = origin_of(text_of(row, role)) or Origin.DOCUMENT
    text = f"{speaker}: {text}" if speaker else text
    foreign.add(
        text_of(row, "group_id"),
        Event(subject=subject, kind=MemoryKind.EPISODIC, text=text, time=time, origin=origin),
    )
