"""TREC in both of its shapes, on lines written by hand."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memalpha.data.sources import trec
from memalpha.data.sources.trec import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode

LABELS = ("DESC", "HUM", "NUM")
ROWS = [(f"What is thing {n} ?", LABELS[n % 3]) for n in range(400)]
SHAPES = {
    "train_5500.label": "".join(f"{label}:def {text}\n" for text, label in ROWS),
    "hub.jsonl": "".join(
        json.dumps({"text": text, "coarse_label": LABELS.index(label), "fine_label": 7}) + "\n" for text, label in ROWS
    ),
}


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_both_shapes_give_the_same_streams(
    tmp_path: Path, prove: Callable[..., list[Episode]], name: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trec, "SHAPE", trec.Shape(episodes=3, chunk_tokens=(60, 60), reuse=True))
    file = tmp_path / (f"{name}.gz" if packed else name)
    data = SHAPES[name].encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    episodes = prove(load, file)
    assert {episode.source for episode in episodes} == {"trec"}
    assert [(len(episode.chunks), len(episode.questions)) for episode in episodes] == [(10, 100)] * 3
    for episode in episodes:
        assert {question.answers[0] for question in episode.questions} == {"0", "1", "2"}
        for question in episode.questions:
            number = int(question.text.split()[4])
            same = [q for q in episode.questions if int(q.text.split()[4]) % 3 == number % 3]
            assert {q.answers for q in same} == {question.answers}


def test_the_byte_that_is_no_utf8_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trec, "SHAPE", trec.Shape(episodes=1, chunk_tokens=(9, 9), reuse=False, chunks=1))
    file = tmp_path / "train.label"
    file.write_bytes(b"".join(b"NUM:count What is sister\xf0city %d ?\n" % n for n in range(3)))
    [episode] = load(file, count_tokens=words)
    assert "sister\u00f0city" in episode.chunks[0].text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.label",
            "NUM:count How many ?\nHow many ?\n",
            ":2: got 'How many ?', expected a label and a question: 'HUM:ind Who ... ?'",
        ),
        ("a.jsonl", '{"text": "x"}', ":1: the key 'coarse_label' is missing; add it"),
        ("a.jsonl", '{"coarse_label": 3}', ":1: the key 'text' is missing; add it"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    assert str(caught.value) == f"{file}{message}"


def test_the_shape_is_the_papers() -> None:
    assert trec.Shape(episodes=200, chunk_tokens=(200, 200), reuse=True, chunks=10, questions=100) == trec.SHAPE
