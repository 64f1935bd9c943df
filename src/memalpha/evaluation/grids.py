"""A table as texts, and what becomes of it in Markdown and on a page: the reports show the same cells in both."""

from __future__ import annotations

from dataclasses import dataclass

from memalpha.evaluation.markup import Html, el, join
from memalpha.evaluation.tables import escape_markdown, markdown_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One table as texts."""

    id: str
    title: str
    lead: str
    titles: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()
    """Row and column of the cells that stand out."""
    numbers: tuple[bool, ...] = ()
    """Which columns stand on the right; empty for all but the first."""

    @property
    def right(self) -> tuple[bool, ...]:
        """Which columns stand on the right."""
        return self.numbers or (False, *[True] * (len(self.titles) - 1))


def grid_markdown(grid: Grid) -> list[str]:
    """Heading, lead and table, to be set apart by empty lines."""
    body = [
        [
            f"**{escape_markdown(cell)}**" if (row, column) in grid.bold else escape_markdown(cell)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(grid.body)
    ]
    lead = [escape_markdown(grid.lead)] if grid.lead else []
    titles = [escape_markdown(title) for title in grid.titles]
    return [f"## {escape_markdown(grid.title)}", *lead, markdown_lines(titles, body, grid.right)]


def grid_html(grid: Grid) -> Html:
    """The table as an element that scrolls by itself where the page is narrow."""
    head = [
        el("th", title, scope="col", class_="number" if right else None)
        for title, right in zip(grid.titles, grid.right, strict=True)
    ]
    body = []
    for row, cells in enumerate(grid.body):
        first, *rest = [_cell(text, (row, column) in grid.bold) for column, text in enumerate(cells)]
        data = [
            el("td", text, class_="number" if right else None) for text, right in zip(rest, grid.right[1:], strict=True)
        ]
        body.append(el("tr", el("th", first, scope="row"), *data))
    table = el(
        "table",
        el("caption", grid.title, class_="hidden"),
        el("thead", el("tr", *head)),
        el("tbody", *body),
        class_="systems",
    )
    return el("div", table, class_="scroll card", tabindex="0", role="region", aria_label=grid.title)


def _cell(text: str, bold: bool) -> Html:
    """An interval stands under its number."""
    number, bracket, span = text.partition(" [")
    shown = el("strong", number) if bold else join(number)
    return join(shown, el("span", "[" + span, class_="small")) if bracket else shown
