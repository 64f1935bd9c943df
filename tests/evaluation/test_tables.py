"""The columns, what is bold, and the Markdown."""

from __future__ import annotations

from dataclasses import replace

from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.tables import COLUMNS, SYSTEM, escape_markdown, markdown_table, table_cells, title_of
from memalpha.records import Competency


def test_the_whole_table(rows: list[SystemScore]) -> None:
    end = " | 30 | 1.0 | 20 entries |"
    assert markdown_table(rows).splitlines() == [
        "| System | Score | AR | TTL | LRU | CR | Sufficient | Memory tokens | Kept | Written tokens | Read tokens "
        "| Seconds | Reads |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        r"| Warm start | 0.200 \[0.100, 0.300\] | 0.30 | – | – | 0.10 | **50%** | **40** | **20%** | 80" + end,
        r"| After RL | 0.500 \[0.400, 0.600\] | 0.50 | – | – | **0.50** | **50%** | 60 | 30% | 120" + end,
        r"| RAG-Top2 | 0.400 \[0.300, 0.500\] | **0.80** | – | – | 0.00 | **50%** | 200 | 100% | 400" + end,
        r"| Sentence BM25 | **0.600 \[0.500, 0.700\]** | **0.80** | – | – | 0.40 | **50%** | 180 | 90% | 360" + end,
    ]


def test_what_looks_alike_is_bold_alike(rows: list[SystemScore]) -> None:
    close = [replace(rows[0], score=0.5001), replace(rows[1], score=0.5004, low=0.1)]
    assert [cells[1].best for cells in table_cells(close)] == [True, True]


def test_nothing_is_best_among_one(rows: list[SystemScore]) -> None:
    assert not any(cell.best for cell in table_cells(rows[:1])[0])
    assert markdown_table([]).count("\n") == 1


def test_names_are_never_markup(rows: list[SystemScore]) -> None:
    (cells,) = table_cells([replace(rows[0], system="a|b")], [SYSTEM])
    assert cells[0].text == "a|b"
    assert r"| a\|b \*c\* &lt;i&gt; |" in markdown_table([replace(rows[0], system="a|b *c*\n<i>")])
    assert escape_markdown("[x](y) `z` ~~w~~ \\ &amp;") == r"\[x\](y) \`z\` \~\~w\~\~ \\ &amp;amp;"


def test_competencies_in_words() -> None:
    assert [title_of(competency) for competency in Competency] == [
        "Accurate retrieval",
        "Test-time learning",
        "Long-range understanding",
        "Conflict resolution",
    ]
    assert [column.title for column in COLUMNS[2:6]] == ["AR", "TTL", "LRU", "CR"]
