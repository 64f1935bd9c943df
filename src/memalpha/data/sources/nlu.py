"""NLU-Evaluation-Data (arXiv:1903.05566): things said to a home assistant, labelled with their intent.

Read as the authors' CSV and Rasa JSON, as JSON Lines of Rasa's examples, and in Hugging Face's shape. Left out: the
entities, and rows without text.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.labelled import Sample, Shape, learn_from, read_label
from memalpha.data.raw import field, read_lines
from memalpha.errors import EpisodeError
from memalpha.records import Episode

HUB = HubSet(name="xingkunliuxtracta/nlu_evaluation_data")
SHAPE = Shape(episodes=200, chunk_tokens=(200, 200), reuse=True)
"""About 2,000 tokens of samples, and one of each label that is missing (arXiv:2509.25911)."""


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """Episodes of labelled requests; the same seed gives the same episodes.

    Args:
        place: A CSV or JSON file, gzipped when its name ends with .gz, or the hub.
        seed: Decides which samples meet, and their labels' numbers.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    samples = list(_read(place))
    counter = count_tokens or nano_counter()
    return learn_from(samples, SHAPE, name=name_of_place(place), source="nlu", seed=seed, count_tokens=counter)


def _read(place: Place) -> Iterator[Sample]:
    for where, text, label in _rows(place):
        if not label.strip():
            raise EpisodeError(f"{where}: got an empty intent, expected its name; leave the record out")
        if text.strip():
            yield Sample(text=" ".join(text.split()), label=label)


def _rows(place: Place) -> Iterator[tuple[str, str, str]]:
    """Place, text and label of each row."""
    if isinstance(place, Path) and ".csv" in place.suffixes:
        yield from _csv_rows(place)
        return
    for where, record in read_place(place):
        if isinstance(record, dict) and "rasa_nlu_data" in record:
            examples = field(record["rasa_nlu_data"], "common_examples", list, f"{where}: rasa_nlu_data")
            for index, example in enumerate(examples):
                at = f"{where}: common_examples {index}"
                yield at, field(example, "text", str, at), field(example, "intent", str, at)
        elif isinstance(record, dict) and "scenario" in record:
            yield where, field(record, "text", str, where), read_label(record, "label", where)
        else:
            yield where, field(record, "text", str, where), field(record, "intent", str, where)


def _csv_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Rows of the annotated CSV: ";" between columns, the intent in two of them."""
    lines = read_lines(path)
    header = _cells(next(lines, ("", ""))[1])
    for where, line in lines:
        row = dict(zip(header, _cells(line), strict=False))
        scenario, intent = field(row, "scenario", str, where), field(row, "intent", str, where)
        yield where, field(row, "answer_normalised", str, where), f"{scenario}_{intent}" if intent else ""


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=";"), [])
