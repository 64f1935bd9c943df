"""String scores: (prediction, answers) -> [0, 1], one pure function for each `Metric`.

Evaluation accuracy and the reward for correctness are both `score`. Words are compared after `memalpha.text.normalise`;
an empty prediction scores 0. Scores that need a model are in `memalpha.agent.judge`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from memalpha.records import Metric
from memalpha.text import normalise

_BOXED = re.compile(r"\\boxed\s*\{\s*(?:\\(?:text|math)[a-z]*\s*\{)?([^{}]*)\}")
_LABEL = re.compile(r"\blabel[\s*_\"']*:\s*([^\n]*)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?][\"'\u201d\u2019)*]*(?:\s|$)")


def score(metric: Metric, prediction: str, answers: Sequence[str]) -> float:
    """How well a prediction meets the answers by the metric that a question names."""
    return METRICS[metric](prediction, answers)


def contains(prediction: str, answers: Sequence[str]) -> float:
    """1 when any answer is a run of whole words in the prediction: "1" is not in "10" (SQuAD normalisation)."""
    text = normalise(prediction)
    return float(any(_has(text, answer) for answer in answers))


def exact(prediction: str, answers: Sequence[str]) -> float:
    """1 when the prediction equals any answer (SQuAD exact match, arXiv:1606.05250)."""
    text = normalise(prediction)
    return float(bool(text) and any(text == normalise(answer) for answer in answers))


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """F1 over the bags of words, the best of all answers (SQuAD F1, arXiv:1606.05250)."""
    words = normalise(prediction).split()
    return max((_token_f1(words, normalise(answer).split()) for answer in answers), default=0.0)


def keywords(prediction: str, answers: Sequence[str]) -> float:
    """The share of the keywords contained as whole words (how Mem-alpha scores BookSum, arXiv:2509.25911)."""
    text = normalise(prediction)
    return sum(_has(text, keyword) for keyword in answers) / len(answers) if answers else 0.0


def label(prediction: str, answers: Sequence[str]) -> float:
    r"""1 when the label in the prediction equals any answer.

    The label is the text in the last `\boxed{...}`, else after the last "label:" up to the end of its sentence or line,
    else the whole prediction.
    """
    return exact(_label(prediction), answers)


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """F1 over the longest common subsequence of words, the best of all answers (ROUGE-L with beta 1, Lin 2004)."""
    words = normalise(prediction).split()
    return max((_rouge_l(words, normalise(answer).split()) for answer in answers), default=0.0)


METRICS: Mapping[Metric, Callable[[str, Sequence[str]], float]] = MappingProxyType(
    {
        Metric.CONTAINS: contains,
        Metric.EXACT: exact,
        Metric.TOKEN_F1: token_f1,
        Metric.KEYWORDS: keywords,
        Metric.LABEL: label,
        Metric.ROUGE_L: rouge_l,
    }
)


def _has(normalised: str, answer: str) -> bool:
    words = normalise(answer)
    return bool(words) and f" {words} " in f" {normalised} "


def _token_f1(words: list[str], gold: list[str]) -> float:
    return _f1((Counter(words) & Counter(gold)).total(), len(words), len(gold))


def _rouge_l(words: list[str], gold: list[str]) -> float:
    return _f1(longest_common_subsequence(words, gold), len(words), len(gold))


def _f1(common: int, predicted: int, expected: int) -> float:
    return 2 * common / (predicted + expected) if common else 0.0


def _label(prediction: str) -> str:
    boxed = _BOXED.findall(prediction)
    if boxed:
        return str(boxed[-1])
    named = _LABEL.findall(prediction)
    if named:
        return _SENTENCE_END.split(named[-1], maxsplit=1)[0]
    return prediction


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Its length; one bit for each word of `first` (Hyyro 2004), so that summaries of thousands of words stay quick."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & full
    return len(first) - row.bit_count()
