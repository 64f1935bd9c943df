"""The report of a sweep: report.md, report.json and report.html, from the same tables.

Markdown and the page show the same grids, so that they cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memalpha.evaluation.grids import Grid, grid_markdown
from memalpha.evaluation.paper_tables import TABLES, PaperTable
from memalpha.evaluation.standings import Board, Contrast, Estimate, Overall, PaperCells, Results, by_length
from memalpha.evaluation.tables import (
    COMPETENCIES,
    JUDGED,
    KEPT,
    READ,
    READ_SECONDS,
    READS,
    SCORE,
    SECONDS,
    SHORT,
    SUFFICIENCY,
    SYSTEM,
    TOKENS,
    WRITTEN,
    Column,
    escape_markdown,
    markdown_lines,
    table_cells,
    title_of,
)
from memalpha.records import Competency
from memalpha.writing import replace_file

NOTES = (
    "Intervals are of 95%: episodes, over all seeds, are drawn with replacement, and of each its questions. An episode "
    "that several seeds draw counts once.",
    "Differences are of the same questions. p is two-sided, by sign flips of episodes, raised by Holm's method for the "
    "systems of a table; of n episodes none can be below 2 / 2^n. The best system is chosen by the same scores.",
    "Each suite counts once in what is over all suites.",
    "Times are of one run of each question; those of an interrupted evaluation leave out what was done twice.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFindings:
    """All that a report shows."""

    title: str
    facts: Mapping[str, str]
    """What it takes to make it again."""
    boards: tuple[Board, ...]
    overall: tuple[Overall, ...]
    contrasts: tuple[Contrast, ...]
    paper: Mapping[int, tuple[PaperCells, ...]]
    """Our cells by the number of the paper's table."""


def findings_of(results: Results, *, title: str, facts: Mapping[str, str]) -> SweepFindings:
    """Everything computed once."""
    return SweepFindings(
        title=title,
        facts=facts,
        boards=tuple(results.boards()),
        overall=tuple(results.overall()),
        contrasts=tuple(results.contrasts()),
        paper={table.number: tuple(results.paper(table)) for table in TABLES},
    )


def write_sweep_report(folder: Path, findings: SweepFindings) -> Path:
    """Write the three files; returns the page. Raises `OutputError`, and `MissingExtraError` without matplotlib."""
    from memalpha.evaluation.sweep_pages import build_sweep_page

    page = build_sweep_page(findings, grids(findings))
    replace_file(folder / "report.md", markdown(findings))
    replace_file(folder / "report.json", json.dumps(asdict(findings), indent=2, allow_nan=False) + "\n")
    replace_file(folder / "report.html", page)
    return folder / "report.html"


def markdown(findings: SweepFindings) -> str:
    """The whole report in Markdown."""
    parts = [f"# {escape_markdown(findings.title)}"]
    for grid in grids(findings):
        parts += grid_markdown(grid)
    parts += ["## How to read it", "\n".join(f"- {note}" for note in NOTES)]
    facts = [[escape_markdown(name), escape_markdown(value)] for name, value in findings.facts.items()]
    parts += ["## How it was made", markdown_lines(["", ""], facts, [False, False])]
    return "\n\n".join(parts) + "\n"


def grids(findings: SweepFindings) -> list[Grid]:
    """Every table of the report, in order."""
    found = [overall_grid(findings.overall, len(findings.boards))]
    found += _contrast_grids("all", "All suites", findings.contrasts)
    for board in findings.boards:
        found.append(board_grid(board))
        found += _contrast_grids(board.suite, board.suite, board.contrasts)
    found += [length_grid(suite, lines) for suite, lines in by_length(findings.boards, lambda row: row.score).items()]
    found += [paper_grid(table, findings.paper[table.number]) for table in TABLES if findings.paper[table.number]]
    return found


def overall_grid(rows: Sequence[Overall], suites: int) -> Grid:
    """Systems by competency."""
    competencies = [each for each in Competency if any(each in row.by_competency for row in rows)]
    values = [[row.mean, *(row.by_competency.get(each) for each in competencies)] for row in rows]
    body = [
        (row.system, *(_estimate(each) for each in estimates), f"{row.memory_share:.0%}")
        for row, estimates in zip(rows, values, strict=True)
    ]
    bold = set()
    for column in range(len(competencies) + 1):
        shown = [each[column] for each in values]
        top = max(round(each.score, 3) for each in shown if each)
        bold |= {(at, column + 1) for at, each in enumerate(shown) if each and round(each.score, 3) == top}
    names = ", ".join(f"{SHORT[each]} {title_of(each).lower()}" for each in competencies)
    return Grid(
        id="overall",
        title="By competency",
        lead=f"Means over {suites} suite{'s' if suites > 1 else ''}, with their 95% intervals: {names}. The best of "
        "each column is in bold.",
        titles=("System", "All suites", *(SHORT[each] for each in competencies), "Kept"),
        body=tuple(body),
        bold=frozenset(bold if len(rows) > 1 else ()),
    )


def board_grid(board: Board) -> Grid:
    """The table of one suite; a competency that is not asked, and a judge that was not, have no column."""
    columns = _columns(board)
    cells = table_cells(board.rows, columns)
    return Grid(
        id=f"suite-{board.suite}",
        title=board.suite,
        lead=f"{board.episodes:,} episode{'s' if board.episodes > 1 else ''} of {board.raw_tokens:,.0f} tokens, "
        f"{board.questions:,} questions.",
        titles=tuple(column.title for column in columns),
        body=tuple(tuple(cell.text for cell in row) for row in cells),
        bold=frozenset((at, place) for at, row in enumerate(cells) for place, cell in enumerate(row) if cell.best),
        numbers=tuple(column.number for column in columns),
    )


def _columns(board: Board) -> list[Column]:
    asked = {SHORT[each] for row in board.rows for each in row.by_competency}
    competencies = [column for column in COMPETENCIES if column.title in asked] if len(asked) > 1 else []
    judged = [JUDGED] if any(row.judged is not None for row in board.rows) else []
    return [
        SYSTEM,
        SCORE,
        *judged,
        *competencies,
        SUFFICIENCY,
        TOKENS,
        KEPT,
        WRITTEN,
        READ,
        SECONDS,
        READ_SECONDS,
        READS,
    ]


def _contrast_grids(name: str, title: str, contrasts: Sequence[Contrast]) -> list[Grid]:
    if not contrasts:
        return []
    body = tuple(
        (each.system, each.against, _signed(each.difference), "<0.001" if each.p < 0.001 else f"{each.p:.3f}")
        for each in contrasts
    )
    surely = [each.difference.low > 0 or each.difference.high < 0 for each in contrasts]
    return [
        Grid(
            id=f"differences-{name}",
            title=f"{title}: differences",
            lead="How much better a system answers than another the same questions, with its 95% interval; in bold "
            "where that leaves out zero.",
            titles=("System", "Against", "Difference", "p"),
            body=body,
            bold=frozenset((at, 2) for at, sure in enumerate(surely) if sure),
            numbers=(False, False, True, True),
        )
    ]


def length_grid(suite: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> Grid:
    """Score against length."""
    lengths = sorted({length for points in lines.values() for length, _ in points})
    body = tuple(
        (system, *(f"{dict(points)[length]:.3f}" if length in dict(points) else "–" for length in lengths))
        for system, points in lines.items()
    )
    return Grid(
        id=f"length-{suite}",
        title=f"{suite}: score against length",
        lead="Mean score by the mean length of a stream, in tokens.",
        titles=("System", *(f"{length:,.0f}" for length in lengths)),
        body=body,
    )


def paper_grid(table: PaperTable, ours: Sequence[PaperCells]) -> Grid:
    """The paper's cells and below them ours; score, and memory in thousands of tokens."""
    body = [
        (
            f"{row.system} (paper)",
            *(f"{score:.3f} / {memory:g}K" for score, memory in zip(row.scores, row.memory, strict=True)),
            f"{row.average:.3f}",
            f"{row.recomputed:.3f}",
        )
        for row in table.rows
    ]
    for cells in ours:
        whole = None not in cells.scores
        mean = sum(each for each in cells.scores if each is not None) / len(cells.scores)
        body.append(
            (
                cells.system,
                *(
                    "–" if score is None or memory is None else f"{score:.3f} / {memory:.3g}K"
                    for score, memory in zip(cells.scores, cells.memory, strict=True)
                ),
                "–",
                f"{mean:.3f}" if whole else "–",
            )
        )
    return Grid(
        id=f"paper-{table.number}",
        title=f"Table {table.number} of the paper: {table.title}",
        lead="Score and memory. The paper's rows are those of its own reader and tokenizer, with its average as "
        "printed and as its cells come out; a score that the paper left to a judge is compared only where one was "
        "asked.",
        titles=("System", *(column.title for column in table.columns), "Average, printed", "Average, of the cells"),
        body=tuple(body),
    )


def _estimate(each: Estimate | None) -> str:
    return "–" if each is None else f"{each.score:.3f} [{each.low:.3f}, {each.high:.3f}]"


def _signed(each: Estimate) -> str:
    return f"{each.score:+.3f} [{each.low:+.3f}, {each.high:+.3f}]"
