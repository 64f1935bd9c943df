"""SQuALITY (arXiv:2205.11465) as it is read for its suite, a story read over some weeks. Stands in for BookSum.

A score on it is none on BookSum: other texts, several questions of a story, and keywords that its references share.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from memalpha.data.exchange import read_over_days
from memalpha.data.hub import Place, file_of_place
from memalpha.data.suites import squality
from memalpha.records import Episode


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """One episode a story; the same seed gives the same episodes.

    Args:
        place: JSON Lines, gzipped when it ends with .gz.
        seed: Decides the days, and what is said around the text.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    file = file_of_place(place)
    rng = random.Random(seed)
    for episode in squality.load(file, seed=seed, count_tokens=count_tokens):
        chunks = read_over_days([chunk.text for chunk in episode.chunks], rng)
        yield replace(episode, id=f"{file.name}:{episode.id.split(':')[-1]}", chunks=chunks, source="squality")
