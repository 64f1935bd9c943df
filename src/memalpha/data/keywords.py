"""Keywords of a reference summary, by rule: what arXiv:2509.25911 has a language model list.

Names come before other telling words; a word tells the more, the more often the text has it and the fewer other texts
do. Each keyword stands in the text that was summarised, so that a memory which kept that text can name it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from memalpha.text import normalise, sentences

FEWEST, MOST = 3, 12
"""Keywords of one summary; fewer say too little of an answer."""
SHORTEST = 4
"""Letters of a keyword that is no name."""
COMMON = 4
"""A word that more than one in so many texts have tells nothing."""
TEXTS = 1000
"""Texts whose words are counted at most."""

_WORD = re.compile(r"[^\W_][\w'’-]*|[^\w\s]")
_NAME_WORDS = 3
"""Longer runs of capitals are headings."""


class Rarity:
    """How few of some texts have a word."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Count in how many of the first `TEXTS` each word stands."""
        words = [set(normalise(text).split()) for text in islice(texts, TEXTS)]
        self._held = Counter(word for each in words for word in each)
        self._count = len(words)

    def telling(self, word: str) -> bool:
        """Whether few of them have it; one of them may always."""
        return self._held[word] <= max(1, self._count // COMMON)

    def __call__(self, word: str) -> float:
        """Its inverse document frequency; 0 for a word that all have."""
        return math.log((1 + self._count) / (1 + self._held[word]))


def keywords(summary: str, text: str, rarity: Rarity) -> tuple[str, ...]:
    """Names and telling words of the summary that stand in the text too, most telling first; none if there are few."""
    held = normalise(text)
    counts = Counter(held.split())
    names = [name for name in _names(summary) if f" {normalise(name)} " in f" {held} "]
    named = {word for name in names for word in normalise(name).split()}
    given = {word for word in normalise(summary).split() if len(word) >= SHORTEST and word.isalpha()} - named
    words = [word for word in given if rarity.telling(word) and word in counts]
    words.sort(key=lambda word: (-math.log1p(counts[word]) * rarity(word), word))
    found = tuple([*names, *words][:MOST])
    return found if len(found) >= FEWEST else ()


def _names(summary: str) -> list[str]:
    """Runs of capitalised words inside of sentences, the most frequent first."""
    runs = Counter(run for sentence in sentences(summary) for run in _runs(_WORD.findall(sentence)[1:]))
    told: dict[str, str] = {}
    for run, _ in runs.most_common():
        told.setdefault(normalise(run), run)
    return list(told.values())


def _runs(words: Sequence[str]) -> Iterator[str]:
    run: list[str] = []
    for word in [*words, ""]:
        # Marks of punctuation are words here, so that a name ends before them.
        if word[:1].isupper() and word.split("'")[0].split("’")[0] != "I":
            run.append(word.removesuffix("'s").removesuffix("’s"))
            continue
        name = " ".join(run)
        if len(run) <= _NAME_WORDS and len(name) > 1:
            yield name
        run = []
