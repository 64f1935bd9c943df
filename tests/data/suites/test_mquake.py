"""Edited facts, worked by hand on three cases; the first two edit the same fact in different ways."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.suites.mquake import load_multi, load_single
from memalpha.data.suites.suite import Limits
from memalpha.errors import ConfigError, EpisodeError
from memalpha.metrics import contains
from memalpha.records import Competency, Episode, Metric

FILE = "mquake_hard/test.jsonl.gz"
SEEDS = range(12)
WHOLE = 112
"""Words of all facts with their numbers; the cases alone have 41, 38 and 40."""


def words(text: str) -> int:
    return len(text.split())


def facts(episode: Episode) -> list[str]:
    """The facts in the order of their numbers, which is that of the stream."""
    lines = [line for chunk in episode.chunks for line in chunk.lines]
    numbered = [re.fullmatch(r"(\d+)\. (.*\.)", line) for line in lines]
    assert [int(match[1]) for match in numbered if match] == list(range(len(lines)))
    return [match[2] for match in numbered if match]


def test_every_version_stands_in_the_stream_and_the_outdated_one_first(folder: Path) -> None:
    first_of_all = set()
    for seed in SEEDS:
        [episode] = load_single(folder, seed=seed, count_tokens=words)
        told = facts(episode)
        first_of_all.add(told[0])
        assert sorted(told) == sorted(
            [
                "The capital of Elbonia is Oldtown.",
                "The capital of Elbonia is Newport.",
                "The capital of Elbonia is Midway.",
                "Newport is located in the continent of Europe.",
                "Newport is located in the continent of Africa.",
                "Oldtown is located in the continent of Asia.",
                "The mayor of Midway is Ann Bye.",
                "The mayor of Midway is Bea Cox.",
                "The mayor of Oldtown is Dan Elk.",
                "Fay is married to Gus Hill of York.",
                "Fay is married to Gus Hill.",
                "Gus Hill was born in York.",
                "Gus Hill was born in Leeds.",
                "Gus Hill of York was born in Leeds Docks.",
            ]
        )
        for old, new in [
            ("The capital of Elbonia is Oldtown.", "The capital of Elbonia is Newport."),
            ("The capital of Elbonia is Oldtown.", "The capital of Elbonia is Midway."),
            ("Newport is located in the continent of Europe.", "Newport is located in the continent of Africa."),
            ("Fay is married to Gus Hill of York.", "Fay is married to Gus Hill."),
        ]:
            assert told.index(old) < told.index(new)
    assert len(first_of_all) > 3


def test_the_newest_version_is_the_answer_and_its_chunk_the_evidence(folder: Path) -> None:
    capitals = set()
    for seed in SEEDS:
        [episode] = load_single(folder, seed=seed, limits=Limits(chunk_tokens=20), count_tokens=words)
        told = facts(episode)
        asked = {question.text: question for question in episode.questions}
        newest = max(told.index(f"The capital of Elbonia is {name}.") for name in ("Oldtown", "Newport", "Midway"))
        capital = asked["What is the capital of Elbonia?"]
        capitals.add(capital.answers)
        assert told[newest] == f"The capital of Elbonia is {capital.answers[0]}."
        [place] = capital.evidence
        assert told[newest] in episode.chunks[place].text
        assert asked["On which continent is Newport?"].answers == ("Africa", "the African continent")
        assert asked["Who is the mayor of Midway?"].answers == ("Bea Cox",)
        assert asked["Where was Gus Hill born?"].answers == ("Leeds",)
        # "Gus Hill" stands in the outdated "Gus Hill of York" as well.
        assert len(asked) == 4
        for question in episode.questions:
            assert (question.metric, question.competency) == (Metric.CONTAINS, Competency.CONFLICT_RESOLUTION)
    assert capitals == {("Newport", "New Port"), ("Midway",)}


def test_a_chain_is_asked_for_where_all_of_it_holds(folder: Path) -> None:
    both = set()
    for seed in SEEDS:
        [episode] = load_multi(folder, seed=seed, limits=Limits(chunk_tokens=10), count_tokens=words)
        told = facts(episode)
        newport = told.index("The capital of Elbonia is Newport.") > told.index("The capital of Elbonia is Midway.")
        [question] = episode.questions  # not that of the third case: its outdated "Leeds Docks" has the "Leeds" of now
        both.add(question.text)
        if newport:
            assert question.text in (
                "On which continent is the capital of Elbonia?",
                "Elbonia's capital is on which continent?",
            )
            assert question.answers == ("Africa", "the African continent")
        else:
            assert question.answers == ("Bea Cox",)
        held = "\n".join(episode.chunks[index].text for index in question.evidence)
        assert len(question.evidence) in (1, 2)
        for fact in (
            ("The capital of Elbonia is Newport.", "Newport is located in the continent of Africa.")
            if newport
            else ("The capital of Elbonia is Midway.", "The mayor of Midway is Bea Cox.")
        ):
            assert fact in held
    assert len(both) == 3


def test_both_suites_have_the_same_streams(folder: Path) -> None:
    limits = Limits(episodes=3)
    single, multi = (list(load(folder, limits=limits, count_tokens=words)) for load in (load_single, load_multi))
    assert [episode.chunks for episode in single] == [episode.chunks for episode in multi]
    assert len({episode.chunks for episode in single}) == 3


@pytest.mark.parametrize("length", [41, 50, 85, WHOLE])
def test_a_stream_holds_the_cases_that_the_length_allows(folder: Path, length: int) -> None:
    for seed in SEEDS:
        [episode] = load_single(folder, seed=seed, limits=Limits(length_tokens=length), count_tokens=words)
        assert sum(words(chunk.text) for chunk in episode.chunks) <= length
        told = facts(episode)
        assert (len(told) == 14) is (length == WHOLE)
        # A case is told whole or not at all.
        assert ("Newport is located in the continent of Africa." in told) is (
            "Oldtown is located in the continent of Asia." in told
        )


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (37, "expected room for the facts of one case; choose a longer one"),
        (WHOLE + 1, f"expected at most {WHOLE}, all that there is; choose less"),
    ],
)
def test_a_length_that_cannot_be_filled_is_refused(folder: Path, length: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(load_single(folder, limits=Limits(length_tokens=length), count_tokens=words))
    assert str(caught.value) == f"got length_tokens={length}, {message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("questions"), "the key 'questions' is missing; add it"),
        (
            lambda record: record["requested_rewrite"][1].pop("subject"),
            "requested_rewrite 1: the key 'subject' is missing; add it",
        ),
        (
            lambda record: record["requested_rewrite"][0].update(target_new="x"),
            "requested_rewrite 0: target_new: got text, expected a JSON object",
        ),
        (
            lambda record: record["new_single_hops"][0].update(answer_alias=[1]),
            "new_single_hops 0: answer_alias 0: got int, expected text",
        ),
    ],
)
def test_a_bad_record_is_named_with_its_line(
    files: dict[str, Any],
    write: Callable[[dict[str, Any]], Path],
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    change(files[FILE][1])
    folder = write(files)
    with pytest.raises(EpisodeError) as caught:
        list(load_single(folder, count_tokens=words))
    assert str(caught.value) == f"{folder / FILE}:2: {message}"


@pytest.mark.parametrize("load", [load_single, load_multi])
def test_every_answer_of_the_real_file_stands_in_its_evidence(shared_data: Path, load: Any) -> None:
    if not (shared_data / FILE).is_file():
        pytest.skip(f"no {FILE} in {shared_data}")
    [episode] = load(shared_data, limits=Limits(questions=1000))
    told = facts(episode)
    assert len(episode.questions) >= 98
    for question in episode.questions:
        held = [line for index in question.evidence for line in episode.chunks[index].lines]
        right = [fact for fact in told if contains(fact, question.answers)]
        assert right
        assert any(fact in line for fact in right for line in held)
