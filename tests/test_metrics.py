"""Each metric on hand-worked numbers."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.metrics import (
    METRICS,
    contains,
    exact,
    keywords,
    label,
    longest_common_subsequence,
    rouge_l,
    score,
    token_f1,
)
from memalpha.records import Metric


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("She lives in Paris, France.", ["paris"], 1.0),
        ("She lives in Paris.", ["Rome", "the Paris"], 1.0),
        ("It is 10.", ["1"], 0.0),
        ("It is 1, not 10.", ["1"], 1.0),
        ("Parisian", ["Paris"], 0.0),
        ("new old york", ["New York"], 0.0),
        ("", ["Paris"], 0.0),
        ("anything", [], 0.0),
    ],
)
def test_contains(prediction: str, answers: Sequence[str], expected: float) -> None:
    assert contains(prediction, answers) == expected


def test_exact() -> None:
    assert exact("The Eiffel Tower!", ["tower", "eiffel tower"]) == 1.0
    assert exact("the big Eiffel Tower", ["Eiffel Tower"]) == 0.0
    assert exact("A", ["B"]) == 0.0
    assert exact("A", ["a."]) == 1.0


def test_token_f1() -> None:
    # {red, cat} against {cat, sat, down}: precision 1/2, recall 1/3, F1 = 2/5.
    assert token_f1("a red cat", ["the cat sat down"]) == pytest.approx(0.4)
    assert token_f1("a red cat", ["the cat sat down", "red"]) == pytest.approx(2 / 3)
    # A repeated word counts as often as it stands in both: common 1, lengths 3 and 1.
    assert token_f1("cat cat cat", ["cat"]) == pytest.approx(0.5)


def test_keywords() -> None:
    assert keywords("Toto met the Wicked Witch of the West", ["toto", "wicked witch", "tin man", "east"]) == 0.5
    assert keywords("Toto", []) == 0.0


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ("7", 1.0),
        ("17", 0.0),
        ("the class is 7", 0.0),
        (r"not \boxed{3} but \boxed{7}", 1.0),
        (r"\boxed{7} or rather \boxed{3}", 0.0),
        (r"\boxed{\text{7}}", 1.0),
        (r"\boxed{77}, label: 7", 0.0),
        (r"\boxed{\frac{7}{2}}", 0.0),
        ("Label: 3\nlabel: 7\nThat is all.", 1.0),
        ("LABEL: '7'. Because 3 is wrong", 1.0),
        ('Label: "7." Sure', 1.0),
        ("**Label:** 7", 1.0),
        ("**Label**:\n7", 1.0),
        ('{"label": "7"}', 1.0),
        ("label: 7 or 8", 0.0),
        ("label: 70", 0.0),
        (r"\boxed{}", 0.0),
        ("", 0.0),
    ],
)
def test_label(prediction: str, expected: float) -> None:
    assert label(prediction, ["7"]) == expected


@pytest.mark.parametrize("metric", [Metric.CONTAINS, Metric.EXACT, Metric.TOKEN_F1, Metric.KEYWORDS])
def test_case_of_the_prediction_never_decides(metric: Metric) -> None:
    # The reference lowers the keywords of PerLTQA and leaves the prediction as it is, so that names are never found.
    assert score(metric, "MIRA HALE", ["Mira Hale"]) == 1.0
    assert score(metric, "mira hale", ["MIRA Hale"]) == 1.0


def test_keywords_of_a_name_are_found_in_a_sentence() -> None:
    assert keywords("It was Mira Hale, from OSLO.", ["Mira Hale", "oslo", "Rome"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("prediction", ["It is class 10.", "Answer: 21", "12\nor another"])
def test_a_label_is_not_a_part_of_another_number(prediction: str) -> None:
    # The reference looks for "1" anywhere in the first line of what a baseline answers.
    assert label(prediction, ["1"]) == 0.0


def test_a_boxed_label_counts_on_whatever_line_it_stands() -> None:
    # The reference reads the first line of a baseline's answer only, and only digits of a writer's.
    assert label("Let me think.\nIt is like the third.\n\\boxed{4}", ["4"]) == 1.0
    assert label("\\boxed{ 4. }", ["4"]) == 1.0


def test_every_gold_answer_counts_for_every_metric() -> None:
    # The reference compares with the first gold answer only where baselines are scored on documents.
    assert contains("in Oslo", ["Rome", "Oslo"]) == exact("Oslo", ["Rome", "Oslo"]) == 1.0


def test_punctuation_and_articles_do_not_decide_a_passage() -> None:
    # The reference compares SQuAD and HotpotQA letter by letter.
    assert contains("the well-known St. Olav's Cathedral", ["St Olavs cathedral"]) == 1.0


def test_rouge_l() -> None:
    # "police killed gunman" against "police kill gunman": common subsequence 2 of 3 and 3 words.
    assert rouge_l("police killed the gunman", ["police kill the gunman"]) == pytest.approx(2 / 3)
    # Order counts: of "gunman kill police" only one word is left in common.
    assert rouge_l("police killed the gunman", ["gunman kill police"]) == pytest.approx(1 / 3)
    assert rouge_l("one two", ["three", "one two three four"]) == pytest.approx(2 * 2 / 6)


def longest_common_subsequence_reference(first: Sequence[str], second: Sequence[str]) -> int:
    row = [0] * (len(second) + 1)
    for word in first:
        above = row
        row = [0]
        for place, other in enumerate(second):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[-1]))
    return row[-1]


@given(st.lists(st.sampled_from("abcd"), max_size=80), st.lists(st.sampled_from("abcd"), max_size=80))
def test_longest_common_subsequence_equals_the_table(first: list[str], second: list[str]) -> None:
    assert longest_common_subsequence(first, second) == longest_common_subsequence_reference(first, second)


def test_every_metric_has_a_function() -> None:
    assert set(METRICS) == set(Metric)


@given(st.sampled_from(Metric), st.text(), st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3))
def test_scores_lie_between_0_and_1(metric: Metric, prediction: str, answers: list[str]) -> None:
    assert 0.0 <= score(metric, prediction, answers) <= 1.0
    assert score(metric, "", answers) == 0.0


@given(st.sampled_from([m for m in Metric if m is not Metric.LABEL]), st.text(min_size=1).filter(str.strip))
def test_the_answer_itself_scores_1(metric: Metric, answer: str) -> None:
    assert score(metric, answer, [answer]) == 1.0
