"""The page of a comparison: every table and curve, no text as markup."""

from __future__ import annotations

from html.parser import HTMLParser

from memalpha.evaluation.learning import PastRun, group_runs
from memalpha.evaluation.learning_pages import PANELS, build_learning_page, curve_plots
from memalpha.evaluation.learning_report import NOTES, grids


def past(name: str, *, seed: int = 0, rate: float = 1.0, level: float = 0.0) -> PastRun:
    rows = [
        {"step": step, "correctness": level + 0.1 * step, **({"validation_score": 0.5} if step == 2 else {})}
        for step in (1, 2, 3)
    ]
    return PastRun(name=name, settings={"run.seed": seed, "optim.rate": rate}, metrics=rows)


RUNS = [past("a-0"), past("a-1", seed=1, level=0.2), past("<b>", rate=2.0)]


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


def test_a_panel_for_each_metric_that_a_run_has() -> None:
    score, validation = curve_plots(group_runs(RUNS))
    assert [score.title, validation.title] == ["Score in training", "Validation"]
    # The means of the two seeds: (0.1 + 0.3) / 2 and (0.3 + 0.5) / 2.
    assert score.caption == "a (seeds 0, 1) from 0.2 to 0.4; <b> from 0.1 to 0.3."
    assert validation.caption == "a (seeds 0, 1) from 0.5 to 0.5; <b> from 0.5 to 0.5."
    assert "a (seeds 0, 1)" in score.svg
    assert "var(--accent)" in score.svg
    assert "var(--second)" in score.svg
    assert "<b>" not in score.svg


def test_every_metric_has_one_panel() -> None:
    assert len({panel.metric for panel in PANELS}) == len(PANELS)


def test_the_page_has_every_table_and_needs_nothing_else() -> None:
    groups = group_runs(RUNS)
    found = grids(groups, 2)
    page = build_learning_page("Runs & <b>", groups, found, NOTES)
    seen = Seen()
    seen.feed(page)
    assert seen.tags.count("table") == sum(1 for grid in found if grid.body)
    assert seen.tags.count("figure") == 2
    assert len(seen.ids) == len(set(seen.ids))
    assert {link.removeprefix("#") for link in seen.links if link.startswith("#")} <= set(seen.ids)
    assert "script" not in seen.tags
    assert "Runs &amp; &lt;b&gt;" in page
    assert "<b>" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
