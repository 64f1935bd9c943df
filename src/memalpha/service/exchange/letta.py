"""Memories of Letta: agent files (.af), archival passages as the REST API lists them, and results of their search.

Shapes as of letta 0.16 and letta-client 1.12. An agent file has "blocks" beside "agents", or, in its first version,
"core_memory"; it holds no archival passages, which are a list of `{"id", "text", "created_at", ...}`, or
`{"count", "results": [{"id", "content", "timestamp"}]}` as a search returns them. Blocks become the core, passages
semantic entries; messages, files and skills are left out.
"""

from __future__ import annotations

from typing import Any

from memalpha.memory.entry import MemoryKind
from memalpha.service.exchange.foreign import Event, Foreign, Row, Shape, count_of, rows_of, text_of, time_of

_PASSAGE = frozenset({"archive_id", "embedding", "embedding_config", "source_id", "file_id", "organization_id"})


def is_letta(data: object) -> bool:
    """Whether it is an agent file, or passages."""
    if isinstance(data, dict) and isinstance(results := data.get("results"), list):
        return any(isinstance(row, dict) and {"content", "timestamp"} <= row.keys() for row in results)
    if isinstance(data, dict):
        return {"agents", "blocks"} <= data.keys() or "core_memory" in data
    return isinstance(data, list) and any(
        isinstance(row, dict) and "text" in row and _PASSAGE & row.keys() for row in data
    )


def read_letta(data: Any, where: str) -> Foreign:
    """The blocks and the passages of all agents in the file."""
    foreign = Foreign(shape=Shape.LETTA)
    if isinstance(data, list):
        _passages(foreign, rows_of(data, where))
    elif "results" in data:
        _passages(foreign, rows_of(data["results"], where))
    elif "core_memory" not in data:
        _blocks(foreign, rows_of(data["blocks"], where))
        agents = rows_of(data["agents"], where)
        foreign.left_out["messages"] += sum(count_of(agent, "messages") for agent in agents)
        foreign.left_out["files"] += count_of(data, "files")
        foreign.left_out["skills"] += count_of(data, "skills")
    else:
        _blocks(foreign, rows_of(data["core_memory"], where))
        foreign.left_out["messages"] += count_of(data, "messages")
    return foreign


def _blocks(foreign: Foreign, rows: list[Row]) -> None:
    for number, row in enumerate(rows):
        value, label = text_of(row, "value"), text_of(row, "label")
        if value is None:
            foreign.left_out["blocks without a text"] += 1
            continue
        text = value if label is None else f"{label}: {value}"
        time = time_of(row, "updated_at", "created_at")
        foreign.add(None, Event(subject=f"block {number}", kind=MemoryKind.CORE, text=text, time=time))


def _passages(foreign: Foreign, rows: list[Row]) -> None:
    for number, row in enumerate(rows):
        text = text_of(row, "text", "content")
        if text is None or row.get("is_deleted"):
            foreign.left_out["deleted passages" if text else "passages without a text"] += 1
            continue
        time = time_of(row, "updated_at", "created_at", "timestamp")
        subject = text_of(row, "id") or str(number)
        foreign.add(None, Event(subject=subject, kind=MemoryKind.SEMANTIC, text=text, time=time))
