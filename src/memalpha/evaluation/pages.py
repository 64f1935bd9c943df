"""The report as one page: headline, table of systems, plots, one episode; no script and nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from memalpha.agent.prompting import fill
from memalpha.evaluation.findings import Claim, Findings, find_pairs
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.markup import Html, el, join
from memalpha.evaluation.plots import Plot, learning_plots, score_plots, window_of
from memalpha.evaluation.replay import replay
from memalpha.evaluation.tables import COLUMNS, Cell, table_cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page, with its place in the list of parts."""

    id: str
    title: str
    content: Html


def build_page(findings: Findings) -> str:
    """The whole page; raises `ConfigError` without systems to compare."""
    rows = findings.rows
    sections = [
        Section(id="result", title="Result", content=join(_tiles(findings.claims), _facts(findings.facts))),
        Section(id="systems", title="All systems", content=_systems(rows)),
        Section(id="learning", title="Learning", content=_learning(findings.metrics)),
        Section(id="competencies", title="What it is good at", content=_competencies(rows)),
        Section(id="episode", title="One episode, chunk by chunk", content=replay(findings.before, findings.after)),
    ]
    links = [el("li", el("a", each.title, href=f"#{each.id}")) for each in sections]
    parts = [
        el(
            "section",
            el("h2", each.title, id=f"{each.id}-title"),
            each.content,
            id=each.id,
            aria_labelledby=f"{each.id}-title",
        )
        for each in sections
    ]
    return fill(
        _template("report.html"),
        title=join(findings.title),
        style=_template("report.css"),
        navigation=el("ul", *links),
        content=Html("\n".join(parts)),
    )


def _template(name: str) -> str:
    return (files("memalpha.evaluation") / "templates" / name).read_text(encoding="utf-8")


def _tiles(claims: Sequence[Claim]) -> Html:
    tiles = [
        el(
            "div",
            el("h3", claim.title),
            el("p", claim.figure, class_="figure"),
            el("p", claim.note, class_="note"),
            el("p", claim.sentence),
            class_="tile",
        )
        for claim in claims
    ]
    return el("div", *tiles, class_="tiles")


def _facts(facts: Mapping[str, str]) -> Html:
    if not facts:
        return Html()
    rows = [el("tr", el("th", name, scope="row"), el("td", value)) for name, value in facts.items()]
    return el(
        "details",
        el("summary", "How it was made ", el("span", "commit, machine, command")),
        el("table", el("caption", "How it was made", class_="hidden"), el("tbody", *rows), class_="facts"),
        open="",
    )


def _systems(rows: Sequence[SystemScore]) -> Html:
    pairs = find_pairs(rows)
    kinds = {before.system: "before" for before, _ in pairs} | {after.system: "after" for _, after in pairs}
    head = [el("th", column.title, scope="col", class_="number" if column.number else None) for column in COLUMNS]
    body = []
    for row, cells in zip(rows, table_cells(rows), strict=True):
        name, *rest = [_cell(cell) for cell in cells]
        data = [
            el("td", text, class_="number" if column.number else None)
            for text, column in zip(rest, COLUMNS[1:], strict=True)
        ]
        body.append(el("tr", el("th", name, scope="row"), *data, class_=kinds.get(row.system, "baseline")))
    legend = [
        part for column in COLUMNS if column.meaning for part in (el("dt", column.title), el("dd", column.meaning))
    ]
    table = el(
        "table",
        el("caption", "Scores, memory and reading of all systems", class_="hidden"),
        el("thead", el("tr", *head)),
        el("tbody", *body),
        class_="systems",
    )
    return join(
        el("p", _asked(rows) + " The best of each column is in bold.", class_="lead"),
        el("div", table, class_="scroll card", tabindex="0", role="region", aria_label="Table of systems"),
        el("dl", *legend, class_="legend"),
    )


def _cell(cell: Cell) -> Html:
    """The text, bold where it is the best; an interval stands under its number."""
    text, bracket, interval = cell.text.partition(" [")
    number = el("strong", text) if cell.best else join(text)
    return join(number, el("span", "[" + interval, class_="small")) if bracket else number


def _asked(rows: Sequence[SystemScore]) -> str:
    episodes = sorted({row.episodes for row in rows})
    if len(episodes) > 1:
        return f"Systems were asked on {episodes[0]} to {episodes[-1]} episodes."
    return f"Every system was asked on the same {episodes[0]} episodes." if episodes[0] > 1 else "On one episode."


def _learning(metrics: Sequence[Mapping[str, Any]]) -> Html:
    plots = learning_plots(metrics)
    if not plots:
        return el("p", "No training steps were recorded for this run.", class_="lead")
    steps = window_of(len(metrics))
    mean = f"the mean of the last {steps} steps" if steps > 1 else "the same, as there are few steps"
    return join(
        el("p", f"{len(metrics)} training steps. Thin: each step; bold: {mean}.", class_="lead"),
        _figures(plots, wide=True),
    )


def _competencies(rows: Sequence[SystemScore]) -> Html:
    words = "Blue is the writer after training, orange before it, grey the baselines; each bar has its number."
    return join(el("p", words, class_="lead"), _figures(score_plots(rows)))


def _figures(plots: Sequence[Plot], *, wide: bool = False) -> Html:
    return el(
        "div",
        *(
            el(
                "figure",
                el("h3", plot.title),
                Html(plot.svg),
                *([el("figcaption", plot.caption)] if plot.caption else []),
                class_="plot",
            )
            for plot in plots
        ),
        class_="plots wide" if wide else "plots",
    )
