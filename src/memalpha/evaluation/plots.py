"""Small plots as inline SVG whose colours are those of the page, so that they follow light and dark.

matplotlib draws with stand-in colours, each of which is then replaced by a CSS variable of the page's style. Text stays
text. matplotlib is part of the `train` extra and imported late.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memalpha.errors import MissingExtraError
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.marks import visible
from memalpha.evaluation.tables import AFTER, BEFORE, title_of
from memalpha.records import Competency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Metrics = Sequence[Mapping[str, Any]]

INK, GRID, ACCENT, SECOND, QUIET = "#24292f", "#d8dee4", "#0a58ca", "#b3500b", "#8c959f"
VARIABLES = {INK: "--ink", GRID: "--grid", ACCENT: "--accent", SECOND: "--second", QUIET: "--quiet"}
"""What the stand-in colours become; the page's style defines the variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One picture with the words that stand under it."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line of a panel."""

    metric: str
    label: str
    colour: str
    points: bool = False
    """Single measurements: shown as points, without a mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One pair of axes."""

    unit: str
    """Label of the vertical axis."""
    curves: tuple[Curve, ...]
    percent: bool = False


PANELS: tuple[tuple[str, tuple[Scale, ...]], ...] = (
    (
        "Score",
        (
            Scale(
                unit="mean score, 0 to 1",
                curves=(
                    Curve(metric="correctness", label="training", colour=ACCENT),
                    Curve(metric="validation_score", label="validation, greedy", colour=SECOND, points=True),
                ),
            ),
        ),
    ),
    (
        "Memory kept",
        (
            Scale(
                unit="% of the raw text",
                curves=(
                    Curve(metric="memory_share", label="training", colour=ACCENT),
                    Curve(metric="validation_memory_share", label="validation, greedy", colour=SECOND, points=True),
                ),
                percent=True,
            ),
        ),
    ),
    (
        "Calls",
        (
            Scale(unit="calls / chunk", curves=(Curve(metric="calls_per_chunk", label="calls", colour=ACCENT),)),
            Scale(
                unit="% of chunks written",
                curves=(Curve(metric="write_rate", label="chunks with a call", colour=SECOND),),
                percent=True,
            ),
        ),
    ),
    (
        "Valid calls and surprise",
        (
            Scale(
                unit="% valid",
                curves=(Curve(metric="valid_share", label="valid calls", colour=ACCENT),),
                percent=True,
            ),
            Scale(unit="nats / token", curves=(Curve(metric="surprise_nats", label="surprise", colour=SECOND),)),
        ),
    ),
)


def learning_plots(metrics: Metrics) -> list[Plot]:
    """A panel for each of `PANELS` that `metrics` has numbers for: raw values thin, the moving mean bold."""
    plots = []
    for title, scales in PANELS:
        drawn = [scale for scale in scales if any(series(metrics, curve.metric)[0] for curve in scale.curves)]
        if drawn:
            caption = "; ".join(
                _told(metrics, curve, scale) for scale in drawn for curve in scale.curves if _has(metrics, curve)
            )
            with figure_in_colours(4.8, 2.9) as figure:
                grid = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)
                for axes, scale in zip(grid[:, 0], drawn, strict=True):
                    _draw_scale(axes, metrics, scale)
                grid[-1, 0].set_xlabel("training step")
                plots.append(
                    Plot(
                        title=title,
                        caption=caption[0].upper() + caption[1:] + ".",
                        svg=as_svg(figure, f"{title}: {caption}"),
                    )
                )
    return plots


def score_plots(rows: Sequence[SystemScore]) -> list[Plot]:
    """Bars of every system: over all questions with the interval, then for each competency that was asked."""
    overall = {row.system: row.score for row in rows}
    spans = [(row.low, row.high) for row in rows]
    plots = [_bars("All questions", "Whiskers are the 95% intervals.", overall, spans)]
    for competency in Competency:
        values = {row.system: row.by_competency[competency] for row in rows if competency in row.by_competency}
        if values:
            plots.append(_bars(title_of(competency), "", values, None))
    return plots


def series(metrics: Metrics, name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one metric, where it is there and finite."""
    found = [(float(row["step"]), float(row[name])) for row in metrics if _finite(row.get(name))]
    return [step for step, _ in found], [value for _, value in found]


def moving_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of each value and the window - 1 before it; of fewer at the start."""
    means = []
    for at in range(len(values)):
        part = values[max(0, at + 1 - window) : at + 1]
        means.append(sum(part) / len(part))
    return means


def window_of(count: int) -> int:
    """How many steps the moving mean of so many values takes: a tenth, from 1 to 20."""
    return min(20, max(1, round(count / 10)))


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _has(metrics: Metrics, curve: Curve) -> bool:
    return bool(series(metrics, curve.metric)[0])


def _told(metrics: Metrics, curve: Curve, scale: Scale) -> str:
    """Where a curve starts and ends, in words."""
    _, values = series(metrics, curve.metric)
    means = values if curve.points else moving_mean(values, window_of(len(values)))
    first = means[0] if curve.points else means[min(len(means), window_of(len(values))) - 1]
    form = ".0%" if scale.percent else ".3g"
    return f"{curve.label} from {first:{form}} to {means[-1]:{form}}"


def _draw_scale(axes: Axes, metrics: Metrics, scale: Scale) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    shown = [curve for curve in scale.curves if _has(metrics, curve)]
    for curve in shown:
        steps, values = series(metrics, curve.metric)
        if curve.points:
            axes.plot(steps, values, color=curve.colour, marker="o", markersize=4.5, linewidth=1.2, label=curve.label)
        else:
            axes.plot(steps, values, color=curve.colour, linewidth=0.8, alpha=0.45)
            mean = moving_mean(values, window_of(len(values)))
            axes.plot(steps, mean, color=curve.colour, linewidth=2.2, label=curve.label)
    axes.set_ylabel(scale.unit)
    axes.margins(x=0.02, y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    if scale.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=0, symbol=""))
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    if len(shown) > 1:
        axes.legend(loc="best", frameon=False, labelcolor=INK)


def _bars(title: str, note: str, values: Mapping[str, float], spans: Sequence[tuple[float, float]] | None) -> Plot:
    """Horizontal bars, the writers in colour, each with its number."""
    names, numbers = [visible(name) for name in values], list(values.values())
    told = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    with figure_in_colours(3.5, 0.7 + 0.27 * len(names)) as figure:
        axes = figure.subplots()
        places = range(len(names))
        axes.barh(places, numbers, height=0.68, color=[_colour(name) for name in names])
        tops = [high for _, high in spans] if spans else numbers
        if spans:
            below = [max(0.0, value - low) for value, (low, _) in zip(numbers, spans, strict=True)]
            above = [max(0.0, high - value) for value, (_, high) in zip(numbers, spans, strict=True)]
            axes.errorbar(numbers, places, xerr=[below, above], fmt="none", color=INK, elinewidth=1.1, capsize=2.5)
        for place, value, top in zip(places, numbers, tops, strict=True):
            axes.text(top + 0.015, place, f"{value:.2f}", va="center", ha="left", color=INK)
        axes.set_yticks(places, names)
        axes.set_xlim(0, 1.1)
        axes.set_xticks([0, 0.5, 1])
        axes.set_xlabel("mean score, 0 to 1")
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        return Plot(title=title, caption=note, svg=as_svg(figure, f"{title}: {told}"))


def _colour(system: str) -> str:
    if system.startswith(AFTER):
        return ACCENT
    return SECOND if system.startswith(BEFORE) else QUIET


@contextmanager
def figure_in_colours(width: float, height: float) -> Iterator[Figure]:
    """A figure in the page's colours; raises `MissingExtraError`."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "the plots of a report need matplotlib, which is not installed; run: pip install 'memalpha[train]'"
        ) from error
    settings: Any = {  # keyed by `str` in some versions of matplotlib, by a list of names in others
        "text.color": INK,
        "text.parse_math": False,  # a system may be called "$x$"
        "axes.labelcolor": INK,
        "axes.edgecolor": GRID,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "font.size": 9,
        "svg.fonttype": "none",
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
    }
    with rc_context(settings):
        yield Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: Figure, description: str) -> str:
    """The figure as an element of a page: one root, variables for colours, no ids that a second plot could repeat."""
    from html import escape

    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.hashsalt": description}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text)
    opening = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(visible(description))}">'
    return re.sub(r"\n\s*", "\n", opening + text[text.index(">") + 1 :])
