"""The comparison of training runs: Markdown for a terminal, and report.html, report.md and report.json."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memalpha.errors import ConfigError
from memalpha.evaluation.grids import Grid, grid_markdown
from memalpha.evaluation.learning import (
    COMPARED,
    SHOWN,
    VALIDATED,
    WINDOW,
    Difference,
    Group,
    PastRun,
    differences,
    estimate,
    group_runs,
    last_values,
    settings_that_differ,
)
from memalpha.evaluation.standings import Estimate
from memalpha.writing import replace_file

TITLE = "Training runs"
NAMES = {
    "correctness": "Score in training",
    VALIDATED: "Validation",
    "memory_share": "Memory kept",
    "correctness_spread": "Spread",
    "write_rate": "Chunks written",
    "valid_share": "Valid calls",
    "surprise_nats": "Surprise",
    "gradient_norm": "Gradient",
}
"""Short titles of metrics, all of which docs/metrics.md explains."""
NOTES = (
    "Runs that differ in the seed and in what they ran on alone are one group. Its interval of 95% is Student's over "
    "the means of its seeds. The interval of a single run is drawn from its steps, as if one did not depend on "
    "another: it says how the run wavers, not how another seed would have gone.",
    "Differences are paired where two runs of the same seed saw the same episodes at the same step, as far as both "
    "have come; without pairs there is no p, and the interval is Welch's. p is two-sided, by sign flips of seeds, or "
    "of steps where there is one seed alone, raised by Holm's method for all differences; of n seeds or steps none can "
    "be below 2 / 2^n. With one seed it says whether these two runs differ, not whether their settings do.",
    "Hours are those of sampling and learning; validation and checkpoints come on top.",
)


def write_learning_report(folder: Path, runs: Sequence[PastRun], *, window: int = WINDOW) -> Path:
    """Write the three files; returns the page. Raises `OutputError`, and `MissingExtraError` without matplotlib."""
    from memalpha.evaluation.learning_pages import build_learning_page

    groups = group_runs(runs)
    found = grids(groups, window)
    page = build_learning_page(TITLE, groups, found, NOTES)
    replace_file(folder / "report.md", learning_markdown(runs, window=window))
    replace_file(folder / "report.json", learning_json(groups, window))
    replace_file(folder / "report.html", page)
    return folder / "report.html"


def learning_markdown(runs: Sequence[PastRun], *, window: int = WINDOW) -> str:
    """The whole comparison in Markdown; raises `ConfigError` without a run, or with one of a name twice."""
    if not runs:
        raise ConfigError("got no run to report on, expected one or more run folders, such as runs/demo")
    parts = [f"# {TITLE}"]
    for grid in grids(group_runs(runs), window):
        parts += grid_markdown(grid)
    parts += ["## How to read it", "\n".join(f"- {note}" for note in NOTES)]
    return "\n\n".join(parts) + "\n"


def learning_json(groups: Sequence[Group], window: int) -> str:
    """All numbers, those of every step among them."""
    data = {
        "window_steps": window,
        "groups": [
            {
                "name": group.name,
                "metrics": {name: _record(estimate(group, name, window)) for name in SHOWN},
                "runs": [
                    {
                        "name": run.name,
                        "settings": dict(run.settings),
                        "steps": run.steps,
                        "seconds": run.seconds,
                        "sampled_tokens_per_second": run.tokens_per_second,
                        "alarms": [{"step": step, "sentence": sentence} for step, sentence in run.alarms],
                        "metrics": [dict(row) for row in run.metrics],
                    }
                    for run in group.runs
                ],
            }
            for group in groups
        ],
        "differences": [
            asdict(each) | {"p": None if math.isnan(each.p) else each.p} for each in differences(groups, window)
        ],
    }
    return json.dumps(data, indent=2) + "\n"


def grids(groups: Sequence[Group], window: int) -> list[Grid]:
    """Every table, in order; those that would be empty are left out."""
    found = [grid for grid in (outcome_grid(groups, window), behaviour_grid(groups, window)) if len(grid.titles) > 1]
    found += [difference_grid(rows)] if (rows := differences(groups, window)) else []
    found += [settings_grid(groups)] if len(groups) > 1 else []
    found += [seed_grid(groups, window)] if any(len(group.runs) > 1 for group in groups) else []
    return [*found, speed_grid(groups), alarm_grid(groups)]


def outcome_grid(groups: Sequence[Group], window: int) -> Grid:
    """What each group came to."""
    return Grid(
        id="outcome",
        title="Where they stand",
        lead=f"Means over the last {window} steps, validation over those of its steps, with intervals of 95%.",
        titles=("Runs", *(NAMES[name] for name in _there(groups, COMPARED))),
        body=_estimates(groups, _there(groups, COMPARED), window),
    )


def behaviour_grid(groups: Sequence[Group], window: int) -> Grid:
    """How the policy of each group behaves."""
    names = _there(groups, SHOWN[len(COMPARED) :])
    return Grid(
        id="behaviour",
        title="How they behave",
        lead="Means over the same steps.",
        titles=("Runs", *(NAMES[name] for name in names)),
        body=_estimates(groups, names, window),
    )


def _there(groups: Sequence[Group], names: Sequence[str]) -> list[str]:
    """Those of the metrics that a run has."""
    rows = [row for group in groups for run in group.runs for row in run.metrics]
    return [name for name in names if any(name in row for row in rows)]


def _estimates(groups: Sequence[Group], names: Sequence[str], window: int) -> tuple[tuple[str, ...], ...]:
    return tuple((group.name, *(interval_text(estimate(group, name, window)) for name in names)) for group in groups)


def difference_grid(rows: Sequence[Difference]) -> Grid:
    """How groups differ from the first."""
    body = tuple(
        (each.group, NAMES[each.metric], interval_text(each.difference, "+"), _p(each.p), each.pairs) for each in rows
    )
    surely = frozenset((at, 2) for at, each in enumerate(rows) if each.sure)
    return Grid(
        id="differences",
        title=f"Against {rows[0].against}",
        lead="The difference of the means, with its interval of 95%; in bold where that leaves out zero and p, where "
        "there is one, is below 0.05.",
        titles=("Runs", "Of", "Difference", "p", "Pairs"),
        body=body,
        bold=surely,
        numbers=(False, False, True, True, False),
    )


def settings_grid(groups: Sequence[Group]) -> Grid:
    """The settings that are not the same in all groups."""
    different = settings_that_differ(groups)
    return Grid(
        id="settings",
        title="Settings that differ",
        lead="All others are the same in all runs, seeds aside." if different else "None, seeds aside.",
        titles=("Setting", *(group.name for group in groups)),
        body=tuple((key, *(setting_text(value) for value in values)) for key, values in different.items()),
        numbers=(False,) * (1 + len(groups)),
    )


def seed_grid(groups: Sequence[Group], window: int) -> Grid:
    """Each run of the groups of several."""
    body = []
    for group in groups:
        for run in group.runs if len(group.runs) > 1 else ():
            means = []
            for name in COMPARED:
                values = list(last_values(run, name, window).values())
                means.append(f"{sum(values) / len(values):.3f}" if values else "–")
            body.append((run.name, str(run.settings["run.seed"]), *means))
    return Grid(
        id="seeds",
        title="Seed by seed",
        lead=f"Means over the last {window} steps of each run.",
        titles=("Run", "Seed", *(NAMES[name] for name in COMPARED)),
        body=tuple(body),
    )


def speed_grid(groups: Sequence[Group]) -> Grid:
    """How far each run has come, and how quickly."""
    body = []
    for run in (run for group in groups for run in group.runs):
        wanted = int(run.settings.get("run.steps", run.steps))
        body.append(
            (
                run.name,
                f"{run.steps}" if run.steps >= wanted else f"{run.steps} of {wanted}",
                f"{run.seconds / 3600:.2f}",
                f"{run.seconds / len(run.metrics):.1f}",
                f"{run.tokens_per_second:,.0f}",
                f"{setting_text(run.settings.get('engine.device', '–'))}",
            )
        )
    return Grid(
        id="speed",
        title="How quickly",
        lead="",
        titles=("Run", "Steps", "Hours", "Seconds a step", "Sampled tokens/s", "Device"),
        body=tuple(body),
    )


def alarm_grid(groups: Sequence[Group]) -> Grid:
    """What went wrong, when, and what to do."""
    body = tuple(
        (run.name, str(step), sentence) for group in groups for run in group.runs for step, sentence in run.alarms
    )
    return Grid(
        id="alarms",
        title="Alarms",
        lead="Each at the step at which it began." if body else "None of the runs raised one.",
        titles=("Run", "Step", "What is wrong, and what mends it"),
        body=body,
        numbers=(False, True, False),
    )


def interval_text(each: Estimate | None, sign: str = "") -> str:
    """A mean with its interval; `sign` is "+" for differences."""
    return "–" if each is None else f"{each.score:{sign}.3f} [{each.low:{sign}.3f}, {each.high:{sign}.3f}]"


def _p(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _record(each: Estimate | None) -> dict[str, float] | None:
    return None if each is None else asdict(each)


def setting_text(value: Any) -> str:
    """A setting as it is written in a sentence."""
    return value if isinstance(value, str) and value else json.dumps(value)
