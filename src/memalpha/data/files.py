"""Episodes from a file or a folder, whatever it holds: our own, a release, or a public data set in its published shape.

The first record tells the shape, not the name. Left out: options of single data sets, for which their `load` is called,
and data sets that cannot be told by a record, for which `memalpha.data.catalogue` has the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.catalogue import SOURCES
from memalpha.data.passages import expect_positive, limit_chunks
from memalpha.data.raw import name_of, read_lines, read_records
from memalpha.data.release import episode_from_row
from memalpha.data.sources import hotpotqa, perltqa, squad, trec
from memalpha.data.suites import memoryagentbench
from memalpha.errors import EpisodeError
from memalpha.records import Episode, episode_from_json

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
"""Which files of a folder are read; a file that is named itself may end as it likes."""
PARTS = ("train.parquet", "validation.parquet")
"""A folder that holds both is a built set, and stands for the first: validation is not trained on."""


class Shape(StrEnum):
    """What the records of a file are; the sources are named as in `SOURCES`."""

    EPISODE = "episode"
    RELEASE = "release"
    SQUAD = "squad"
    HOTPOTQA = "hotpotqa"
    PERLTQA = "perltqa"
    LONGMEMEVAL = "longmemeval"
    NLU = "nlu"
    TREC = "trec"
    PUBMED_RCT = "pubmed-rct"
    BOOKSUM = "booksum"
    CSABSTRUCT = "csabstruct"
    SQUALITY = "squality"
    QMSUM = "qmsum"
    BEAM = "beam"
    MEMORYAGENTBENCH = "memoryagentbench"
    """The authors' table; Mem-α's of the same benchmark is a release."""


_TEXTS = (".txt", ".label", ".csv")
"""Data sets in lines of text end so, before .gz."""
_MARK = "\u00ef\u00bb\u00bf"
"""A byte order mark, read as Latin-1."""
_KEYS: tuple[tuple[frozenset[str], Shape], ...] = (
    (frozenset({"chunks", "questions_and_answers"}), Shape.RELEASE),
    (frozenset({"context", "questions", "answers", "metadata"}), Shape.MEMORYAGENTBENCH),
    (frozenset({"haystack_sessions"}), Shape.LONGMEMEVAL),
    (frozenset({"meeting_transcripts"}), Shape.QMSUM),
    (frozenset({"chat", "probing_questions"}), Shape.BEAM),
    (frozenset({"metadata", "document", "questions"}), Shape.SQUALITY),
    (frozenset({"sentences", "labels"}), Shape.CSABSTRUCT),
    (frozenset({"text", "summary"}), Shape.BOOKSUM),
    (frozenset({"chapter_path", "summary_path"}), Shape.BOOKSUM),
    (frozenset({"text", "coarse_label"}), Shape.TREC),
    (frozenset({"rasa_nlu_data"}), Shape.NLU),
    (frozenset({"text", "intent"}), Shape.NLU),
    (frozenset({"text", "scenario", "label"}), Shape.NLU),
    (frozenset({"text", "labels"}), Shape.PUBMED_RCT),
)
"""What a record has that has all of these keys; the first one counts."""
_EXPECTED = (
    "an episode (chunks, questions), a row of a release (chunks, questions_and_answers) or a record of "
    f"{', '.join(SOURCES)} or memoryagentbench"
)


def load_episodes(
    path: Path, *, seed: int = 0, max_tokens: int | None = None, count_tokens: Callable[[str], int] | None = None
) -> tuple[Episode, ...]:
    """All episodes of a file, or of the files of a folder in the order of their names; never none.

    Args:
        path: A file, or a folder whose files end with one of `SUFFIXES`; folders inside it are not read.
        seed: Decides how public data sets are made into episodes; our own are read as they are.
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
    for needed, shape in _KEYS:
        if needed <= keys:
            return shape
    if "chunks" in keys or ("questions" in keys and keys <= {"id", "source", "questions"}):
        return Shape.EPISODE
    if "supporting_facts" in keys or ("question" in keys and isinstance(context, list | dict)):
        return Shape.HOTPOTQA
    asks_itself = "question" in keys
    nested = isinstance(record.get("data"), list) or ("paragraphs" in keys and not asks_itself)
    return Shape.SQUAD if nested or "qas" in keys or (asks_itself and isinstance(context, str)) else None


def tell_line(line: str) -> Shape | None:
    """What the first line of a text says about it; None for anything else."""
    line = line.removeprefix(_MARK)
    if line.startswith("###") and line[3:].strip().isdecimal():
        return Shape.PUBMED_RCT
    if line.split(";")[:4] == ["userid", "answerid", "scenario", "intent"]:
        return Shape.NLU
    return Shape.TREC if trec.LINE.fullmatch(line) else None


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise EpisodeError(f"{path}: got a path to nothing, expected a file or a folder of episodes; check the path")
    if not path.is_dir() or perltqa.is_perltqa(path):
        return [path]
    try:
        names = sorted(each for each in path.iterdir() if each.name.endswith(SUFFIXES) and each.is_file())
    except OSError as error:
        raise EpisodeError(f"{path}: got a folder that cannot be listed ({error}); check its rights") from error
    found = [each for each in names if not each.name.startswith(".")]
    if not found:
        raise EpisodeError(f"{path}: got a folder without episodes, expected files ending with {', '.join(SUFFIXES)}")
    return [path / PARTS[0]] if {*PARTS} <= {each.name for each in found} else found


def _read(
    file: Path, seed: int, max_tokens: int | None, count_tokens: Callable[[str], int] | None
) -> Iterator[Episode]:
    shape = _shape(file)
    episodes: Iterator[Episode]
    match shape:
        case Shape.SQUAD:
            limit = squad.MAX_CHUNK_TOKENS if max_tokens is None else max_tokens
            return squad.load(file, seed=seed, max_chunk_tokens=limit, count_tokens=count_tokens)
        case Shape.HOTPOTQA:
            return hotpotqa.load(file, seed=seed, max_chunk_tokens=max_tokens, count_tokens=count_tokens)
        case Shape.EPISODE:
            episodes = (episode_from_json(record, where=where) for where, record in read_records(file))
        case Shape.RELEASE:
            episodes = (episode_from_row(row, where=where, name=file.name) for where, row in read_records(file))
        case Shape.MEMORYAGENTBENCH:
            episodes = memoryagentbench.load(file, seed=seed, count_tokens=count_tokens)
        case _:
            return _limited(SOURCES[shape].load(file, seed=seed, count_tokens=count_tokens), max_tokens, count_tokens)
    return _limited(episodes, max_tokens, count_tokens)


def _limited(
    episodes: Iterator[Episode], max_tokens: int | None, count_tokens: Callable[[str], int] | None
) -> Iterator[Episode]:
    if max_tokens is None:
        return episodes
    count = count_tokens or nano_counter()
    return (limit_chunks(episode, max_tokens, count) for episode in episodes)


def _shape(file: Path) -> Shape:
    if file.is_dir():
        return Shape.PERLTQA
    is_text = file.name.removesuffix(".gz").endswith(_TEXTS)
    first = next(read_lines(file, encoding="latin-1") if is_text else read_records(file), None)
    if first is None:
        raise EpisodeError(f"{file}: got an empty file, expected {_EXPECTED}; fill it or take it away")
    where, found = first
    # A text may also hold JSON Lines under another name.
    shape = tell_line(found) if is_text and isinstance(found, str) else tell_shape(found)
    if shape is None and is_text:
        where, found = next(read_records(file))
        shape = tell_shape(found)
    if shape is None:
        raise EpisodeError(f"{where}: got {_described(found)}, expected {_EXPECTED}; convert it to one of them")
    return shape


def _described(record: object) -> str:
    if not isinstance(record, dict):
        return name_of(record)
    keys = [key[:40] for key in list(record)[:8]]
    return f"a record with the keys {', '.join(keys)}" if keys else "a record without keys"
