"""CSAbstruct (arXiv:1909.04054): sentences of computer science abstracts with their roles. Stands in for PubMed-RCT.

A score on it is none on PubMed-RCT: other texts, and other roles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from memalpha.agent.tokens import nano_counter
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.labelled import Sample, Shape, learn_from
from memalpha.data.raw import checked, field
from memalpha.errors import EpisodeError
from memalpha.records import Episode

HUB = HubSet(name="allenai/csabstruct")
SHAPE = Shape(episodes=100, chunk_tokens=(1024, 2048), reuse=False)
"""That of PubMed-RCT."""


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Episodes of labelled sentences, each sentence in one episode only; the same seed gives the same episodes.

    Args:
        place: JSON Lines of abstracts, gzipped when it ends with .gz, or the hub.
        seed: Decides which samples meet, and their labels' numbers.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    samples = list(_read(place))
    counter = count_tokens or nano_counter()
    return learn_from(samples, SHAPE, name=name_of_place(place), source="csabstruct", seed=seed, count_tokens=counter)


def _read(place: Place) -> Iterator[Sample]:
    for where, record in read_place(place):
        sentences, labels = field(record, "sentences", list, where), field(record, "labels", list, where)
        if len(sentences) != len(labels):
            raise EpisodeError(f"{where}: got {len(sentences)} sentences and {len(labels)} labels, expected as many")
        for index, (sentence, label) in enumerate(zip(sentences, labels, strict=True)):
            text = " ".join(checked(sentence, str, f"{where}: sentences {index}").split())
            if text:
                yield Sample(text=text, label=checked(label, str, f"{where}: labels {index}"))
