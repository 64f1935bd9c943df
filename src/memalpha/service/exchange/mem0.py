"""Memories of mem0: what `get_all`, `search` and the REST API return, and the history database of the package.

Shapes as of mem0ai 2.2: `{"results": [{"id", "memory", "created_at", "updated_at", "user_id", "metadata", ...}]}`, or
the list alone; a page of the platform has "count", "next" and "previous" beside it. `history.db` is a SQLite file with
one row for each ADD, UPDATE and DELETE, whose texts and times give the history back; it names no user.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from memalpha.errors import ArchiveError
from memalpha.memory.entry import MemoryKind, Origin
from memalpha.service.exchange.foreign import Event, Foreign, Row, Shape, origin_of, rows_of, text_of, time_of

_UNKEPT = ("metadata", "categories", "structured_attributes")


def is_mem0(data: object) -> bool:
    """Whether it is a list of memories, or an object that holds one."""
    rows = data.get("results") if isinstance(data, dict) else data
    return isinstance(rows, list) and (
        (not rows and isinstance(data, dict)) or any(isinstance(row, dict) and "memory" in row for row in rows)
    )


def read_mem0(data: object, where: str) -> Foreign:
    """The memories, each from the time of its last change on; one that expired ends then."""
    foreign = Foreign(shape=Shape.MEM0)
    for number, row in enumerate(rows_of(data["results"] if isinstance(data, dict) else data, where)):
        text = text_of(row, "memory")
        if text is None:
            foreign.left_out["memories without a text"] += 1
            continue
        subject = text_of(row, "id") or str(number)
        user, time, origin = text_of(row, "user_id"), time_of(row, "updated_at", "created_at"), _origin(row)
        foreign.add(user, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=text, time=time, origin=origin))
        if end := time_of(row, "expiration_date"):
            foreign.add(user, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=None, time=end))
        foreign.left_out["metadata and categories of memories"] += any(row.get(key) for key in _UNKEPT)
    return foreign


def read_history(path: Path) -> Foreign:
    """What the history database says, deleted memories too; raises `ArchiveError` for a file that is none."""
    foreign = Foreign(shape=Shape.MEM0)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM history ORDER BY rowid")]
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name = 'messages'")]
            messages = connection.execute("SELECT COUNT(*) FROM messages").fetchone()[0] if names else 0
    except sqlite3.Error as error:
        raise ArchiveError(f"{path} is a SQLite file but no history of mem0 ({error}); name another file") from error
    for row in rows:
        if text_of(row, "memory_id") is None or text_of(row, "event") is None:
            raise ArchiveError(f"{path} is a SQLite file but no history of mem0; name another file")
        text = None if row["event"] == "DELETE" else text_of(row, "new_memory")
        if text is None and row["event"] != "DELETE":
            foreign.left_out["memories without a text"] += 1
            continue
        time = time_of(row, *(("created_at",) if row["event"] == "ADD" else ("updated_at", "created_at")))
        subject, origin = row["memory_id"], _origin(row)
        foreign.add(None, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=text, time=time, origin=origin))
    foreign.left_out["messages"] += messages
    return foreign


def _origin(row: Row) -> Origin | None:
    return origin_of(text_of(row, "role"))
