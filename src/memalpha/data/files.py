"""Episodes from a file or a folder, whatever of three shapes it holds: our own, SQuAD or HotpotQA.

The first record tells the shape, not the name. Left out: options of single data sets; call their `load` for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.passages import expect_positive, limit_chunks
from memalpha.data.raw import name_of, read_records
from memalpha.data.sources import hotpotqa, squad
from memalpha.errors import EpisodeError
from memalpha.records import Episode, episode_from_json

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz")
"""Which files of a folder are read; a file that is named itself may end as it likes."""

_EXPECTED = (
    "an episode (chunks, questions), SQuAD (data, paragraphs, or context and qas) "
    "or HotpotQA (question, context, supporting_facts)"
)


class Shape(StrEnum):
    """What the records of a file are."""

    EPISODE = "episode"
    SQUAD = "squad"
    HOTPOTQA = "hotpotqa"


def load_episodes(
    path: Path, *, seed: int = 0, max_tokens: int | None = None, count_tokens: Callable[[str], int] | None = None
) -> tuple[Episode, ...]:
    """All episodes of a file, or of the files of a folder in the order of their names; never none.

    Args:
        path: A file, or a folder whose files end with one of `SUFFIXES`; folders inside it are not read.
        seed: Decides how SQuAD and HotpotQA are packed into episodes; our own are read as they are.
        max_tokens: Limit of one chunk, longer ones are cut at sentence ends; None leaves it to the data set.
        count_tokens: Counts for that limit; None is the nano policy's tokenizer.

    Raises:
        EpisodeError: For the first thing that cannot be used; names file, line and key.
    """
    expect_positive((("max_tokens", max_tokens),))
    episodes: list[Episode] = []
    for file in _files(path):
        found = list(_read(file, seed, max_tokens, count_tokens))
        if not found:
            raise EpisodeError(
                f"{file}: got no question whose answer stands in its text, expected at least one; "
                "check the answers or take the file away"
            )
        episodes.extend(found)
    return tuple(episodes)


def tell_shape(record: object) -> Shape | None:
    """What one record looks like, going by its keys; None for anything else."""
    if not isinstance(record, dict):
        return None
    keys, context = record.keys(), record.get("context")
    if "chunks" in keys or ("questions" in keys and keys <= {"id", "source", "questions"}):
        return Shape.EPISODE
    if "supporting_facts" in keys or ("question" in keys and isinstance(context, list | dict)):
        return Shape.HOTPOTQA
    asks_itself = "question" in keys
    nested = isinstance(record.get("data"), list) or ("paragraphs" in keys and not asks_itself)
    return Shape.SQUAD if nested or "qas" in keys or (asks_itself and isinstance(context, str)) else None


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise EpisodeError(f"{path}: got a path to nothing, expected a file or a folder of episodes; check the path")
    if not path.is_dir():
        return [path]
    try:
        names = sorted(each for each in path.iterdir() if each.name.endswith(SUFFIXES) and each.is_file())
    except OSError as error:
        raise EpisodeError(f"{path}: got a folder that cannot be listed ({error}); check its rights") from error
    found = [each for each in names if not each.name.startswith(".")]
    if not found:
        raise EpisodeError(f"{path}: got a folder without episodes, expected files ending with {', '.join(SUFFIXES)}")
    return found


def _read(
    file: Path, seed: int, max_tokens: int | None, count_tokens: Callable[[str], int] | None
) -> Iterator[Episode]:
    first = next(read_records(file), None)
    if first is None:
        raise EpisodeError(f"{file}: got an empty file, expected {_EXPECTED}; fill it or take it away")
    where, record = first
    match tell_shape(record):
        case Shape.EPISODE:
            return _own(file, max_tokens, count_tokens)
        case Shape.SQUAD:
            limit = squad.MAX_CHUNK_TOKENS if max_tokens is None else max_tokens
            return squad.load(file, seed=seed, max_chunk_tokens=limit, count_tokens=count_tokens)
        case Shape.HOTPOTQA:
            return hotpotqa.load(file, seed=seed, max_chunk_tokens=max_tokens, count_tokens=count_tokens)
    raise EpisodeError(f"{where}: got {_described(record)}, expected {_EXPECTED}; convert it to one of them")


def _own(file: Path, max_tokens: int | None, count_tokens: Callable[[str], int] | None) -> Iterator[Episode]:
    for where, record in read_records(file):
        episode = episode_from_json(record, where=where)
        if max_tokens is None:
            yield episode
        else:
            yield limit_chunks(episode, max_tokens, count_tokens or nano_counter())


def _described(record: object) -> str:
    if not isinstance(record, dict):
        return name_of(record)
    keys = [key[:40] for key in list(record)[:8]]
    return f"a record with the keys {', '.join(keys)}" if keys else "a record without keys"
