"""The report of a sweep as one page: its tables, its plots, how it was made; no script and nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from memalpha.agent.prompting import fill
from memalpha.evaluation.grids import Grid, grid_html
from memalpha.evaluation.markup import Html, el, join
from memalpha.evaluation.plots import ACCENT, GRID, INK, QUIET, SECOND, Plot, as_svg, figure_in_colours, score_plots
from memalpha.evaluation.standings import by_length

if TYPE_CHECKING:
    from memalpha.evaluation.sweep_report import SweepFindings

_DASHES = ("-", "--", ":", "-.")


def build_sweep_page(findings: SweepFindings, grids: Sequence[Grid]) -> str:
    """The whole page; raises `MissingExtraError` without matplotlib."""
    from memalpha.evaluation.sweep_report import NOTES

    bars = {board.suite: score_plots(board.rows)[0] for board in findings.boards}
    lengths = length_plots(findings)
    sections = []
    for grid in grids:
        content = [el("p", grid.lead, class_="lead"), grid_html(grid)]
        plots = [plot for plot in (bars.get(grid.id.removeprefix("suite-")), lengths.get(grid.id)) if plot]
        sections.append((grid.id, grid.title, join(*content, _figures(plots))))
    sections.append(("reading", "How to read it", el("ul", *(el("li", note) for note in NOTES))))
    sections.append(("made", "How it was made", _facts(findings.facts)))
    # Differences stand under their suites and would double the list.
    listed = [(name, title) for name, title, _ in sections if not name.startswith("differences-")]
    parts = [
        el("section", el("h2", title, id=f"{name}-title"), content, id=name, aria_labelledby=f"{name}-title")
        for name, title, content in sections
    ]
    return fill(
        _template("report.html"),
        title=join(findings.title),
        style=_template("report.css"),
        navigation=el("ul", *(el("li", el("a", title, href=f"#{name}")) for name, title in listed)),
        content=Html("\n".join(parts)),
    )


def length_plots(findings: SweepFindings) -> dict[str, Plot]:
    """A line for each system, by the id of the table that it stands under."""
    found = {}
    for suite, lines in by_length(findings.boards, lambda row: row.score).items():
        told = ", ".join(f"{system} from {points[0][1]:.2f} to {points[-1][1]:.2f}" for system, points in lines.items())
        with figure_in_colours(6.4, 3.4) as figure:
            axes = figure.subplots()
            for at, (system, points) in enumerate(lines.items()):
                colour = ACCENT if system.startswith("Mem-α") else (SECOND, QUIET, INK)[at % 3]
                lengths, scores = zip(*points, strict=True)
                axes.plot(lengths, scores, _DASHES[at // 3 % 4], color=colour, marker="o", markersize=3.5, label=system)
            axes.set_xscale("log")
            axes.set_ylim(0, 1)
            axes.set_xlabel("tokens of a stream")
            axes.set_ylabel("mean score, 0 to 1")
            axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
            figure.legend(loc="outside right upper", frameon=False, labelcolor=INK)
            found[f"length-{suite}"] = Plot(
                title=f"{suite}: score against length", caption="", svg=as_svg(figure, f"{suite}: {told}")
            )
    return found


def _figures(plots: Sequence[Plot]) -> Html:
    drawn = [el("figure", el("h3", plot.title), Html(plot.svg), class_="plot") for plot in plots]
    return el("div", *drawn, class_="plots single") if drawn else Html()


def _facts(facts: Mapping[str, str]) -> Html:
    rows = [el("tr", el("th", name, scope="row"), el("td", value)) for name, value in facts.items()]
    return el("table", el("caption", "How it was made", class_="hidden"), el("tbody", *rows), class_="facts")


def _template(name: str) -> str:
    return (files("memalpha.evaluation") / "templates" / name).read_text(encoding="utf-8")
