"""TREC question classification (Li and Roth 2002), with its 6 coarse labels.

Read as the authors' .label files ("LABEL:finer question") and in Hugging Face's shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.labelled import Sample, Shape, learn_from, read_label
from memalpha.data.raw import field, read_lines
from memalpha.errors import EpisodeError
from memalpha.records import Episode

HUB = HubSet(name="CogComp/trec")
SHAPE = Shape(episodes=200, chunk_tokens=(200, 200), reuse=True)
"""About 2,000 tokens of samples, and one of each label that is missing (arXiv:2509.25911)."""
LINE = re.compile(r"(?P<coarse>[A-Z]{3,5}):(?P<fine>\w+) (?P<text>.*\S)\s*")


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Episodes of labelled questions; the same seed gives the same episodes.

    Args:
        place: A .label file, a JSON file with `text` and `coarse_label`, or the hub; gzipped when it ends with .gz.
        seed: Decides which samples meet, and their labels' numbers.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    samples = list(_read(place))
    counter = count_tokens or nano_counter()
    return learn_from(samples, SHAPE, name=name_of_place(place), source="trec", seed=seed, count_tokens=counter)


def _read(place: Place) -> Iterator[Sample]:
    if isinstance(place, Path) and not {".json", ".jsonl", ".parquet"} & set(place.suffixes):
        # One byte of the training file is no UTF-8.
        for where, line in read_lines(place, encoding="latin-1"):
            match = LINE.fullmatch(line)
            if match is None:
                raise EpisodeError(f"{where}: got {line[:60]!r}, expected a label and a question: 'HUM:ind Who ... ?'")
            yield Sample(text=" ".join(match["text"].split()), label=match["coarse"])
    else:
        for where, record in read_place(place):
            text = " ".join(field(record, "text", str, where).split())
            yield Sample(text=text, label=read_label(record, "coarse_label", where))
