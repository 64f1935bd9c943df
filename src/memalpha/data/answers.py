"""What published golds are worth: how an answer in free text is scored, and how a list of keywords is told apart."""

from __future__ import annotations

from collections.abc import Sequence

from memalpha.records import Metric

SHORT_WORDS = 4
"""The most words of a gold that a reply is expected to hold word for word (arXiv:2509.25911: under 5 tokens)."""


def is_short(answer: str) -> bool:
    """Whether a reply can be expected to hold the answer word for word."""
    return len(answer.split()) <= SHORT_WORDS


def metric_of(answers: Sequence[str]) -> Metric:
    """`contains` where an answer is short, `token_f1` for sentences: what is left of a judge when no model is asked."""
    return Metric.CONTAINS if any(map(is_short, answers)) else Metric.TOKEN_F1


def split_keywords(text: str, mark: str) -> tuple[str, ...]:
    """The keywords of a list such as "Rome; two cats", each once and in order."""
    return tuple(dict.fromkeys(each.strip() for each in text.split(mark) if each.strip()))
