"""The page of a sweep: every table, its plots, and no text as markup."""

from __future__ import annotations

from html.parser import HTMLParser

from memalpha.evaluation.sweep_pages import build_sweep_page, length_plots
from memalpha.evaluation.sweep_report import SweepFindings, grids


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.links += [str(value) for name, value in attrs if name == "href"]


def test_the_page_has_every_table_and_needs_nothing_else(findings: SweepFindings) -> None:
    page = build_sweep_page(findings, grids(findings))
    seen = Seen()
    seen.feed(page)
    assert seen.tags.count("table") == len(grids(findings)) + 1
    assert seen.tags.count("figure") == 3
    assert len(seen.ids) == len(set(seen.ids))
    assert {link.removeprefix("#") for link in seen.links if link.startswith("#")} <= set(seen.ids)
    assert "script" not in seen.tags
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert '<strong>0.750</strong><span class="small">[0.650, 0.850]</span>' in page


def test_a_line_for_each_system(findings: SweepFindings) -> None:
    [plot] = length_plots(findings).values()
    assert "s: Mem-α from 0.75 to 0.50, &lt;b&gt; from 0.50 to 0.62" in plot.svg
