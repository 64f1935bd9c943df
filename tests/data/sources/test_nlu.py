"""NLU-Evaluation-Data in each of its shapes, on rows written by hand."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.sources import nlu
from memalpha.data.sources.nlu import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode

INTENTS = ("iot_hue_lightdim", "alarm_set", "news_query")
ROWS = [(f"request number {n} of the day", INTENTS[n % 3]) for n in range(400)]
HEADER = (
    "userid;answerid;scenario;intent;status;answer_annotation;notes;suggested_entities;"
    "answer_normalised;answer;question"
)


def words(text: str) -> int:
    return len(text.split())


def csv_text() -> str:
    cells = [(label.split("_", 1), text) for text, label in ROWS]
    lines = [
        f'1;{n};{scenario};{intent};null;"{text} [x : y]";;a, b;{text};Say: {text}!;Write what you would tell'
        for n, ((scenario, intent), text) in enumerate(cells)
    ]
    return "\n".join([HEADER, *lines, "1;9;alarm;set;IRR;;;;;;"]) + "\n"


RASA = [{"text": text, "intent": intent, "entities": []} for text, intent in ROWS]
HUB = [{"text": text, "scenario": intent.split("_")[0], "label": INTENTS.index(intent)} for text, intent in ROWS]
SHAPES = {
    "all.csv": csv_text(),
    "rasa.json": json.dumps({"rasa_nlu_data": {"common_examples": RASA}}, indent=1),
    "rows.jsonl": "".join(json.dumps(row) + "\n" for row in RASA),
    "hub.jsonl": "".join(json.dumps(row) + "\n" for row in HUB),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_streams(
    tmp_path: Path, prove: Callable[..., list[Episode]], name: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nlu, "SHAPE", nlu.Shape(episodes=4, chunk_tokens=(60, 60), reuse=True))
    file = tmp_path / (f"{name}.gz" if packed else name)
    data = SHAPES[name].encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    episodes = prove(load, file)
    assert [(episode.id, episode.source) for episode in episodes] == [(f"{file.name}:3:{n}", "nlu") for n in range(4)]
    assert [len(episode.chunks) for episode in episodes] == [10] * 4
    assert [len(episode.questions) for episode in episodes] == [100] * 4
    lines = {line for episode in episodes for chunk in episode.chunks for line in chunk.lines[1:-1]}
    texts = {line.removeprefix("Sample: ").split(";")[0] for line in lines}
    assert texts <= {text for text, _ in ROWS}


def test_the_shape_is_the_papers() -> None:
    assert nlu.Shape(episodes=200, chunk_tokens=(200, 200), reuse=True, chunks=10, questions=100) == nlu.SHAPE


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"text": "x"}', ":1: the key 'intent' is missing; add it"),
        ("a.jsonl", '{"text": "x", "intent": " "}', ":1: got an empty intent, expected its name; leave the record out"),
        ("a.jsonl", '{"text": 3, "intent": "y"}', ":1: text: got int, expected text"),
        ("a.jsonl", '{"rasa_nlu_data": {}}', ":1: rasa_nlu_data: the key 'common_examples' is missing; add it"),
        (
            "a.jsonl",
            '{"rasa_nlu_data": {"common_examples": [{"text": "x"}]}}',
            ":1: common_examples 0: the key 'intent' is missing; add it",
        ),
        (
            "a.jsonl",
            '{"text": "x", "scenario": "y", "label": null}',
            ":1: label: got None, expected the name or the number of a label",
        ),
        ("a.csv", f"{HEADER}\n1;2;alarm", ":2: the key 'intent' is missing; add it"),
        ("a.csv", "x;y\n1;2", ":2: the key 'scenario' is missing; add it"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    assert str(caught.value) == f"{file}{message}"


def test_an_empty_file_makes_no_episode(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / name).write_text("", encoding="utf-8")
        assert list(load(tmp_path / name, count_tokens=words)) == []


def test_real_file(shared_data: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch) -> None:
    file = shared_data / "nlu" / "train.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    monkeypatch.setattr(nlu, "SHAPE", nlu.Shape(episodes=3, chunk_tokens=(200, 200), reuse=True))
    episodes = prove(load, file)
    labels: list[Any] = [{question.answers[0] for question in episode.questions} for episode in episodes]
    assert [len(episode.questions) for episode in episodes] == [100] * 3
    assert all(len(each) > 20 for each in labels)  # 64 intents
