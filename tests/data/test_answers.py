"""How golds in free text are scored, on cases at the borders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.data.answers import is_short, metric_of, split_keywords
from memalpha.metrics import score
from memalpha.records import Metric


@pytest.mark.parametrize(
    ("answer", "short"), [("Oslo", True), ("one two three four", True), ("one two three four five", False)]
)
def test_four_words_are_short(answer: str, short: bool) -> None:
    assert is_short(answer) is short


@pytest.mark.parametrize(
    ("answers", "metric"),
    [
        (["45 minutes each way"], Metric.CONTAINS),
        (["The user would rather hear of quiet places."], Metric.TOKEN_F1),
        (["7 days", "eight days when the last one counts as well"], Metric.CONTAINS),
    ],
)
def test_the_metric_follows_the_length(answers: list[str], metric: Metric) -> None:
    assert metric_of(answers) is metric
    assert score(metric, answers[0], answers) == 1.0


def test_keywords_are_split_trimmed_and_told_once() -> None:
    assert split_keywords(" Rome;two cats ;; Rome ", ";") == ("Rome", "two cats")
    assert split_keywords("Anna, the fire", ",") == ("Anna", "the fire")
    assert split_keywords(" , ", ",") == ()


@given(st.lists(st.text("ab c", min_size=1).map(str.strip).filter(bool), min_size=1, unique=True))
def test_what_was_joined_is_split_again(words: list[str]) -> None:
    assert split_keywords("; ".join(words), ";") == tuple(words)
