from __future__ import annotations

from memalpha.evaluation.grids import Grid, grid_html, grid_markdown

GRID = Grid(
    id="g",
    title="A | b",
    lead="",
    titles=("Name", "Score"),
    body=(("<b>", "0.50 [0.40, 0.60]"), ("c", "0.30")),
    bold=frozenset({(0, 1)}),
)


def test_markdown_escapes_and_marks_what_stands_out() -> None:
    heading, table = grid_markdown(GRID)
    assert heading == "## A \\| b"
    assert table.splitlines() == [
        "| Name | Score |",
        "| --- | ---: |",
        "| &lt;b&gt; | **0.50 \\[0.40, 0.60\\]** |",
        "| c | 0.30 |",
    ]


def test_a_page_shows_the_same_cells() -> None:
    html = grid_html(GRID)
    assert '<th scope="row">&lt;b&gt;</th>' in html
    assert '<strong>0.50</strong><span class="small">[0.40, 0.60]</span>' in html
    assert html.count("<tr>") == 3
