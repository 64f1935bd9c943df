"""The files of a sweep's report say what the tables say."""

from __future__ import annotations

import json
from pathlib import Path

from memalpha.evaluation.paper_tables import TABLES
from memalpha.evaluation.standings import PaperCells
from memalpha.evaluation.sweep_report import SweepFindings, grids, markdown, paper_grid, write_sweep_report


def test_every_table_is_there_in_order(findings: SweepFindings) -> None:
    assert [grid.id for grid in grids(findings)] == [
        "overall",
        "suite-s@200",
        "differences-s@200",
        "suite-s@2000",
        "differences-s@2000",
        "length-s",
    ]


def test_the_markdown(findings: SweepFindings) -> None:
    text = markdown(findings)
    assert text.startswith("# An &lt;evaluation&gt;\n\n## By competency\n")
    assert r"| Mem-α | **0.625 \[0.525, 0.725\]** | 0.500 \[0.400, 0.600\] | 25% |" in text
    assert r"| &lt;b&gt; | Mem-α | **-0.250 \[-0.350, -0.150\]** | &lt;0.001 |" in text
    assert "4 episodes of 200 tokens, 40 questions." in text
    # Score, sufficient, memory, kept, written, read, seconds and reading, what may be read.
    assert (
        r"| Mem-α | **0.750 \[0.650, 0.850\]** | **50%** | **50** | **25%** | 60 | 7 | 3.5 | 0.5 | 2 &lt;chunks&gt; |"
        in text
    )
    assert "| System | 200 | 2,000 |\n| --- | ---: | ---: |\n| Mem-α | 0.750 | 0.500 |" in text
    assert "| commit | abc |" in text


def test_the_paper_stands_above_our_cells() -> None:
    ours = PaperCells(system="Mem-α", scores=(0.5, *[None] * 8), memory=(12.34, *[None] * 8))
    grid = paper_grid(TABLES[1], [ours])
    assert grid.body[0][:2] == ("Long-Context (paper)", "0.280 / 33K")
    assert grid.body[0][-2:] == ("0.461", "0.480")
    assert grid.body[-1] == ("Mem-α", "0.500 / 12.3K", *["–"] * 8, "–", "–")
    full = paper_grid(TABLES[0], [PaperCells(system="x", scores=(0.5,) * 7, memory=(1.0,) * 7)])
    assert full.body[-1][-2:] == ("–", "0.500")


def test_the_three_files(findings: SweepFindings, tmp_path: Path) -> None:
    page = write_sweep_report(tmp_path / "run", findings)
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json", "report.md"]
    data = json.loads((tmp_path / "run" / "report.json").read_text())
    assert data["boards"][0]["rows"][0]["score"] == 0.75
    assert data["boards"][1]["contrasts"][0]["p"] == 0.0004
    assert data["overall"][1]["by_competency"]["accurate_retrieval"]["score"] == 0.75
