from __future__ import annotations

import pytest

from memalpha.memory.entry import MemoryKind
from memalpha.service.exchange.foreign import Event
from memalpha.service.exchange.letta import is_letta, read_letta

CORE, SEMANTIC = MemoryKind.CORE, MemoryKind.SEMANTIC
AGENT_FILE = {
    "agents": [
        {
            "id": "agent-0",
            "name": "tutor",
            "block_ids": ["block-0", "block-1"],
            "messages": [{"id": "message-0", "role": "user", "content": [{"type": "text", "text": "hi"}]}],
        }
    ],
    "groups": [],
    "blocks": [
        {"id": "block-0", "label": "human", "value": "Ana, a chemist in Lisbon.", "limit": 5000},
        {"id": "block-1", "label": "persona", "value": " ", "limit": 5000},
    ],
    "files": [{"id": "file-0", "file_name": "notes.pdf", "content": "..."}],
    "sources": [],
    "tools": [],
    "mcp_servers": [],
    "metadata": {"revision_id": "abc"},
    "created_at": "2026-05-01T10:00:00Z",
}
FIRST_AGENT_FILE = {
    "agent_type": "memgpt_agent",
    "core_memory": [
        {"label": "human", "value": "Ana, a chemist.", "created_at": "2025-01-01T08:00:00", "updated_at": "2025-02-01"}
    ],
    "messages": [{"role": "user", "content": []}, {"role": "assistant", "content": []}],
    "version": "0.6.47",
}
PASSAGES = [
    {
        "id": "passage-1",
        "text": "Ana's thesis is about sorption.",
        "archive_id": "archive-1",
        "created_at": "2025-03-01T09:30:00Z",
        "tags": ["work"],
        "is_deleted": False,
    },
    {"id": "passage-2", "text": "Old news", "archive_id": "archive-1", "is_deleted": True},
    {"id": "passage-3", "text": "", "archive_id": "archive-1"},
]
FOUND = {
    "count": 1,
    "results": [{"id": "passage-1", "content": "Ana's thesis", "timestamp": "2025-03-01T09:30:00", "tags": []}],
}


def test_blocks_become_the_core() -> None:
    foreign = read_letta(AGENT_FILE, "tutor.af")
    assert foreign.events == {
        None: [Event(subject="block 0", kind=CORE, text="human: Ana, a chemist in Lisbon.", time=None)]
    }
    assert +foreign.left_out == {"messages": 1, "files": 1, "blocks without a text": 1}


def test_the_first_version_of_the_agent_file_is_read() -> None:
    foreign = read_letta(FIRST_AGENT_FILE, "tutor.af")
    assert foreign.events == {
        None: [Event(subject="block 0", kind=CORE, text="human: Ana, a chemist.", time="2025-02-01")]
    }
    assert +foreign.left_out == {"messages": 2}


def test_passages_become_facts_with_their_time() -> None:
    foreign = read_letta(PASSAGES, "passages.json")
    text = "Ana's thesis is about sorption."
    assert foreign.events == {None: [Event(subject="passage-1", kind=SEMANTIC, text=text, time="2025-03-01T09:30:00")]}
    assert +foreign.left_out == {"deleted passages": 1, "passages without a text": 1}
    assert [event.text for event in read_letta(FOUND, "found.json").events[None]] == ["Ana's thesis"]


@pytest.mark.parametrize("data", [AGENT_FILE, FIRST_AGENT_FILE, PASSAGES, FOUND])
def test_what_is_of_letta_is_known(data: object) -> None:
    assert is_letta(data)


@pytest.mark.parametrize("data", [{}, [], "x", [{"text": "x"}], {"agents": []}, {"results": [{"memory": "x"}]}])
def test_other_shapes_are_not(data: object) -> None:
    assert not is_letta(data)
