"""A built set on disk: both parts as they were, and a card that says what is in them."""

import hashlib
from pathlib import Path

import pytest

from memalpha.data.build import Built, Plan
from memalpha.data.card import CARD, TRAINING, VALIDATION, card, cells, leak_cells, refuse_filled, write_set
from memalpha.data.hub import HubSet
from memalpha.data.leaks import Leak, LeakKind, LeakPolicy, Report
from memalpha.data.release import read_release
from memalpha.errors import EpisodeError, OutputError
from memalpha.records import Chunk, Episode, Question

CHUNKS = (Chunk(text="one two three", time="2024-01-01"), Chunk(text="four"))
ASKED = (Question(text="Who?", answers=("Ada",)),)
LEAKS = tuple(
    Leak(kind=kind, episode=0, source=source, test="suite", text="x")
    for source, kind in (("nlu", LeakKind.TOLD), ("nlu", LeakKind.SAME_QUESTION), ("nlu", LeakKind.TOLD))
)
REPORT = Report(leaks=LEAKS, shares={("nlu", "suite"): 0.125, ("squad", "suite"): 0.0}, tests={"suite": 7})
CLEAN = Report(leaks=(), shares={}, tests={"suite": 7})


def episode(source: str, questions: int = 1) -> Episode:
    return Episode(id="e", source=source, chunks=CHUNKS, questions=ASKED * questions)


def built(report: Report = CLEAN) -> Built:
    training = (episode("nlu"), episode("squad", 3), episode("squad", 2))
    return Built(training=training, validation=(episode("squad"),), report=report, asked_twice=5)


def words(text: str) -> int:
    return len(text.split())


def test_the_table_has_a_row_a_source_and_one_for_all() -> None:
    assert cells(built(), words) == [
        ("SQuAD", "accurate_retrieval", "contains", "2", "2", "2.0", "2.5", "1", "2", "2.0", "1.0"),
        ("NLU", "test_time_learning", "label", "1", "2", "2.0", "1.0", "0", "", "", ""),
        ("All", "", "", "3", "", "", "", "1", "", "", ""),
    ]


def test_leaks_are_counted_most_first() -> None:
    assert leak_cells(REPORT) == [
        ("nlu", "suite", "tells a sample that the test asks about", "2"),
        ("nlu", "suite", "same question", "1"),
    ]


def test_the_card_says_where_it_is_from_and_what_was_found(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text("x")
    given = {"squad": [file], "nlu": [HubSet(name="o/n")], "csabstruct": [tmp_path]}
    text = card(built(REPORT), given, Plan(seed=7, leaks=LeakPolicy.DROP), words, "the tokenizer nano")
    for line in (
        "Built by `memalpha data build` with seed 7",
        "(3 episodes) and `validation.parquet` (1 episodes). Tokens are those of the tokenizer nano.",
        "because validation asks them: 5.",
        "| SQuAD | accurate_retrieval | contains | 2 | 2 | 2.0 | 2.5 | 1 | 2 | 2.0 | 1.0 |",
        f"| SQuAD | CC BY-SA 4.0 | arXiv:1606.05250 |  | train.jsonl | {hashlib.sha256(b'x').hexdigest()} |",
        "| NLU | CC BY 4.0 | arXiv:1903.05566 |  | hub:o/n:train |  |",
        f"| CSAbstruct | Apache-2.0 | arXiv:1909.04054 | PubMed-RCT | {tmp_path.name} |  |",
        "was compared with suite (7 questions).",
        "What was found was left out:",
        "| nlu | suite | tells a sample that the test asks about | 2 |",
        "| nlu | suite | 12.5% |",
    ):
        assert line in text, line
    assert "| squad | suite |" not in text
    kept = card(built(REPORT), given, Plan(leaks=LeakPolicy.KEEP), words, "x")
    assert "What was found is still in it:" in kept
    assert "Nothing was found" in card(built(), given, Plan(), words, "x")
    nothing = Report(leaks=(), shares={}, tests={})
    assert "It was compared with no test." in card(built(nothing), given, Plan(), words, "x")


def test_the_folder_holds_both_parts_and_the_card(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "built"
    write_set(folder, built(), "the card")
    assert sorted(file.name for file in folder.iterdir()) == [CARD, TRAINING, VALIDATION]
    assert tuple(read_release(folder / TRAINING)) == built().training
    assert tuple(read_release(folder / VALIDATION)) == built().validation
    assert (folder / CARD).read_text() == "the card"
    assert [each.name for each in folder.parent.iterdir()] == ["built"]


def test_an_empty_folder_is_filled_and_a_filled_one_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_set(tmp_path / "empty", built(), "x")
    for folder in (tmp_path, tmp_path / "empty", tmp_path / "empty" / CARD):
        with pytest.raises(OutputError, match="is there and not empty, expected a new folder"):
            refuse_filled(folder)
        with pytest.raises(OutputError):
            write_set(folder, built(), "another")
    assert (tmp_path / "empty" / CARD).read_text() == "x"


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    many = Built(training=(episode("squad", 101),), validation=(), report=CLEAN, asked_twice=0)
    with pytest.raises(EpisodeError, match="101 questions"):
        write_set(tmp_path / "built", many, "x")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_set(file / "built", built(), "x")
    assert list(tmp_path.iterdir()) == [file]
