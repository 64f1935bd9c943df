"""PubMed-RCT (arXiv:1710.06071): sentences of medical abstracts, labelled with their role in the abstract.

Read as the authors' text files ("###id", then a label and a sentence a line) and in Hugging Face's shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.labelled import Sample, Shape, learn_from, read_label
from memalpha.data.raw import field, read_lines
from memalpha.errors import EpisodeError
from memalpha.records import Episode

HUB = HubSet(name="pietrolesci/pubmed-200k-rct")
SHAPE = Shape(episodes=100, chunk_tokens=(1024, 2048), reuse=False)
"""As in arXiv:2509.25911."""
LABELS = frozenset({"BACKGROUND", "OBJECTIVE", "METHODS", "RESULTS", "CONCLUSIONS"})


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Episodes of labelled sentences, each sentence in one episode only; the same seed gives the same episodes.

    Args:
        place: A text file, a JSON file with `text` and `label` or `labels`, or the hub; gzipped when it ends with .gz.
        seed: Decides which samples meet, and their labels' numbers.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    samples = list(_read(place))
    counter = count_tokens or nano_counter()
    return learn_from(samples, SHAPE, name=name_of_place(place), source="pubmed-rct", seed=seed, count_tokens=counter)


def _read(place: Place) -> Iterator[Sample]:
    if isinstance(place, Path) and ".txt" in place.suffixes:
        for where, line in read_lines(place):
            label, tab, text = line.partition("\t")
            if tab and label in LABELS and text.strip():
                yield Sample(text=" ".join(text.split()), label=label)
            elif not line.startswith("###"):
                raise EpisodeError(
                    f"{where}: got {line[:60]!r}, expected ###, or a label ({', '.join(sorted(LABELS))}), a tab and a "
                    "sentence; mend that line"
                )
    else:
        for where, record in read_place(place):
            key = "labels" if isinstance(record, dict) and "labels" in record else "label"
            text = " ".join(field(record, "text", str, where).split())
            if text:
                yield Sample(text=text, label=read_label(record, key, where))
