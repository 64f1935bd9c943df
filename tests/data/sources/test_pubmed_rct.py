"""PubMed-RCT in each of its shapes, on abstracts written by hand."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memalpha.data.sources import pubmed_rct
from memalpha.data.sources.pubmed_rct import load
from memalpha.errors import EpisodeError
from memalpha.records import Episode

LABELS = ("BACKGROUND", "METHODS", "RESULTS")
ROWS = [(f"Sentence {n} speaks of the trial .", LABELS[n % 3]) for n in range(360)]
ABSTRACTS = [ROWS[start : start + 6] for start in range(0, len(ROWS), 6)]
SHAPES = {
    "train.txt": "\n".join(
        f"###{number}\n" + "".join(f"{label}\t{text}\n" for text, label in abstract)
        for number, abstract in enumerate(ABSTRACTS, start=24290000)
    ),
    "names.jsonl": "".join(json.dumps({"text": text, "label": label.lower()}) + "\n" for text, label in ROWS),
    "numbers.jsonl": "".join(json.dumps({"text": text, "labels": LABELS.index(label)}) + "\n" for text, label in ROWS),
}
SMALL = pubmed_rct.Shape(episodes=9, chunk_tokens=(20, 40), reuse=False, chunks=10, questions=30)


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_streams(
    tmp_path: Path, prove: Callable[..., list[Episode]], name: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubmed_rct, "SHAPE", SMALL)
    file = tmp_path / (f"{name}.gz" if packed else name)
    data = SHAPES[name].encode()
    file.write_bytes(gzip.compress(data) if packed else data)
    episodes = prove(load, file)
    assert {episode.source for episode in episodes} == {"pubmed-rct"}
    assert 4 <= len(episodes) <= 6  # 360 sentences, about 40 told and 30 asked in each
    asked = [question.text for episode in episodes for question in episode.questions]
    assert len(set(asked)) == len(asked)
    told = [line for episode in episodes for chunk in episode.chunks for line in chunk.lines[1:-1]]
    texts = {line.removeprefix("Sample: ").split(";")[0] for line in told}
    assert texts <= {text for text, _ in ROWS}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.txt",
            "###1\nMETHODS\tx .\nMETHOD\ty .\n",
            ":3: got 'METHOD\\ty .', expected ###, or a label "
            "(BACKGROUND, CONCLUSIONS, METHODS, OBJECTIVE, RESULTS), a tab and a sentence; mend that line",
        ),
        ("a.jsonl", '{"text": "x"}', ":1: the key 'label' is missing; add it"),
        ("a.jsonl", '{"text": "x", "labels": []}', ":1: labels: got [], expected the name or the number of a label"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    assert str(caught.value) == f"{file}{message}"


def test_the_shape_is_the_papers() -> None:
    assert pubmed_rct.Shape(episodes=100, chunk_tokens=(1024, 2048), reuse=False) == pubmed_rct.SHAPE
