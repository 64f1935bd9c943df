"""BookSum in both of its shapes, on chapters written by hand."""

import gzip
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from memalpha.data.hub import HubSet
from memalpha.data.sources import booksum
from memalpha.data.sources.booksum import load
from memalpha.errors import EpisodeError
from memalpha.records import Competency, Episode, Metric

NOUNS = ("ship sail anchor mast", "whale fin oil bone", "storm rain hail wind", "town port house quay")


def chapter(number: int, sentences: int = 60) -> str:
    """Sentences of six words, the line broken in the middle of each."""
    nouns = NOUNS[number].split()
    return " ".join(f"Captain Berg{number} saw the\nold {nouns[n % 4]}." for n in range(sentences))


def summary(number: int) -> str:
    first, _, _, last = NOUNS[number].split()
    return f"In it, Captain Berg{number} sees a {first} and another {last}."


ROWS: list[dict[str, Any]] = [
    {
        "bid": "110",
        "book_title": "Berg",
        "chapter_id": f"chapter {n}",
        "text": chapter(n),
        "summary": [
            {"source": "one", "text": [], "analysis": None},
            {"source": "two", "text": [summary(n), "He drowns."], "analysis": "x"},
            {"source": "three", "text": ["Another one."], "analysis": None},
        ],
        "is_aggregate": False,
    }
    for n in range(4)
]


def words(text: str) -> int:
    return len(text.split())


def test_chapters_are_read_over_days_and_summarised_at_the_end(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booksum, "CHUNK_TOKENS", 60)
    file = tmp_path / "train.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in [*ROWS, ROWS[0]]).encode()))
    episodes = prove(load, file)
    assert [episode.id for episode in episodes] == [f"train.jsonl.gz:3:{n}" for n in range(4)]  # the twin is left out
    for number, episode in enumerate(episodes):
        lines = [line for chunk in episode.chunks for line in chunk.lines[1:-1]]
        assert lines == [f"Captain Berg{number} saw the old {NOUNS[number].split()[n % 4]}." for n in range(60)]
        assert len(episode.chunks) == 6  # 360 words
        days = [int(str(chunk.time)[8:]) for chunk in episode.chunks]
        assert days[0] == 1
        assert {after - before for before, after in pairwise(days)} <= {1, 2, 3}
        [question] = episode.questions
        assert question.text == f"Please summarise what I read from 2024-01-01 to {episode.chunks[-1].time}."
        assert (question.metric, question.competency) == (Metric.KEYWORDS, Competency.LONG_RANGE_UNDERSTANDING)
        first, _, _, last = NOUNS[number].split()
        assert question.answers == (f"Captain Berg{number}", *sorted([first, last]))
        assert question.evidence == tuple(range(6))


def test_the_authors_alignments_point_to_files_beside_them(
    tmp_path: Path, prove: Callable[..., list[Episode]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booksum, "CHUNK_TOKENS", 60)
    texts, told = tmp_path / "all_chapterized_books" / "9-chapters", tmp_path / "finished_summaries" / "two" / "Berg"
    for folder in (texts, told, tmp_path / "alignments"):
        folder.mkdir(parents=True)
    rows = []
    for n in range(3):
        (texts / f"{n}.txt").write_text(chapter(n), encoding="utf-8")
        (told / f"section_{n}_part_0.txt").write_text(json.dumps({"name": "x", "summary": [summary(n), "He drowns."]}))
        rows.append(
            {
                "bid": "9",
                "is_aggregate": False,
                "source": "two",
                "chapter_path": f"/export/longsum/booksumm/all_chapterized_books/9-chapters/{n}.txt",
                "summary_path": f"finished_summaries/two/Berg/section_{n}_part_0.txt",
                "book_id": f"Berg.chapter {n}",
                "summary_id": f"chapter {n}",
            }
        )
    file = tmp_path / "alignments" / "chapter_summary_aligned_train_split.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    flat = tmp_path / "flat.jsonl"
    flat.write_text("".join(json.dumps(row) + "\n" for row in ROWS[:3]), encoding="utf-8")
    episodes = prove(load, file)
    assert [episode.chunks for episode in episodes] == [e.chunks for e in load(flat, seed=3, count_tokens=words)]
    assert [episode.questions[0].answers[0] for episode in episodes] == [f"Captain Berg{n}" for n in range(3)]
    (texts / "1.txt").unlink()
    assert failure(file).startswith(f"{file}:2: chapter_path: got {texts / '1.txt'}, which cannot be read (")


@pytest.mark.parametrize(("sentences", "kept"), [(40, False), (41, True), (200, True), (201, False)])
def test_five_to_twenty_chunks(tmp_path: Path, sentences: int, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booksum, "CHUNK_TOKENS", 60)  # ten sentences
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({**ROWS[0], "text": chapter(0, sentences)}), encoding="utf-8")
    assert len(list(load(file, count_tokens=words))) == kept


def test_the_shape_is_the_papers() -> None:
    assert (booksum.CHUNK_TOKENS, booksum.CHUNKS) == (2048, (5, 20))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": None}, "text: got null, expected text"),
        ({"summary": "x"}, "summary: got text, expected a list"),
        ({"summary": [{}]}, "summary 0: the key 'text' is missing; add it"),
        ({"summary": [{"text": 3}]}, "summary 0: got int, expected text"),
        (
            {"chapter_path": "/x/y.txt"},
            "chapter_path: got //x/y.txt, expected a file in all_chapterized_books or finished_summaries",
        ),
        ({"chapter_path": 3}, "chapter_path: got int, expected text"),
    ],
)
def test_a_record_of_the_wrong_shape_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(ROWS[0]) + "\n" + json.dumps({**ROWS[0], **change}), encoding="utf-8")
    assert failure(file) == f"{file}:2: {message}"


def test_the_alignments_have_no_texts_on_a_hub(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"chapter_path": "x", "summary_path": "y"}', encoding="utf-8")
    with pytest.raises(EpisodeError, match="got a path to a chapter, expected its text"):
        list(load(HubSet(name=str(tmp_path / "set")), count_tokens=words))


def failure(file: Path) -> str:
    with pytest.raises(EpisodeError) as caught:
        list(load(file, count_tokens=words))
    return str(caught.value)
