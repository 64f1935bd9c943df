"""What holds of every suite: golds score 1, evidence and metrics are as declared, seeds and limits are kept to."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memalpha.data.suites import SUITES, suite_episodes
from memalpha.data.suites.suite import Limits
from memalpha.errors import ConfigError, EpisodeError
from memalpha.metrics import score
from memalpha.records import Competency, Episode, Metric, Question

CHOSEN_LENGTH = {
    "long-squad": 40,
    "long-hotpotqa": 40,
    "icl-banking77": 40,
    "icl-clinc150": 40,
    "icl-nlu": 40,
    "conflict-mquake-single": 90,
    "conflict-mquake-multi": 90,
}
"""Words that the folder made by hand can fill."""
IN_WORDS = {
    Competency.ACCURATE_RETRIEVAL: "accurate retrieval",
    Competency.TEST_TIME_LEARNING: "test-time learning",
    Competency.LONG_RANGE_UNDERSTANDING: "long-range understanding",
    Competency.CONFLICT_RESOLUTION: "conflict resolution",
}
DOCS = Path(__file__).parents[3] / "docs" / "suites.md"


def words(text: str) -> int:
    return len(text.split())


def small(name: str, **limits: int) -> Limits:
    chosen = {"length_tokens": CHOSEN_LENGTH[name]} if name in CHOSEN_LENGTH else {}
    return Limits(**chosen | limits)


def gold(question: Question) -> str:
    """What answers a question best: all of its keywords, or its first answer."""
    return ", ".join(question.answers) if question.metric is Metric.KEYWORDS else question.answers[0]


def check(name: str, episodes: tuple[Episode, ...]) -> None:
    suite = SUITES[name]
    assert len({episode.id for episode in episodes}) == len(episodes)
    for episode in episodes:
        assert episode.source == name
        assert len({question.text for question in episode.questions}) == len(episode.questions)
        for question in episode.questions:
            assert question.metric in suite.metrics
            assert question.competency in suite.competencies
            assert score(question.metric, gold(question), question.answers) == 1.0
            assert list(question.evidence) == sorted(set(question.evidence))
            assert score(question.metric, "", question.answers) == 0.0


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_keeps_its_word(folder: Path, name: str) -> None:
    episodes = suite_episodes(name, folder, seed=1, limits=small(name, chunk_tokens=12), count_tokens=words)
    check(name, episodes)
    assert all(words(chunk.text) <= 12 for episode in episodes for chunk in episode.chunks)
    for episode in episodes:
        times = [chunk.time or "" for chunk in episode.chunks]
        assert all(times)
        assert times == sorted(times)
    declared = {question.competency for episode in episodes for question in episode.questions}
    if name != "longmemeval":  # one question an episode; its kinds are tried one by one elsewhere
        assert declared == set(SUITES[name].competencies)


@pytest.mark.parametrize("name", SUITES)
def test_the_same_seed_gives_the_same_episodes(folder: Path, name: str) -> None:
    first, second = (suite_episodes(name, folder, seed=3, limits=small(name), count_tokens=words) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", SUITES)
def test_limits_are_kept(folder: Path, name: str) -> None:
    limits = small(name, episodes=1, questions=1)
    [episode] = suite_episodes(name, folder, limits=limits, count_tokens=words)
    assert len(episode.questions) == 1
    check(name, (episode,))
    if name in CHOSEN_LENGTH:
        assert sum(words(chunk.text) for chunk in episode.chunks) <= CHOSEN_LENGTH[name]
    else:
        with pytest.raises(ConfigError, match=f"got length_tokens=40 for {name}"):
            suite_episodes(name, folder, limits=Limits(length_tokens=40), count_tokens=words)


@pytest.mark.parametrize("name", SUITES)
def test_a_damaged_file_is_named_with_its_line(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path], name: str
) -> None:
    own = {each: rows for each, rows in files.items() if each.startswith(SUITES[name].files)}
    for file in SUITES[name].files:
        folder = write(own)
        if file.endswith("/"):
            [broken, *_] = sorted((folder / file).rglob("*.parquet"))
            broken.write_bytes(b"no parquet")
            expected = f"{broken}: row 0: got a file that cannot be read"
        elif file.endswith(".gz"):
            broken = folder / file
            with gzip.open(broken, "at", encoding="utf-8") as out:
                out.write("{broken\n")
            expected = f"{broken}:{len(files[file]) + 1}: got text that is not JSON"
        else:
            broken = folder / file
            broken.write_text("[\n{broken\n]", encoding="utf-8")
            expected = f"{broken}:2: got text that is not JSON"
        with pytest.raises(EpisodeError) as caught:
            suite_episodes(name, folder, limits=small(name), count_tokens=words)
        assert str(caught.value).startswith(expected)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("record", ["text", 3, None, {}, {"text": 1}])
def test_a_record_of_the_wrong_shape_is_named_with_its_line(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path], name: str, record: object
) -> None:
    own = {each: rows for each, rows in files.items() if each in SUITES[name].files}
    for file in own:
        folder = write(own | {file: [*files[file], record]})
        with pytest.raises(EpisodeError) as caught:
            suite_episodes(name, folder, limits=small(name), count_tokens=words)
        where = f"{folder / file}:1: item 1" if file.endswith(".json") else f"{folder / file}:{len(files[file]) + 1}"
        assert str(caught.value).startswith(f"{where}: ")


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a record with every key or index in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from spots(inner)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.data())
def test_a_record_that_went_wrong_somewhere_is_read_or_named(
    write: Callable[[dict[str, Any]], Path], whole_files: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([name for name in SUITES if name != "memoryagentbench"]))
    own = json.loads(json.dumps({file: whole_files[file] for file in SUITES[name].files}))
    file = data.draw(st.sampled_from(sorted(own)))
    container, key = data.draw(st.sampled_from(list(spots(own[file]))))
    wrong = st.sampled_from([None, True, -1, 2.5, "", " ", "x", [], [[]], ["x"], {}, {"x": "y"}])
    if data.draw(st.booleans()):
        container[key] = data.draw(wrong)
    else:
        del container[key]
    folder = write(own)
    try:
        episodes = suite_episodes(name, folder, limits=small(name), count_tokens=words)
    except ConfigError as error:
        assert str(error).startswith(f"got length_tokens={CHOSEN_LENGTH[name]}, expected ")
    except EpisodeError as error:
        assert str(error).startswith(str(folder))
        assert "\n" not in str(error)
    else:
        check(name, episodes)


@pytest.mark.parametrize("name", SUITES)
def test_a_folder_without_the_files_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(EpisodeError, match=f"got a path without {SUITES[name].files[0]}, expected the folder"):
        suite_episodes(name, tmp_path)


@pytest.mark.parametrize("name", [name for name, suite in SUITES.items() if len(suite.files) == 1])
def test_a_suite_of_one_file_is_built_from_that_file(folder: Path, name: str) -> None:
    file = folder / SUITES[name].files[0]
    files = sorted(file.rglob("*.parquet")) if file.is_dir() else [file]
    limits = small(name)
    whole = suite_episodes(name, folder, limits=limits, count_tokens=words)
    parts = [each for file in files for each in suite_episodes(name, file, limits=limits, count_tokens=words)]
    assert tuple(parts) == whole


def test_what_is_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        suite_episodes("ruler", tmp_path)
    assert str(caught.value) == f"got the suite 'ruler', expected one of {', '.join(SUITES)}"


@pytest.mark.parametrize("name", ["beam", "locomo", "longmemeval", "summary-qmsum", "summary-squality"])
def test_an_empty_file_is_no_suite(files: dict[str, Any], write: Callable[[dict[str, Any]], Path], name: str) -> None:
    folder = write(files | {SUITES[name].files[0]: []})
    with pytest.raises(EpisodeError, match=f"got no episode for {name}, expected at least one"):
        suite_episodes(name, folder)


def test_train_files_are_read_for_nothing_but_the_streams_of_examples() -> None:
    for name, suite in SUITES.items():
        train = [file for file in suite.files if "train" in file]
        assert bool(train) == name.startswith("icl-")


@pytest.mark.parametrize("name", SUITES)
def test_real_files(shared_data: Path, name: str) -> None:
    missing = [file for file in SUITES[name].files if not (shared_data / file).exists()]
    if missing:
        pytest.skip(f"no {missing[0]} in {shared_data}")
    episodes = suite_episodes(name, shared_data, limits=Limits(episodes=3))
    check(name, episodes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long-squad", "long-hotpotqa"])
def test_the_longest_context_is_built_from_real_files(shared_data: Path, name: str) -> None:
    [episode] = suite_episodes(name, shared_data, limits=Limits(length_tokens=474_000))
    check(name, (episode,))
    assert len(episode.questions) == 100


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_has_its_row_in_the_documents(name: str) -> None:
    suite = SUITES[name]
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` ")]
    assert rows
    text = " ".join(rows)
    assert all(f"`{file}`" in text for file in suite.files)
    assert all(f"`{metric}`" in text for metric in suite.metrics)
    assert all(IN_WORDS[competency] in text for competency in suite.competencies)
