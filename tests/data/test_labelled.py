"""Streams of labelled samples, worked by hand on a few; then what holds of any."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.exchange import REPLIES, SAMPLE_OPENINGS
from memalpha.data.labelled import Sample, Shape, learn_from, read_label
from memalpha.errors import ConfigError, EpisodeError
from memalpha.records import Competency, Episode, Metric

LINE = re.compile(r"Sample: (.*); label: (\d+)")


def words(text: str) -> int:
    return len(text.split())


def build(samples: list[Sample], shape: Shape, seed: int = 0) -> list[Episode]:
    return list(learn_from(samples, shape, name="file", source="mine", seed=seed, count_tokens=words))


def numbered(count: int, labels: int = 2) -> list[Sample]:
    return [Sample(text=f"text {n}", label=f"label {n % labels}") for n in range(count)]


def told(episode: Episode) -> list[list[tuple[str, str]]]:
    return [LINE.findall(chunk.text) for chunk in episode.chunks]


def test_chunks_hold_samples_and_questions_ask_for_others() -> None:
    # A line such as "Sample: text 12; label: 0" has five words: two fill a chunk of 6 to 10.
    shape = Shape(episodes=1, chunk_tokens=(6, 10), reuse=False, chunks=3, questions=4)
    [episode] = build(numbered(12), shape)
    chunks = told(episode)
    assert [len(chunk) for chunk in chunks] == [2, 2, 2]
    known = {text for chunk in chunks for text, _ in chunk}
    assert len(known) == 6
    asked = [re.fullmatch(r"Sample: (.*); which label\?", question.text) for question in episode.questions]
    assert len({match[1] for match in asked if match} - known) == 4
    assert {question.metric for question in episode.questions} == {Metric.LABEL}
    assert {question.competency for question in episode.questions} == {Competency.TEST_TIME_LEARNING}
    assert (episode.id, episode.source) == ("file:0:0", "mine")
    assert [chunk.time for chunk in episode.chunks] == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_a_label_has_one_number_in_an_episode_and_evidence_is_where_it_stands() -> None:
    [episode] = build(numbered(40, labels=3), Shape(episodes=1, chunk_tokens=(11, 11), reuse=False, chunks=3))
    numbers = {f"label {int(text.split()[1]) % 3}": number for chunk in told(episode) for text, number in chunk}
    assert sorted(numbers.values()) == ["0", "1", "2"]
    for question in episode.questions:
        number = int(re.findall(r"\d+", question.text)[0])
        assert question.answers == (numbers[f"label {number % 3}"],)
        places = [index for index, chunk in enumerate(told(episode)) if question.answers[0] in dict(chunk).values()]
        assert list(question.evidence) == places != []


def test_numbers_are_drawn_anew_for_each_episode() -> None:
    episodes = build(numbered(300, labels=4), Shape(episodes=12, chunk_tokens=(20, 20), reuse=True, chunks=2))
    orders = set()
    for episode in episodes:
        pairs = {int(text.split()[1]) % 4: number for chunk in told(episode) for text, number in chunk}
        orders.add(tuple(pairs[label] for label in range(4)))
    assert len(orders) > 5


def test_a_missing_label_joins_the_first_chunk() -> None:
    samples = [*numbered(30, labels=1), Sample(text="rare one", label="rare")]
    for seed in range(10):
        [episode] = build(samples, Shape(episodes=1, chunk_tokens=(5, 5), reuse=False, chunks=2, questions=3), seed)
        chunks = told(episode)
        assert {number for chunk in chunks for _, number in chunk} == {"0", "1"}
        assert [len(chunk) for chunk in chunks] in ([2, 1], [1, 1])


def test_chunks_are_dressed_as_an_exchange() -> None:
    [episode] = build(numbered(30), Shape(episodes=1, chunk_tokens=(10, 10), reuse=False, chunks=2))
    for chunk in episode.chunks:
        opening, *lines, reply = chunk.lines
        assert opening.removeprefix("<User>") in SAMPLE_OPENINGS
        assert reply.removeprefix("<Assistant>") in REPLIES
        assert all(LINE.fullmatch(line) for line in lines)


def test_without_reuse_streams_end_where_the_samples_do() -> None:
    shape = Shape(episodes=9, chunk_tokens=(10, 10), reuse=False, chunks=2, questions=3)  # 4 samples and 3 questions
    episodes = build(numbered(20), shape)
    assert len(episodes) == 3  # the third one has 4 samples and 2 questions left
    texts = [text for episode in episodes for chunk in told(episode) for text, _ in chunk]
    texts += [question.text[8:-14] for episode in episodes for question in episode.questions]
    assert len(texts) >= 20
    assert len(build(numbered(20), Shape(episodes=9, chunk_tokens=(10, 10), reuse=True, chunks=2, questions=3))) == 9


def test_a_text_that_comes_twice_is_never_asked_after_it_was_told() -> None:
    samples = [Sample(text=text, label=text[:1]) for text in ["one", "One!", "two", "Two", "three"] * 3]
    for seed in range(20):
        for episode in build(samples, Shape(episodes=5, chunk_tokens=(4, 4), reuse=True, chunks=2), seed):
            known = {text.lower().strip("!") for chunk in told(episode) for text, _ in chunk}
            asked = [question.text[8:-14].lower().strip("!") for question in episode.questions]
            assert not known & set(asked)
            assert len(set(asked)) == len(asked)


def test_the_same_seed_gives_the_same_episodes_and_another_seed_others() -> None:
    shape = Shape(episodes=2, chunk_tokens=(10, 20), reuse=True, chunks=2)
    assert build(numbered(40), shape, 1) == build(numbered(40), shape, 1)
    assert told(build(numbered(40), shape, 1)[0]) != told(build(numbered(40), shape, 2)[0])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_samples_make_no_episode(count: int) -> None:
    assert build(numbered(count), Shape(episodes=3, chunk_tokens=(5, 5), reuse=True, chunks=2)) == []


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="got chunks=0, expected at least 1"):
        build(numbered(9), Shape(episodes=1, chunk_tokens=(5, 5), reuse=True, chunks=0))


SAMPLES = st.lists(
    st.builds(Sample, text=st.sampled_from("abcdefgh").map(lambda c: f"{c} {c}"), label=st.sampled_from("xyz")),
    max_size=20,
)


@given(SAMPLES, st.booleans(), st.integers(1, 12), st.integers(1, 3), st.integers(0, 9))
def test_what_holds_of_every_episode(samples: list[Sample], reuse: bool, size: int, chunks: int, seed: int) -> None:
    shape = Shape(episodes=4, chunk_tokens=(size, size + 4), reuse=reuse, chunks=chunks, questions=5)
    for episode in build(samples, shape, seed):
        assert len(episode.chunks) == chunks
        assert 1 <= len(episode.questions) <= 5
        numbers = {number for chunk in told(episode) for _, number in chunk}
        assert {question.answers[0] for question in episode.questions} <= numbers
        assert len(numbers) == len({sample.label for sample in samples})


@pytest.mark.parametrize(("value", "label"), [("news_query", "news_query"), (3, "3"), (" x ", "x")])
def test_a_label_is_a_name_or_a_number(value: object, label: str) -> None:
    assert read_label({"label": value}, "label", "f:1") == label


@pytest.mark.parametrize("value", [None, "", " ", True, 1.5, [1]])
def test_another_label_is_named(value: object) -> None:
    with pytest.raises(EpisodeError, match=r"^f:1: label: got .*, expected the name or the number of a label$"):
        read_label({"label": value}, "label", "f:1")
