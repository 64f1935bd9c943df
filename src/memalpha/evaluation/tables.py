"""The columns of a table of systems, and its Markdown. A page, a terminal and the README show the same cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.marks import visible
from memalpha.records import Competency

BEFORE, AFTER = "Warm start", "After RL"
"""How the names of two systems to compare begin: what follows is the same for both, as " (greedy)"."""

SHORT: Mapping[Competency, str] = {
    Competency.ACCURATE_RETRIEVAL: "AR",
    Competency.TEST_TIME_LEARNING: "TTL",
    Competency.LONG_RANGE_UNDERSTANDING: "LRU",
    Competency.CONFLICT_RESOLUTION: "CR",
}

_SPECIAL = re.compile(r"([\\`*_~\[\]|])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One property of a system."""

    title: str
    meaning: str
    """Stands under the table."""
    cell: Callable[[SystemScore], str]
    value: Callable[[SystemScore], float | None] = lambda _: None
    """What is compared; None is never the best."""
    best: Callable[[Sequence[float]], float] | None = None
    """`max` or `min`; None for a column without a best."""
    number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell as it is shown."""

    text: str
    best: bool
    """Equals the best of its column as far as the digits shown go."""


def _competency(competency: Competency) -> Column:
    return Column(
        title=SHORT[competency],
        meaning=f"mean score of the questions on {title_of(competency).lower()}",
        cell=lambda row: f"{row.by_competency[competency]:.2f}" if competency in row.by_competency else "–",
        value=lambda row: row.by_competency.get(competency),
        best=max,
    )


def title_of(competency: Competency) -> str:
    """The competency in words."""
    words = competency.value.replace("_", " ").capitalize()
    return words.replace("Test time", "Test-time").replace("Long range", "Long-range")


COMPETENCIES = tuple(_competency(competency) for competency in Competency)
SYSTEM = Column(title="System", meaning="", cell=lambda row: row.system, number=False)
SCORE = Column(
    title="Score",
    meaning="mean over the questions of an episode, then over episodes, with its 95% bootstrap interval over episodes",
    cell=lambda row: f"{row.score:.3f} [{row.low:.3f}, {row.high:.3f}]",
    value=lambda row: row.score,
    best=max,
)
TOKENS = Column(
    title="Memory tokens",
    meaning="mean size of the memory after the last chunk",
    cell=lambda row: f"{row.memory_tokens:,.0f}",
    value=lambda row: row.memory_tokens,
    best=min,
)
KEPT = Column(
    title="Kept",
    meaning="memory tokens as a share of the raw text",
    cell=lambda row: f"{row.memory_share:.0%}",
    value=lambda row: row.memory_share,
    best=min,
)
SUFFICIENCY = Column(
    title="Sufficient",
    meaning="share of the questions whose answer stood in what the reader was shown",
    cell=lambda row: f"{row.sufficiency:.0%}",
    value=lambda row: row.sufficiency,
    best=max,
)
WRITTEN = Column(
    title="Written tokens",
    meaning="mean length of everything written into memory for an episode, what was overwritten later included",
    cell=lambda row: f"{row.written_tokens:,.0f}",
)
READ = Column(
    title="Read tokens",
    meaning="mean length of what was read for one question",
    cell=lambda row: f"{row.read_tokens:,.0f}",
)
SECONDS = Column(title="Seconds", meaning="writing and reading of all episodes", cell=lambda row: f"{row.seconds:,.1f}")
READS = Column(
    title="Reads", meaning="what may be read for one question", cell=lambda row: row.read_budget, number=False
)

READ_SECONDS = Column(
    title="Reading",
    meaning="of these seconds, what reading and answering took",
    cell=lambda row: "–" if row.read_seconds is None else f"{row.read_seconds:,.1f}",
)
JUDGED = Column(
    title="Judged",
    meaning="share of the answers that the judge held to be right",
    cell=lambda row: "–" if row.judged is None else f"{row.judged:.2f}",
    value=lambda row: row.judged,
    best=max,
)

COLUMNS = (SYSTEM, SCORE, *COMPETENCIES, SUFFICIENCY, TOKENS, KEPT, WRITTEN, READ, SECONDS, READS)


def table_cells(rows: Sequence[SystemScore], columns: Sequence[Column] = COLUMNS) -> list[list[Cell]]:
    """The cells row by row; in a table of one row nothing is the best."""
    best = [_best(rows, column) if len(rows) > 1 else None for column in columns]
    return [
        [
            Cell(text=column.cell(row), best=top is not None and _shown(row, column) == top)
            for column, top in zip(columns, best, strict=True)
        ]
        for row in rows
    ]


def markdown_table(rows: Sequence[SystemScore], columns: Sequence[Column] = COLUMNS) -> str:
    """The whole table of systems in Markdown, the best of each column in bold."""
    body = [
        [f"**{escape_markdown(cell.text)}**" if cell.best else escape_markdown(cell.text) for cell in row]
        for row in table_cells(rows, columns)
    ]
    return markdown_lines([column.title for column in columns], body, [column.number for column in columns])


def markdown_lines(titles: Sequence[str], body: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Rows of escaped cells as a Markdown table; columns of numbers stand on the right."""
    marks = ["---:" if number else "---" for number in numbers]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (titles, marks, *body))


def escape_markdown(text: str) -> str:
    """The text as itself in one line of Markdown."""
    plain = _SPECIAL.sub(r"\\\1", " ".join(visible(text).split()))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _best(rows: Sequence[SystemScore], column: Column) -> str | None:
    values = [(value, row) for row in rows if (value := column.value(row)) is not None]
    if column.best is None or not values:
        return None
    top = column.best([value for value, _ in values])
    return next(_shown(row, column) for value, row in values if value == top)


def _shown(row: SystemScore, column: Column) -> str:
    """The compared number as it is shown, without an interval behind it."""
    return column.cell(row).split(" ")[0]
