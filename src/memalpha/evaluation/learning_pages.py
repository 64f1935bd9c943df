"""The comparison of training runs as one page: curves side by side and tables; nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from memalpha.agent.prompting import fill
from memalpha.evaluation.grids import Grid, grid_html
from memalpha.evaluation.learning import Group
from memalpha.evaluation.markup import Html, el, join
from memalpha.evaluation.plots import (
    ACCENT,
    GRID,
    INK,
    QUIET,
    SECOND,
    Plot,
    as_svg,
    figure_in_colours,
    moving_mean,
    series,
    window_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (ACCENT, SECOND, QUIET, INK)
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One metric over the steps."""

    metric: str
    title: str
    unit: str
    points: bool = False
    """Single measurements, which no mean is taken of."""


PANELS = (
    Panel(metric="correctness", title="Score in training", unit="mean score, 0 to 1"),
    Panel(metric="validation_score", title="Validation", unit="mean score, 0 to 1", points=True),
    Panel(metric="memory_share", title="Memory kept", unit="share of the raw text"),
    Panel(metric="correctness_spread", title="Spread within a group", unit="standard deviation of r1"),
    Panel(metric="write_rate", title="Chunks written", unit="share of chunks"),
    Panel(metric="valid_share", title="Valid calls", unit="share of calls"),
    Panel(metric="surprise_nats", title="Surprise", unit="nats / token"),
    Panel(metric="mismatch_nats", title="Sampler against trainer", unit="nats / token"),
    Panel(metric="gradient_norm", title="Gradient", unit="norm before the cut"),
    Panel(metric="truncated_share", title="Cut completions", unit="share of completions"),
    Panel(metric="sampled_tokens_per_second", title="Throughput", unit="sampled tokens/s"),
)


def build_learning_page(title: str, groups: Sequence[Group], grids: Sequence[Grid], notes: Sequence[str]) -> str:
    """The whole page; raises `MissingExtraError` without matplotlib."""
    first, *others = grids
    sections = [(first.id, first.title, _table(first)), ("curves", "Curves", _curves(groups))]
    sections += [(grid.id, grid.title, _table(grid)) for grid in others]
    sections.append(("reading", "How to read it", el("ul", *(el("li", note) for note in notes))))
    parts = [
        el("section", el("h2", heading, id=f"{name}-title"), content, id=name, aria_labelledby=f"{name}-title")
        for name, heading, content in sections
    ]
    return fill(
        _template("report.html"),
        title=join(title),
        style=_template("report.css"),
        navigation=el("ul", *(el("li", el("a", heading, href=f"#{name}")) for name, heading, _ in sections)),
        content=Html("\n".join(parts)),
    )


def curve_plots(groups: Sequence[Group]) -> list[Plot]:
    """A panel for each metric that a run has: thin a run, bold the mean over the runs of a group."""
    plots = []
    for panel in PANELS:
        shown = [group for group in groups if any(series(run.metrics, panel.metric)[0] for run in group.runs)]
        if shown:
            with figure_in_colours(4.8, 2.9) as figure:
                axes = figure.subplots()
                told = [_draw(axes, panel, group, groups.index(group)) for group in shown]
                axes.set_ylabel(panel.unit)
                axes.set_xlabel("training step")
                axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
                if panel is PANELS[0] and len(groups) > 1:
                    axes.legend(loc="best", frameon=False, labelcolor=INK)
                caption = "; ".join(told) + "."
                plots.append(Plot(title=panel.title, caption=caption, svg=as_svg(figure, f"{panel.title}: {caption}")))
    return plots


def _draw(axes: Axes, panel: Panel, group: Group, number: int) -> str:
    """Draw one group; returns where its mean starts and ends, in words."""
    style: dict[str, Any] = {"color": _COLOURS[number % 4], "linestyle": _DASHES[number // 4 % 4]}
    smoothed: dict[float, list[float]] = {}
    for run in group.runs:
        steps, values = series(run.metrics, panel.metric)
        means = values if panel.points else moving_mean(values, window_of(len(values)))
        for step, mean in zip(steps, means, strict=True):
            smoothed.setdefault(step, []).append(mean)
        if not panel.points or len(group.runs) > 1:
            axes.plot(steps, values, linewidth=0.7, alpha=0.35, **style)
    steps = sorted(smoothed)
    middle = [float(np.mean(smoothed[step])) for step in steps]
    axes.plot(steps, middle, linewidth=2.2, marker="o" if panel.points else "", markersize=4, label=group.name, **style)
    first, last = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in (middle[0], middle[-1]))
    return f"{group.name} from {first} to {last}"


def _curves(groups: Sequence[Group]) -> Html:
    words = "Thin: each step of each run; bold: the moving mean, over the runs of a group."
    drawn = [
        el("figure", el("h3", plot.title), Html(plot.svg), el("figcaption", plot.caption), class_="plot")
        for plot in curve_plots(groups)
    ]
    return join(el("p", words, class_="lead"), el("div", *drawn, class_="plots wide"))


def _table(grid: Grid) -> Html:
    return join(el("p", grid.lead, class_="lead"), grid_html(grid) if grid.body else Html())


def _template(name: str) -> str:
    return (files("memalpha.evaluation") / "templates" / name).read_text(encoding="utf-8")
