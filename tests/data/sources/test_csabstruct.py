"""CSAbstruct on abstracts written by hand, and on the real file."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.sources import csabstruct
from memalpha.data.sources.csabstruct import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode

LABELS = ("background", "method", "result")
GOOD: dict[str, Any] = {"abstract_id": 0, "sentences": ["We show it."], "labels": ["result"], "confs": [0.9]}
ABSTRACTS = [
    {
        "abstract_id": n,
        "sentences": [*(f"Sentence {n}.{k} speaks  of it." for k in range(3)), " "],
        "labels": [*LABELS, "other"],
        "confs": [1.0] * 4,
    }
    for n in range(100)
]


def words(text: str) -> int:
    return len(text.split())


def test_abstracts_become_streams(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        csabstruct, "SHAPE", csabstruct.Shape(episodes=9, chunk_tokens=(20, 40), reuse=False, questions=30)
    )
    file = tmp_path / "train.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ABSTRACTS).encode()))
    episodes = prove(load, file)
    assert {episode.source for episode in episodes} == {"csabstruct"}
    for episode in episodes:
        numbers = {}
        for question in episode.questions:
            kind = question.text.split()[2].split(".")[1]
            assert numbers.setdefault(kind, question.answers) == question.answers
        assert set(numbers) == {"0", "1", "2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": []}, "got 1 sentences and 0 labels, expected as many"),
        ({"labels": [3]}, "labels 0: got int, expected text"),
        ({"sentences": [None]}, "sentences 0: got null, expected text"),
        ({"sentences": "x"}, "sentences: got text, expected a list"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, **change}), encoding="utf-8")
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    assert str(caught.value) == f"{file}:2: {message}"


def test_real_file(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    file = shared_data / "csabstruct" / "test.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    [episode, *_] = prove(load, file)
    assert len(episode.questions) == 100
    assert {question.answers[0] for question in episode.questions} == {"0", "1", "2", "3", "4"}
