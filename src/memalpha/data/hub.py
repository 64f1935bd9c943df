"""Records of a data set on the Hugging Face hub, each with its place. Needs the extra `data`, and a way to the hub.

Left out: files on disk; those are read by `memalpha.data.raw`, and every source reads the same records from either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from memalpha.data.raw import read_records
from memalpha.errors import EpisodeError, MissingExtraError


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSet:
    """One split of a data set on the hub."""

    name: str
    """Owner and name, such as "rajpurkar/squad"; or a local folder that is laid out like one."""
    config: str | None = None
    split: str = "train"

    def __str__(self) -> str:
        """For error messages and ids."""
        return f"hub:{self.name}:{self.split}" if self.config is None else f"hub:{self.name}:{self.config}:{self.split}"


Place = Path | HubSet
"""Where a source is read from."""


def read_place(place: Place) -> Iterator[tuple[str, object]]:
    """The records of a file (`read_records`) or of the hub, each with its place; raises `EpisodeError`."""
    return _read_hub(place) if isinstance(place, HubSet) else read_records(place)


def file_of_place(place: Place) -> Path:
    """The file itself, for a source that nobody has put on the hub; raises `EpisodeError`."""
    if isinstance(place, HubSet):
        raise EpisodeError(f"{place}: got a place on the hub, expected a file; fetch it and give its path")
    return place


def name_of_place(place: Place) -> str:
    """What the ids of its episodes begin with."""
    return str(place) if isinstance(place, HubSet) else place.name


def _read_hub(place: HubSet) -> Iterator[tuple[str, object]]:
    if find_spec("datasets") is None:
        raise MissingExtraError(
            "the hub is read through datasets, which is not installed; run: pip install 'memalpha[data]'"
        )
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    try:
        # Streamed: nothing is copied into a cache, and only what is asked for is fetched.
        rows = load_dataset(place.name, place.config, split=place.split, streaming=True)
        for number, row in enumerate(rows):
            yield f"{place}: row {number}", row
    except (OSError, ValueError, DatasetsError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise EpisodeError(
            f"{place}: got no rows from the hub ({type(error).__name__}: {reason}), expected a data set that can be "
            "reached; fetch its file and give the path instead"
        ) from error
