"""What the sections of docs/results.md share: tables, plots, means over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

plt.switch_backend("svg")
plt.rcParams["svg.hashsalt"] = "memalpha"  # the same figure is the same file

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Student's t for a 95% interval of the mean over n seeds."""
COMPETENCIES = {
    "accurate_retrieval": "retrieval",
    "test_time_learning": "learning",
    "long_range_understanding": "long range",
    "conflict_resolution": "conflict",
}


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half of Student's 95% interval over seeds."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, float("nan")
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, T_95.get(len(values), 2.0) * deviation / math.sqrt(len(values))


def spread(values: Sequence[float], form: str = ".3f") -> str:
    mean, half = mean_and_half_width(values)
    return format(mean, form) if math.isnan(half) else f"{mean:{form}} ± {half:{form}}"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in body)]) + "\n"


def finish(figure: Any, axes: Any, name: str) -> str:
    axes.legend(fontsize=8)
    for each in figure.axes:
        each.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
    return f"![{name}](images/{name}.svg)\n"
