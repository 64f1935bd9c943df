"""QMSum (arXiv:2104.05938) as it is read for its suite, scored by keywords. Stands in for BookSum.

A score on it is none on BookSum: meetings, and questions for parts of them. Keywords are found by rule
(`memalpha.data.keywords`). Left out: questions whose reference has none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from memalpha.data.exchange import read_over_days
from memalpha.data.hub import Place, file_of_place
from memalpha.data.keywords import Rarity, keywords
from memalpha.data.suites import qmsum
from memalpha.records import Episode, Metric, Question


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """One episode a meeting; the same seed gives the same episodes.

    Args:
        place: JSON Lines, gzipped when it ends with .gz.
        seed: Decides the days, and what is said around the text.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    file = file_of_place(place)
    rng = random.Random(seed)
    meetings = list(qmsum.load(file, seed=seed, count_tokens=count_tokens))
    rarity = Rarity(" ".join(chunk.text for chunk in meeting.chunks) for meeting in meetings)
    for meeting in meetings:
        questions = {each.text: each for each in _questions(meeting, rarity)}
        if questions:
            yield replace(
                meeting,
                id=f"{file.name}:{meeting.id.split(':')[-1]}",
                chunks=read_over_days([chunk.text for chunk in meeting.chunks], rng),
                questions=tuple(questions.values()),
                source="qmsum",
            )


def _questions(meeting: Episode, rarity: Rarity) -> Iterator[Question]:
    """Keywords in place of references; evidence are the chunks that a question is about, all for the whole meeting."""
    for question in meeting.questions:
        evidence = question.evidence or tuple(range(len(meeting.chunks)))
        found = keywords(question.answers[0], "\n".join(meeting.chunks[at].text for at in evidence), rarity)
        if found:
            yield replace(question, answers=found, metric=Metric.KEYWORDS, evidence=evidence)
