"""The sections of docs/results.md on suites, from what suites.py found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from page import COMPETENCIES, finish, spread, table

Findings = Mapping[str, Any]
REAL = "Mem-α, real text"


def main_section(found: Findings) -> str:
    """Every system on every suite, by competency and one by one."""
    episodes = sum(board["episodes"] for board in found["boards"])
    questions = sum(board["questions"] for board in found["boards"])
    parts = [
        "## Suites: every system on real data and the world\n",
        f"{len(found['boards'])} suites, {episodes} streams, {questions:,} questions, the same reader for all. "
        f"Run in {found['seconds'] / 60:.0f} minutes, peak {found['peak_mib']:,.0f} MiB. Brackets are intervals of 95% "
        "over episodes and their questions; each suite counts once.\n",
        _overall(found),
        _matrix(found),
        _differences(found, "RAG-Top2"),
        _seeds(found),
    ]
    return "\n".join(part for part in parts if part)


def length_section(found: Findings) -> str:
    """Score, time and memory against the length of the stream."""
    boards = found["boards"]
    names = [row["system"] for row in boards[0]["rows"]]
    head = ["system", *[f"{board['raw_tokens']:,.0f} tokens" for board in boards]]
    cells = {(row["system"], at): row for at, board in enumerate(boards) for row in board["rows"]}
    body = [[name, *[_length_cell(cells[name, at]) for at in range(len(boards))]] for name in names]
    cost = [
        [
            name,
            *[
                f"{cells[name, at]['seconds'] - cells[name, at]['read_seconds']:.0f} s, "
                f"{1000 * cells[name, at]['read_seconds'] / boards[at]['questions']:.1f} ms, "
                f"{cells[name, at]['read_tokens']:,.0f}"
                for at in range(len(boards))
            ],
        ]
        for name in names
    ]
    figure, axes = plt.subplots(figsize=(6, 3.2))
    for name in names:
        points = [(board["raw_tokens"], cells[name, at]["score"]) for at, board in enumerate(boards)]
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", xlabel="length of the stream (tokens)", ylabel="score", ylim=(0, 1), title="long-squad")
    return "\n".join(
        [
            "## Length on real text: long-squad\n",
            "Score with its interval over questions, and the share of the stream that is kept.\n",
            table(head, body),
            "Writing the stream, answering one question, tokens read for one question:\n",
            table(head, cost),
            f"All of it in {found['seconds']:.0f} s, peak {found['peak_mib']:,.0f} MiB.\n",
            finish(figure, axes, "suites-length"),
        ]
    )


def parts_section(found: Findings) -> str:
    """The writer with parts of its memory off, and before training."""
    return "\n".join(
        [
            "## Parts: the writer without them\n",
            "What a writer puts into a part that is not there is refused and lost. Brackets as above.\n",
            _matrix(found, intervals=True),
            _differences(found, "Mem-α"),
        ]
    )


def _overall(found: Findings) -> str:
    rows = found["overall"]
    best = {key: max(row["by_competency"][key]["score"] for row in rows) for key in COMPETENCIES}
    top = max(row["mean"]["score"] for row in rows)
    body = [
        [
            row["system"],
            _estimate(row["mean"], top),
            *[_estimate(row["by_competency"][key], best[key]) for key in COMPETENCIES],
            f"{row['memory_share']:.0%}",
        ]
        for row in rows
    ]
    return table(["system", "all suites", *COMPETENCIES.values(), "kept"], body)


def _matrix(found: Findings, *, intervals: bool = False) -> str:
    """Score and share kept of each system on each suite."""
    boards = found["boards"]
    names = [row["system"] for row in boards[0]["rows"]]
    cells = {(row["system"], board["suite"]): row for board in boards for row in board["rows"]}

    def cell(row: Mapping[str, Any]) -> str:
        bounds = f" [{row['low']:.2f}, {row['high']:.2f}]" if intervals else ""
        return f"{row['score']:.2f}{bounds} ({row['memory_share']:.0%})"

    body = [[name, *[cell(cells[name, board["suite"]]) for board in boards]] for name in names]
    text = table(["system", *[f"`{board['suite']}`" for board in boards]], body)
    return text + "\nIn parentheses the share of the stream that is kept.\n"


def _differences(found: Findings, against: str) -> str:
    rows = [row for row in found["contrasts"] if row["against"] == against]
    if not rows:
        return ""
    body = [
        [
            row["system"],
            f"{row['difference']['score']:+.3f} [{row['difference']['low']:+.3f}, {row['difference']['high']:+.3f}]",
            f"{row['p']:.3f}" if row["p"] >= 0.001 else "below 0.001",
        ]
        for row in rows
    ]
    return f"Difference to {against}, of the same questions; p by sign flips of streams, raised by Holm:\n\n" + table(
        ["system", "difference", "p"], body
    )


def _seeds(found: Findings) -> str:
    """Means over the writers of several seeds, with Student's interval."""
    rows = [row for row in found["overall"] if row["system"].startswith(REAL)]
    if len(rows) < 2:
        return ""
    each = {"all suites": [row["mean"]["score"] for row in rows]}
    for key, name in COMPETENCIES.items():
        each[name] = [row["by_competency"][key]["score"] for row in rows]
    listed = ", ".join(f"{name} {spread(values)}" for name, values in each.items())
    return f"{REAL}, over {len(rows)} seeds of training: {listed}.\n"


def _estimate(cell: Mapping[str, float], best: float) -> str:
    text = f"{cell['score']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"
    return f"**{text}**" if cell["score"] == best else text


def _length_cell(row: Mapping[str, Any]) -> str:
    return f"{row['score']:.2f} [{row['low']:.2f}, {row['high']:.2f}] ({row['memory_share']:.0%})"


SECTIONS: Mapping[str, Any] = {
    "suites_main": main_section,
    "suites_length": length_section,
    "suites_parts": parts_section,
}
"""By the names of their result files."""
