"""Labelled examples, worked by hand on twelve of them: "Sample: wake me at six; label: 0" has seven words."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.icl import loader
from memalpha.data.suites.suite import Limits
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Competency, Episode, Metric

LINE = re.compile(r"Sample: (.*); label: (\d+)")
LOADERS = {
    "banking77": loader("icl-banking77", "banking77", "category"),
    "clinc150": loader("icl-clinc150", "clinc150", "intent"),
    "nlu": loader("icl-nlu", "nlu", "intent"),
}
WHOLE = 76
"""Words of all lines: 40 in the texts and three around each."""


def words(text: str) -> int:
    return len(text.split())


def examples(episode: Episode) -> list[tuple[str, str]]:
    """Text and number of each line."""
    found = [LINE.fullmatch(line) for chunk in episode.chunks for line in chunk.lines]
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.parametrize("name", LOADERS)
def test_each_set_gives_the_same_stream_in_its_own_shape(folder: Path, name: str) -> None:
    limits = Limits(length_tokens=WHOLE, chunk_tokens=20)
    [episode] = LOADERS[name](folder, limits=limits, count_tokens=words)
    assert episode.id == f"icl-{name}:0:0"
    assert episode.source == f"icl-{name}"
    numbers = dict(examples(episode))
    assert len(numbers) == 12
    assert sorted(set(numbers.values())) == ["0", "1", "2"]
    by_number = defaultdict(set)
    for text, number in numbers.items():
        by_number[number].add(text)
    assert {"wake me at six", "set an alarm", "get me up early", "ring at noon"} in by_number.values()
    assert sorted(question.text for question in episode.questions) == [
        "Sample: is it windy; which label?",
        "Sample: play the blues; which label?",
        "Sample: wake us at two; which label?",
    ]  # not "set an alarm", which is in the stream, nor "where am I", whose label is not
    for question in episode.questions:
        [number] = question.answers
        assert (question.metric, question.competency) == (Metric.LABEL, Competency.TEST_TIME_LEARNING)
        same = {text for text, label in numbers.items() if label == number}
        assert question.evidence == tuple(
            index for index, chunk in enumerate(episode.chunks) if any(text in chunk.text for text in same)
        )
    wake = next(question for question in episode.questions if "wake us" in question.text)
    assert wake.answers == (numbers["wake me at six"],)


@pytest.mark.parametrize(("length", "least", "most"), [(7, 1, 1), (22, 3, 4), (43, 6, 7), (WHOLE - 1, 11, 11)])
def test_labels_take_turns_up_to_the_length(folder: Path, length: int, least: int, most: int) -> None:
    for seed in range(9):
        found = LOADERS["nlu"](folder, seed=seed, limits=Limits(length_tokens=length), count_tokens=words)
        [episode] = found
        drawn = examples(episode)
        assert sum(words(chunk.text) for chunk in episode.chunks) <= length
        assert least <= len(drawn) <= most
        counts = Counter(number for _, number in drawn)
        if len(drawn) >= 3:
            assert max(counts.values()) - min(counts.values()) <= 1
            assert len(counts) == 3


def test_a_label_that_no_example_shows_is_not_asked_for(folder: Path) -> None:
    for seed in range(9):
        [episode] = LOADERS["nlu"](folder, seed=seed, limits=Limits(length_tokens=8), count_tokens=words)
        [(_, number)] = examples(episode)
        assert [question.answers for question in episode.questions] == [(number,)]


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (4, "expected room for one example; choose a longer one"),
        (WHOLE + 1, f"expected at most {WHOLE}, all that there is; choose less"),
    ],
)
def test_a_length_that_cannot_be_filled_is_refused(folder: Path, length: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(LOADERS["nlu"](folder, limits=Limits(length_tokens=length), count_tokens=words))
    assert str(caught.value) == f"got length_tokens={length}, {message}"


def test_numbers_of_labels_and_examples_are_drawn_anew_for_each_episode(folder: Path) -> None:
    limits = Limits(length_tokens=WHOLE, episodes=6)
    episodes = list(LOADERS["nlu"](folder, limits=limits, count_tokens=words))
    assert len({episode.chunks for episode in episodes}) == 6
    assert len({dict(examples(episode))["ring at noon"] for episode in episodes}) > 1


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (["a"], "got a list of 1, expected a text and its label"),
        (["a", 1], "got int, expected text"),
        ("a", "got text, expected a text and its label; mend the record"),
        ({"text": "a"}, "the key 'intent' is missing; add it"),
        ({"text": " ", "intent": "x"}, "got an empty text or label, expected both; leave the record out"),
    ],
)
@pytest.mark.parametrize("file", ["nlu/train.jsonl.gz", "nlu/test.jsonl.gz"])
def test_a_bad_record_is_named_with_its_line(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path], file: str, record: object, message: str
) -> None:
    files[file].insert(1, record)
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(LOADERS["nlu"](folder, count_tokens=words))
    assert str(caught.value) == f"{folder / file}:2: {message}"


def test_an_empty_file_is_named(files: dict[str, Any], write: Callable[[dict[str, Any]], Path]) -> None:
    folder = write(files | {"nlu/train.jsonl.gz": []})
    with pytest.raises(EpisodeError, match=r"nlu/train.jsonl.gz: got no examples, expected one a line"):
        list(LOADERS["nlu"](folder, count_tokens=words))
