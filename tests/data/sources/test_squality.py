"""SQuALITY as a source: the suite's questions under their own name, the story read over some weeks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources.squality import load
from memalpha.data.suites import squality
from memalpha.errors import EpisodeError
from memalpha.records import Episode, Metric

WORDS = "whaler storm captain harbour anchor lantern compass".split()


def record(number: int) -> dict[str, object]:
    story = " ".join(f"The {word} of night {n} was seen again." for n in range(60) for word in WORDS)
    response = {"worker_id": "1", "uid": "x", "response_text": "The whaler and its captain leave the harbour."}
    other = {"worker_id": "2", "uid": "y", "response_text": "A captain steers his whaler out of harbour."}
    asked = {"question_text": "What is the plot of the story?", "question_number": 1, "responses": [response, other]}
    return {
        "metadata": {"passage_id": f"6{number}", "uid": "z", "license": "x"},
        "document": story,
        "questions": [asked],
    }


def test_stories_are_read_over_days(tmp_path: Path, prove: Callable[..., list[Episode]]) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(record(n)) + "\n" for n in range(3)), encoding="utf-8")
    episodes = prove(load, file)
    assert [(episode.id, episode.source) for episode in episodes] == [
        (f"train.jsonl:6{n}", "squality") for n in range(3)
    ]
    suite = list(squality.load(file, count_tokens=lambda text: len(text.split())))
    for episode, other in zip(episodes, suite, strict=True):
        assert episode.questions == other.questions
        assert [list(chunk.lines[1:-1]) for chunk in episode.chunks] == [list(chunk.lines) for chunk in other.chunks]
        assert episode.questions[0].answers == ("captain", "harbour", "whaler")
        assert episode.questions[0].metric is Metric.KEYWORDS
    assert len({tuple(chunk.time for chunk in episode.chunks) for episode in episodes}) > 1  # days are drawn


def test_the_hub_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"^hub:o/n:train: got a place on the hub, expected a file"):
        list(load(HubSet(name="o/n")))


def test_real_file(shared_data: Path, prove: Callable[..., list[Episode]]) -> None:
    file = shared_data / "squality" / "train.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    assert len(prove(load, file)) == 50
