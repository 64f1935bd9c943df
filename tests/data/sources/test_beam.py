"""BEAM as a source: what can be answered from the chat, under its own name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources.beam import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode


def message(id: int, role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "id": id, "content": content, **more}


CHAT: dict[str, Any] = {
    "chat_id": 7,
    "topic": {"id": 1, "title": "x"},
    "chat": [
        {
            "batch_number": 1,
            "turns": [
                [
                    message(0, "user", "The sprint ends on March 29.", time_anchor="March-15-2024"),
                    message(1, "assistant", "Noted."),
                ]
            ],
            "time_anchor": None,
        },
        {
            "batch_number": 2,
            "turns": [[message(2, "user", "It takes 250ms now.", time_anchor="April-05-2024")]],
            "time_anchor": None,
        },
    ],
    "probing_questions": {
        "information_extraction": [{"question": "When does it end?", "answer": "March 29", "source_chat_ids": [0]}],
        "knowledge_update": [
            {"question": "How long?", "answer": "250ms", "source_chat_ids": {"original_info": [0], "updated_info": [2]}}
        ],
        "abstention": [{"question": "Who is Ada?", "ideal_response": "There is no information about Ada."}],
        "event_ordering": [
            {"question": "In which order?", "answer": "1) the end 2) time", "source_chat_ids": [0, [1, 2]]}
        ],
    },
}


def test_what_can_be_answered_is_asked(tmp_path: Path, prove: Callable[..., list[Episode]]) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(CHAT), encoding="utf-8")
    [episode] = prove(load, file)
    assert (episode.id, episode.source) == ("train.jsonl:7", "beam")
    assert [chunk.text for chunk in episode.chunks] == [
        "User: The sprint ends on March 29.\nAssistant: Noted.",
        "User: It takes 250ms now.",
    ]
    assert [chunk.time for chunk in episode.chunks] == ["2024-03-15", "2024-04-05"]
    assert {question.text: (question.answers, question.evidence) for question in episode.questions} == {
        "When does it end?": (("March 29",), (0,)),
        "How long?": (("250ms",), (1,)),
        "In which order?": (("1) the end 2) time",), (0, 1)),
    }


def test_a_chat_with_nothing_to_ask_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    asked = {"abstention": CHAT["probing_questions"]["abstention"]}
    file.write_text(json.dumps({**CHAT, "probing_questions": asked}), encoding="utf-8")
    assert list(load(file)) == []


def test_the_hub_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"^hub:o/n:train: got a place on the hub, expected a file"):
        list(load(HubSet(name="o/n")))


def test_real_file(shared_data: Path) -> None:
    file = shared_data / "beam_100k" / "train.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    episodes = list(load(file, count_tokens=lambda text: len(text) // 4))
    assert len(episodes) == 6
    assert all(len(episode.questions) >= 12 for episode in episodes)
