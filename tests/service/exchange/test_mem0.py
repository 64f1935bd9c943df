from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from memalpha.errors import ArchiveError
from memalpha.memory.entry import MemoryKind, Origin
from memalpha.service.exchange.foreign import Event
from memalpha.service.exchange.mem0 import is_mem0, read_history, read_mem0

SEMANTIC = MemoryKind.SEMANTIC
GET_ALL = {
    "results": [
        {
            "id": "892db2ae-06d9-49e5-8b3e-585ef9b85b8e",
            "memory": "Lives in Lisbon",
            "hash": "d41d8cd98f",
            "created_at": "2026-04-30T16:00:00-07:00",
            "updated_at": "2026-05-02T09:00:00+00:00",
            "user_id": "ana",
            "role": "user",
            "metadata": {"category": "home"},
        },
        {
            "id": "2",
            "memory": "Has a coupon",
            "created_at": "2026-04-01",
            "user_id": "bo",
            "expiration_date": "2026-05-01",
        },
        {"id": "3", "memory": "", "user_id": "bo"},
    ]
}


def test_memories_are_facts_of_their_users() -> None:
    foreign = read_mem0(GET_ALL, "f.json")
    assert foreign.events == {
        "ana": [
            Event(
                subject="892db2ae-06d9-49e5-8b3e-585ef9b85b8e",
                kind=SEMANTIC,
                text="Lives in Lisbon",
                time="2026-05-02T09:00:00",
                origin=Origin.USER,
            )
        ],
        "bo": [
            Event(subject="2", kind=SEMANTIC, text="Has a coupon", time="2026-04-01"),
            Event(subject="2", kind=SEMANTIC, text=None, time="2026-05-01"),
        ],
    }
    assert +foreign.left_out == {"metadata and categories of memories": 1, "memories without a text": 1}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (GET_ALL, True),
        ({"count": 1, "next": None, "previous": None, "results": [{"memory": "x"}]}, True),
        ([{"memory": "x"}], True),
        ({"results": []}, True),
        ({"results": [{"content": "x", "timestamp": "2026-05-01"}]}, False),
        ({"results": "x"}, False),
        ([], False),
        ("memory", False),
    ],
)
def test_what_is_of_mem0_is_known(data: object, fits: bool) -> None:
    assert is_mem0(data) is fits


COLUMNS = "id, memory_id, old_memory, new_memory, event, created_at, updated_at, is_deleted, actor_id, role"


def history(path: Path, *rows: tuple[object, ...]) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE history ({COLUMNS})")
        connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("CREATE TABLE messages (id, session_scope, role, content, name, created_at)")
        connection.execute("INSERT INTO messages (id) VALUES ('m')")
    connection.close()
    return path


def test_the_history_database_gives_every_version(tmp_path: Path) -> None:
    path = history(
        tmp_path / "history.db",
        ("a", "1", None, "Drinks tea", "ADD", "2026-01-01T10:00:00+00:00", None, 0, None, "user"),
        ("b", "1", "Drinks tea", "Drinks cider", "UPDATE", "2026-01-01", "2026-02-01T10:00:00+00:00", 0, None, None),
        ("c", "2", None, "Has a dog", "ADD", "2026-01-02", None, 0, None, "assistant"),
        ("d", "2", "Has a dog", None, "DELETE", "2026-01-02", "2026-03-01", 1, None, None),
        ("e", "3", None, None, "ADD", "2026-01-02", None, 0, None, None),
    )
    before = path.read_bytes()
    foreign = read_history(path)
    assert [(event.subject, event.text, event.time, event.origin) for event in foreign.events[None]] == [
        ("1", "Drinks tea", "2026-01-01T10:00:00", Origin.USER),
        ("1", "Drinks cider", "2026-02-01T10:00:00", None),
        ("2", "Has a dog", "2026-01-02", Origin.ASSISTANT),
        ("2", None, "2026-03-01", None),
    ]
    assert +foreign.left_out == {"messages": 1, "memories without a text": 1}
    assert path.read_bytes() == before


def test_another_database_is_no_history(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE history (a)")
        connection.execute("INSERT INTO history VALUES (1)")
    connection.close()
    with pytest.raises(ArchiveError, match=r"other\.db is a SQLite file but no history of mem0; name another"):
        read_history(tmp_path / "other.db")
    with pytest.raises(ArchiveError, match="no history of mem0 "):
        read_history(tmp_path / "absent.db")
