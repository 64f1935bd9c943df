"""What rows come to, worked by hand on two systems, two suites and two seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.evaluation.ledger import Ledger, MemoryRow, QuestionRow, digest
from memalpha.evaluation.paper_tables import TABLES
from memalpha.evaluation.standings import Results, Titles, by_length
from memalpha.evaluation.sweep import Cell
from memalpha.records import Chunk, Competency, Episode, Metric, Question

AR, CR = Competency.ACCURATE_RETRIEVAL, Competency.CONFLICT_RESOLUTION
TITLES = {
    "memalpha": Titles(title="Mem-α", read_budget="core + 20 + 20 entries"),
    "rag-top2": Titles(title="RAG-Top2", read_budget="2 chunks"),
}


def episode(name: str, competencies: list[Competency]) -> Episode:
    return Episode(
        id=name,
        chunks=(Chunk(text="x"),),
        questions=tuple(Question(text="?!", answers=("y",), competency=each) for each in competencies),
    )


PLAIN = episode("plain", [AR, AR])
MIXED = episode("mixed", [AR, CR])
LONG = episode("memoryagentbench:ruler_qa1_197K:0", [AR])
CELLS = (
    Cell(suite="s@10", seed=0, episodes=(PLAIN,)),
    Cell(suite="s@10", seed=1, episodes=(MIXED,)),
    Cell(suite="s@100", seed=0, episodes=(LONG,)),
)
SCORES = {
    "memalpha": {"plain": [1.0, 0.5], "mixed": [1.0, 1.0], LONG.id: [0.5]},
    "rag-top2": {"plain": [1.0, 0.0], "mixed": [0.5, 0.0], LONG.id: [1.0]},
}


def fill(folder: Path, *, judged: bool | None = None) -> Results:
    ledger = Ledger(folder, {})
    for system, scores in SCORES.items():
        for cell in CELLS:
            for each in cell.episodes:
                raw = 100 if cell.suite == "s@100" else 10
                ledger.add_memory(
                    MemoryRow(
                        system=system,
                        suite=cell.suite,
                        seed=cell.seed,
                        episode=each.id,
                        digest=digest(each),
                        raw_tokens=raw,
                        memory_tokens=raw // 2 if system == "memalpha" else raw,
                        written_tokens=raw,
                        seconds=2.0,
                    )
                )
                for number, score in enumerate(scores[each.id]):
                    ledger.add_question(
                        QuestionRow(
                            system=system,
                            suite=cell.suite,
                            seed=cell.seed,
                            episode=each.id,
                            number=number,
                            competency=each.questions[number].competency,
                            metric=Metric.CONTAINS,
                            answer="",
                            score=score,
                            judged=judged,
                            sufficient=number == 0,
                            read_tokens=4 + number,
                            seconds=0.5,
                        )
                    )
    return Results(ledger, CELLS, TITLES)


def test_the_table_of_a_suite(tmp_path: Path) -> None:
    short, long = fill(tmp_path).boards()
    assert (short.suite, short.episodes, short.questions, short.raw_tokens) == ("s@10", 2, 4, 10.0)
    assert (long.suite, long.episodes, long.questions, long.raw_tokens) == ("s@100", 1, 1, 100.0)
    ours, rag = short.rows
    # Episodes score (1 + 0.5) / 2 and 1; and 0.5 and 0.25.
    assert (ours.score, rag.score) == (0.875, 0.375)
    assert ours.by_competency == pytest.approx({AR: 2.5 / 3, CR: 1.0})
    assert (ours.memory_tokens, ours.memory_share, ours.written_tokens) == (5.0, 0.5, 10.0)
    assert (ours.sufficiency, ours.read_tokens) == (0.5, 4.5)
    # Two memories of 2 s, four answers of 0.5 s.
    assert (ours.seconds, ours.read_seconds, ours.judged) == (6.0, 2.0, None)
    # Two draws of an episode come to 0.5 in 1 of 64 resamples, which is below 2.5%, to 0.625 in 4 more.
    assert (ours.low, ours.high) == (0.625, 1.0)


def test_every_suite_counts_once_over_all(tmp_path: Path) -> None:
    ours, rag = fill(tmp_path).overall()
    assert (ours.mean.score, rag.mean.score) == (0.6875, 0.6875)
    # Retrieval: (0.75 + 1) / 2 of the episodes of the first suite and 0.5 of the second; conflicts: the first only.
    assert ours.by_competency[AR].score == pytest.approx((0.875 + 0.5) / 2)
    assert ours.by_competency[CR].score == 1.0
    assert (ours.memory_share, rag.memory_share) == (0.5, 1.0)


def test_differences_are_paired(tmp_path: Path) -> None:
    results = fill(tmp_path)
    [contrast] = results.boards()[0].contrasts[:1]
    assert (contrast.system, contrast.against) == ("RAG-Top2", "Mem-α")
    # Differences of the questions: 0 and -0.5, -0.5 and -1, so -0.25 and -0.75 of the episodes.
    assert contrast.difference.score == -0.5
    # A draw comes to -1 in 1 of 8 and to -0.75 in 1 of 4, so two of them to -1 in 1 of 64, to -0.875 in 4 more.
    assert (contrast.difference.low, contrast.difference.high) == (-0.875, -0.125)
    assert contrast.p == 0.5
    against = [(each.system, each.against) for each in results.boards()[0].contrasts]
    assert against == [("RAG-Top2", "Mem-α"), ("Mem-α", "RAG-Top2")]
    # Over both suites they are level; the best is the first of them.
    assert [each.difference.score for each in results.contrasts()] == [0.0, 0.0]


def test_judged_answers_are_counted_beside_the_score(tmp_path: Path) -> None:
    assert [row.judged for row in fill(tmp_path, judged=True).boards()[0].rows] == [1.0, 1.0]


def test_lengths_are_those_of_suites_that_were_built_in_several(tmp_path: Path) -> None:
    boards = fill(tmp_path).boards()
    assert by_length(boards, lambda row: row.score) == {
        "s": {"Mem-α": [(10.0, 0.875), (100.0, 0.5)], "RAG-Top2": [(10.0, 0.375), (100.0, 1.0)]}
    }
    assert by_length(boards[:1], lambda row: row.score) == {}


def test_cells_of_the_paper_s_data_sets_are_found(tmp_path: Path) -> None:
    results = fill(tmp_path)
    ours, rag = results.paper(TABLES[1])
    assert (ours.scores[0], rag.scores[0]) == (0.5, 1.0)
    assert (ours.memory[0], rag.memory[0]) == (0.05, 0.1)
    assert set(ours.scores[1:]) == {None}
    assert results.paper(TABLES[0]) == []
