"""What holds of every source, whatever it reads."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.passages import places
from memalpha.metrics import score
from memalpha.records import Competency, Episode, Metric

Prove = Callable[[Callable[..., Iterable[Episode]], Path], list[Episode]]


@pytest.fixture
def prove() -> Prove:
    """Loads a source and checks what every source promises: seeded, whole, and gold answers score 1.0."""
    return _prove


def _prove(load: Callable[..., Iterable[Episode]], place: Any) -> list[Episode]:
    episodes = list(load(place, seed=3, count_tokens=_words))
    assert episodes
    assert episodes == list(load(place, seed=3, count_tokens=_words))
    assert len({episode.id for episode in episodes}) == len(episodes)
    assert len({episode.source for episode in episodes}) == 1
    for episode in episodes:
        _check(episode)
    return episodes


def _check(episode: Episode) -> None:
    assert len({question.text for question in episode.questions}) == len(episode.questions) <= 100
    times = [chunk.time for chunk in episode.chunks if chunk.time is not None]
    assert times == sorted(times)
    for question in episode.questions:
        told = "; ".join(question.answers) if question.metric is Metric.KEYWORDS else question.answers[0]
        assert score(question.metric, told, question.answers) == 1.0
        assert score(question.metric, "nothing of the sort", question.answers) < 1.0
        assert question.evidence or question.competency is Competency.LONG_RANGE_UNDERSTANDING
        held = [episode.chunks[index].text for index in question.evidence]
        if question.metric is Metric.CONTAINS:
            assert any(places(answer, held) for answer in question.answers)
        if question.metric is Metric.LABEL:
            assert all(f"; label: {question.answers[0]}\n" in text for text in held)


def _words(text: str) -> int:
    return len(text.split())
