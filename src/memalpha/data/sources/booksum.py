"""BookSum (arXiv:2105.08209): chapters read over some weeks, and a summary asked for at the end.

Read as JSON Lines of chapters with their text and summaries (ubaada/booksum-complete-cleaned, which arXiv:2509.25911
reads), and as the authors' alignments, whose chapters and summaries lie in folders beside them. Keywords are found by
rule (`memalpha.data.keywords`). Left out: all summaries of a text but the first, and texts that are too short or long.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memalpha.agent.tokens import nano_counter
from memalpha.data.exchange import read_over_days
from memalpha.data.hub import HubSet, Place, name_of_place, read_place
from memalpha.data.keywords import Rarity, keywords
from memalpha.data.passages import cut_lines
from memalpha.data.raw import checked, field
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric, Question
from memalpha.text import sentences

HUB = HubSet(name="ubaada/booksum-complete-cleaned", config="chapters")
CHUNK_TOKENS = 2048
CHUNKS = (5, 20)
"""Of an episode, at least and at most."""
QUESTION = "Please summarise what I read from {first} to {last}."

_FOLDERS = ("all_chapterized_books", "finished_summaries")
"""Where the authors' alignments point to, below a folder of their machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chapter:
    text: str
    summary: str


def load(place: Place, *, seed: int = 0, count_tokens: Callable[[str], int] | None = None) -> Iterator[Episode]:
    """One episode a chapter, sentences in chunks that are one to three days apart; the same seed, the same ones.

    Args:
        place: JSON Lines, gzipped when it ends with .gz, or the hub.
        seed: Decides the days, and what is said around the text.
        count_tokens: Counts for the size of chunks; None is the nano policy's tokenizer.
    """
    count = count_tokens or nano_counter()
    rng = random.Random(seed)
    chapters = list(_read(place))
    rarity = Rarity(chapter.text for chapter in chapters)
    for number, chapter in enumerate(chapters):
        texts = cut_lines(sentences(chapter.text), CHUNK_TOKENS, count)
        found = keywords(chapter.summary, chapter.text, rarity)
        if CHUNKS[0] <= len(texts) <= CHUNKS[1] and found:
            chunks = read_over_days(texts, rng)
            question = Question(
                text=QUESTION.format(first=chunks[0].time, last=chunks[-1].time),
                answers=found,
                metric=Metric.KEYWORDS,
                competency=Competency.LONG_RANGE_UNDERSTANDING,
                evidence=tuple(range(len(chunks))),
            )
            yield Episode(
                id=f"{name_of_place(place)}:{seed}:{number}", chunks=chunks, questions=(question,), source="booksum"
            )


def _read(place: Place) -> Iterator[_Chapter]:
    """Each chapter once, with the first summary that has text."""
    seen: set[str] = set()
    for where, record in read_place(place):
        if isinstance(record, dict) and "chapter_path" in record:
            if not isinstance(place, Path):
                raise EpisodeError(f"{where}: got a path to a chapter, expected its text; read the hub's other BookSum")
            text, summary = (_pointed(place.parent, record, key, where) for key in ("chapter_path", "summary_path"))
        else:
            text, summary = field(record, "text", str, where), _first_summary(record, where)
        if text.strip() and summary.strip() and text not in seen:
            seen.add(text)
            yield _Chapter(text=text, summary=summary)


def _first_summary(record: object, where: str) -> str:
    for index, summary in enumerate(field(record, "summary", list, where)):
        text = field(summary, "text", object, f"{where}: summary {index}")
        told = " ".join(text) if isinstance(text, list) else checked(text or "", str, f"{where}: summary {index}")
        if told.strip():
            return told
    return ""


def _pointed(folder: Path, record: object, key: str, where: str) -> str:
    """The text of a chapter, or of a summary, which is JSON with its sentences; looked for upwards from the record."""
    parts = Path(field(record, key, str, where)).parts
    start = next((at for at, part in enumerate(parts) if part in _FOLDERS), None)
    if start is None:
        raise EpisodeError(f"{where}: {key}: got {'/'.join(parts)}, expected a file in {' or '.join(_FOLDERS)}")
    found = next((at for at in (folder, *folder.parents) if (at / parts[start]).is_dir()), folder)
    file = found.joinpath(*parts[start:])
    try:
        text = file.read_text(encoding="utf-8")
        return text if key == "chapter_path" else " ".join(json.loads(text)["summary"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EpisodeError(
            f"{where}: {key}: got {file}, which cannot be read ({error}), expected the authors' file; fetch it"
        ) from error
