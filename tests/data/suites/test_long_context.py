"""Contexts filled to a length, worked by hand on paragraphs of 13 (SQuAD) and 6 words (HotpotQA)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memalpha.data.passages import places
from memalpha.data.suites.long_context import load_hotpotqa, load_squad
from memalpha.data.suites.suite import Limits, Loader
from memalpha.errors import ConfigError
from memalpha.records import Episode, Question


def words(text: str) -> int:
    return len(text.split())


def sizes(episodes: Iterator[Episode]) -> list[int]:
    return [sum(words(chunk.text) for chunk in episode.chunks) for episode in episodes]


@pytest.mark.parametrize(
    ("load", "length", "expected"),
    [
        # Six paragraphs of 13 words, then fifteen of 6 words in between.
        (load_squad, 13, [13] * 6),
        (load_squad, 40, [39, 39]),
        (load_squad, 45, [45, 45]),
        (load_squad, 60, [58, 56]),  # 4 x 13 + 6; 2 x 13 + 5 x 6
        (load_squad, 168, [168]),
        # Four records of 18 words; then the record with a yes (18), and six paragraphs of 13.
        (load_hotpotqa, 18, [18] * 4),
        (load_hotpotqa, 40, [36, 36]),
        (load_hotpotqa, 100, [90]),  # 5 x 18; the next would be the 103rd
    ],
)
def test_contexts_are_filled_to_the_length(folder: Path, load: Loader, length: int, expected: list[int]) -> None:
    limits = Limits(length_tokens=length, episodes=9)
    assert sizes(load(folder, limits=limits, count_tokens=words)) == expected


@pytest.mark.parametrize(
    ("load", "length", "message"),
    [
        (load_squad, 169, "expected at most 168, all that there is; choose another length"),
        (load_squad, 12, "expected room for one question's paragraphs; choose another length"),
        (load_hotpotqa, 17, "expected room for one question's paragraphs; choose another length"),
    ],
)
def test_a_length_that_cannot_be_filled_is_refused(folder: Path, load: Loader, length: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(load(folder, limits=Limits(length_tokens=length), count_tokens=words))
    assert str(caught.value) == f"got length_tokens={length}, {message}"


def test_one_context_is_built_unless_more_are_asked_for(folder: Path) -> None:
    assert len(list(load_squad(folder, limits=Limits(length_tokens=40), count_tokens=words))) == 1


def test_a_paragraph_asks_what_it_answers_and_is_its_evidence(folder: Path) -> None:
    [episode] = load_squad(folder, limits=Limits(length_tokens=150, chunk_tokens=20), count_tokens=words)
    assert episode.source == "long-squad"
    assert [chunk.time for chunk in episode.chunks][:2] == ["2024-01-01", "2024-01-02"]
    asked = {question.text: question for question in episode.questions}
    assert len(asked) == 12
    assert "How long is the bridge of Arby?" not in asked
    built = asked["Who built the bridge of Arby?"]
    assert built.answers == ("Ola Berg", "Berg")
    [place] = built.evidence
    assert "It was built in 1901 by Ola Berg." in episode.chunks[place].lines


def test_two_paragraphs_are_the_evidence_of_a_question_in_two_steps(folder: Path) -> None:
    [episode] = load_hotpotqa(folder, limits=Limits(length_tokens=80, chunk_tokens=6), count_tokens=words)
    assert sorted(question.text for question in episode.questions) == [
        f"Which river flows through the birthplace of Person{n}?" for n in range(4)
    ]
    for question in episode.questions:
        number = question.answers[0].removeprefix("River")
        held = {episode.chunks[index].text for index in question.evidence}
        assert held == {
            f"Person{number} was born in Town{number} once.",
            f"Town{number} lies on the River{number} there.",
        }


def test_yes_and_no_are_not_asked_for_but_fill_the_context(folder: Path) -> None:
    [episode] = load_hotpotqa(folder, limits=Limits(length_tokens=90), count_tokens=words)
    assert "Person9 was born in Town9 once." in "\n".join(chunk.text for chunk in episode.chunks)
    assert not any("Person9" in question.text for question in episode.questions)


def test_an_answer_that_a_chunk_end_cuts_in_two_is_not_asked_for(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path]
) -> None:
    qas = [{"question": "All?", "answers": ["a b c d"]}, {"question": "Some?", "answers": ["a b"]}]
    files["squad/test_squad_v2.0_dev.jsonl.gz"] = [{"title": "t", "context": "a b c d", "qas": qas}]
    limits = Limits(length_tokens=4, chunk_tokens=2)
    [episode] = load_squad(write(files), limits=limits, count_tokens=words)
    assert episode.questions == (Question(text="Some?", answers=("a b",), evidence=(0,)),)


def test_a_question_that_two_paragraphs_ask_is_not_asked(
    files: dict[str, Any], write: Callable[[dict[str, Any]], Path]
) -> None:
    first, second = files["squad/test_squad_v2.0_dev.jsonl.gz"][:2]
    second["qas"][0]["question"] = first["qas"][0]["question"]
    files["squad/test_squad_v2.0_dev.jsonl.gz"] = [first, second]
    [episode] = load_squad(write(files), limits=Limits(length_tokens=30), count_tokens=words)
    asked = sorted(question.text for question in episode.questions)
    assert asked == ["Who built the bridge of Arby?", "Who built the bridge of Bexo?"]


def test_a_paragraph_of_two_records_stands_once(files: dict[str, Any], write: Callable[[dict[str, Any]], Path]) -> None:
    first, second = files["hotpotqa/test_hf.jsonl.gz"][:2]
    second["context"]["title"][2] = first["context"]["title"][2]
    second["context"]["sentences"][2] = first["context"]["sentences"][2]
    files["hotpotqa/test_hf.jsonl.gz"] = [first, second]
    [episode] = load_hotpotqa(write(files), limits=Limits(length_tokens=31), count_tokens=words)
    text = "\n".join(chunk.text for chunk in episode.chunks)
    assert (words(text), text.count("Noise0")) == (30, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.sampled_from([load_squad, load_hotpotqa]),
    st.integers(18, 96),
    st.integers(1, 30),
    st.integers(),
    st.integers(1, 9),
)
def test_what_holds_of_every_context(
    folder: Path, load: Loader, length: int, chunk_tokens: int, seed: int, many: int
) -> None:
    limits = Limits(length_tokens=length, chunk_tokens=chunk_tokens, episodes=many)
    for episode in load(folder, seed=seed, limits=limits, count_tokens=words):
        texts = [chunk.text for chunk in episode.chunks]
        assert all(words(text) <= chunk_tokens for text in texts)
        assert length - 18 < sum(map(words, texts)) <= length
        for question in episode.questions:
            assert all(places(answer, [texts[index] for index in question.evidence]) for answer in question.answers)
