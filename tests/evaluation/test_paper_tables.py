"""The paper's cells against its printed averages: where they agree, and where they are known not to."""

from __future__ import annotations

import pytest

from memalpha.evaluation.paper_tables import TABLES, TEST, VALIDATION, column_of
from memalpha.records import Chunk, Episode, Question

OFF = {
    (1, "MemAgent"): 0.226,
    (1, "Mem-α"): 0.619,
    (2, "Long-Context"): 0.480,
    (2, "RAG-Top2"): 0.532,
    (3, "Qwen3-4B"): 0.391,
    (3, "Mem-α"): 0.619,
    (4, "Mem-α, β 0, γ 0.1"): 0.620,
    (4, "Mem-α, β 0.05, γ 0.1"): 0.619,
    (4, "Mem-α, β 0.2, γ 0.1"): 0.515,
    (9, "Mem-α, β 0.05, γ 0"): 0.443,
    (9, "Mem-α, β 0.2, γ 0.1"): 0.382,
}
"""Averages that the rows do not come to within a thousandth."""


def test_the_averages_follow_from_the_cells_but_for_those_known() -> None:
    rows = {(table.number, row.system): row for table in TABLES for row in table.rows}
    off = {key: row for key, row in rows.items() if abs(row.recomputed - row.average) >= 0.00151}
    assert set(off) == set(OFF)
    assert {key: row.recomputed for key, row in off.items()} == pytest.approx(OFF, abs=0.0006)


def test_every_row_has_a_cell_for_each_column() -> None:
    assert [table.number for table in TABLES] == [1, 2, 3, 4, 9]
    for table in TABLES:
        for row in table.rows:
            assert len(row.scores) == len(row.memory) == len(table.columns)


def episode(name: str, source: str) -> Episode:
    return Episode(id=name, chunks=(Chunk(text="x"),), questions=(Question(text="?!", answers=("y",)),), source=source)


def test_episodes_of_the_published_files_have_a_column() -> None:
    assert column_of(episode("memoryagentbench:icl_nlu_8296shot_balance:3", "memoryagentbench")) is TEST[4]
    assert column_of(episode("memoryagentbench:longmemeval_s*:0", "memoryagentbench")) is TEST[2]
    assert column_of(episode("memoryagentbench:eventqa_full:0", "memoryagentbench")) is None
    assert column_of(episode("test.parquet:7", "icl_nlu_8296shot_balance")) is VALIDATION[4]
    assert column_of(episode("squad-1", "squad")) is None
