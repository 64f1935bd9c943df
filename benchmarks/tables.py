"""Turns benchmarks/results/*.json into docs/results.md and its plots, and tables of README and docs/operations.md.

python benchmarks/tables.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from conversation_tables import SECTIONS as CONVERSATIONS
from load_tables import SECTIONS as LOAD
from page import COMPETENCIES, IMAGES, ROOT, finish, spread, table
from record import load
from speed_tables import gpu, learning, speed
from store_tables import search, store
from suite_tables import SECTIONS as SUITES

Row = dict[str, Any]


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    parts = [
        "# Results\n",
        "Every figure is made by a script; each section names it. "
        "Intervals are explained in [evaluate](evaluate.md).\n",
    ]
    for name, section in SECTIONS.items():
        found = load(name)
        if found:
            parts += [section(found["results"]), provenance(found)]
    (ROOT / "docs" / "results.md").write_text("\n".join(parts), encoding="utf-8")
    found = load("world")
    if found:
        into(ROOT / "README.md", "results", world_table(found["results"]))
    for name, section in OPERATIONS.items():
        found = load(name)
        if found:
            into(ROOT / "docs" / "operations.md", name, f"{section(found['results'])}\n{provenance(found)}")


def provenance(found: Row) -> str:
    machine = found["machine"]
    seeds = f" seeds {', '.join(map(str, found['seeds']))}," if found["seeds"] else ""
    return (
        f"Made at commit `{found['commit']}` by `{found['command']}`,{seeds} on "
        f"{machine['processor']} with {machine['cores']} cores ({machine['threads']} threads used), "
        f"torch {machine['torch']}.\n"
    )


def grouped(rows: Sequence[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def world_table(rows: Sequence[Row]) -> str:
    body = []
    for (name,), group in grouped(rows, "system").items():
        score = spread([row["score"] for row in group])
        if len(group) == 1:
            score += f" [{group[0]['low']:.3f}, {group[0]['high']:.3f}]"
        by = [spread([row["by_competency"][key] for row in group], ".2f").split(" ±")[0] for key in COMPETENCIES]
        body.append(
            [name, score, *by, f"{sum(row['memory_tokens'] for row in group) / len(group):.0f}",
             f"{sum(row['memory_share'] for row in group) / len(group):.0%}", group[0]["read_budget"]]
        )  # fmt: skip
    head = ["system", "score", *COMPETENCIES.values(), "memory tokens", "kept", "read for a question"]
    return table(head, body)


def world(rows: Sequence[Row]) -> str:
    groups = {name: group for (name,), group in grouped(rows, "system").items()}
    lines = ["## The world: before and after RL, against baselines\n", world_table(rows)]
    lines.append(
        "After RL is the demo's configuration of 40 steps, the shipped writer the same for 80 (seed 0). "
        "± is Student's 95% interval over the seeds of training; brackets are the bootstrap interval over episodes "
        f"of a system without training. {rows[0]['episodes']} test episodes, names and values never seen in training.\n"
    )
    for kind in ("sampled", "greedy"):
        before, after = groups.get(f"Warm start ({kind})"), groups.get(f"After RL ({kind})")
        if before and after and before[0]["score"] > 0:
            ratios = [row["score"] / before[0]["score"] for row in after]
            lines.append(f"- {kind}: trained ÷ warm start = {spread(ratios, '.2f')}.")
        elif before and after:
            lines.append(f"- {kind}: the warm start keeps nothing and answers nothing, so that there is no ratio.")
        if after and len(after) > 1:
            own = [f"{row['score']:.3f} (seed {row['seed']})" for row in after]
            lines.append(f"- {kind}, each seed: {', '.join(own)}.")
    after, rag = groups.get("After RL (greedy)"), groups.get("RAG-Top2")
    if after and rag:
        shares = [row["memory_tokens"] / rag[0]["memory_tokens"] for row in after]
        lines.append(f"- Memory of the trained writer (greedy) ÷ memory of RAG-Top2 = {spread(shares, '.2f')}.")
        seconds = [row["training_seconds"] for row in after if row.get("training_seconds", 0) > 60]
        if seconds:
            lines.append(f"- Training took {spread(seconds, '.0f')} s a seed.")
    return "\n".join(lines) + "\n"


def length(rows: Sequence[Row]) -> str:
    lines = [
        "## Length: trained on short episodes, scored on long ones\n",
        "After RL is the shipped writer, which learned for 80 steps (`configs/nano.toml`).\n",
    ]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    multiples = sorted({row["multiple"] for row in rows})
    cells = {(row["system"], row["multiple"]): row for row in rows}
    head = ["system", *[f"{multiple}× ({cells[systems[0], multiple]['tokens']:,} tokens)" for multiple in multiples]]
    body = []
    for system in systems:
        found = [cells.get((system, multiple)) for multiple in multiples]
        body.append([system, *[f"{row['score']:.3f}, {row['memory_share']:.0%} kept" if row else "" for row in found]])
    lines.append(table(head, body))
    writer = [cells[systems[0], multiple] for multiple in multiples]
    base = writer[0]["score"]
    lines += [
        f"- {row['multiple']}×: {row['score'] / base:.0%} of the score at 1×; {row['episodes']} episode(s) written and "
        f"read in {row['seconds']:.0f} s, peak {row['peak_mib']:.0f} MiB."
        for row in writer
    ]
    figure, axes = plt.subplots(figsize=(6, 3.2))
    for system in systems:
        points = [(cells[system, m]["tokens"], cells[system, m]["score"]) for m in multiples if (system, m) in cells]
        axes.plot(*zip(*points, strict=True), marker="o", label=system)
    axes.set(
        xscale="log", xlabel="episode length (tokens)", ylabel="score", ylim=(0, 1.02), title="Score against length"
    )
    return "\n".join(lines) + "\n\n" + finish(figure, axes, "length")


def runs(title: str, first: str, image: str, rows: Sequence[Row]) -> str:
    """Training runs side by side: where they end, how soon, and what they keep."""
    body = []
    groups = grouped(rows, "name")
    goal = 0.9 * max(sum(row["final_score"] for row in group) / len(group) for group in groups.values())
    for (name,), group in groups.items():
        body.append(
            [name, spread([row["final_score"] for row in group]), spread([row["validation_score"] for row in group]),
             spread([float(steps_to(0.9 * row["final_score"], row["curve"]) or 0) for row in group], ".1f"),
             ", ".join(str(steps_to(goal, row["curve"]) or "not reached") for row in group),
             spread([row["write_rate"] for row in group], ".2f"), spread([row["memory_share"] for row in group], ".2f")]
        )  # fmt: skip
    head = [
        first,
        "final training score",
        "validation score (greedy)",
        "steps to 90% of its own final",
        f"steps to {goal:.2f}, each seed",
        "write rate",
        "kept",
    ]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    for at, ((name,), group) in enumerate(groups.items()):
        for number, row in enumerate(group):
            label = name if number == 0 else None
            left.plot(range(1, len(row["curve"]) + 1), row["curve"], color=f"C{at}", alpha=0.8, label=label)
            right.plot(range(1, len(row["curve"]) + 1), row["memory_curve"], color=f"C{at}", alpha=0.8, label=label)
    left.set(xlabel="step", ylabel="score r1 (sampled)", title="Learning curves, one line a seed", ylim=(0, 1))
    right.set(xlabel="step", ylabel="share of the raw text kept", title="Memory", ylim=(0, 1))
    return (
        f"## {title}\n\n{table(head, body)}\n"
        "Same seeds, episodes and number of steps. Final is the mean of the last five steps; steps are counted by the "
        f"mean of three steps, {goal:.2f} is 90% of the best final.\n\n" + finish(figure, left, image)
    )


def steps_to(goal: float, curve: Sequence[float]) -> int | None:
    """After how many steps the mean of the last three is there; None where it never is."""
    means = [sum(curve[max(0, at - 2) : at + 1]) / len(curve[max(0, at - 2) : at + 1]) for at in range(len(curve))]
    return next((at + 1 for at, mean in enumerate(means) if mean >= goal), None)


def real_text(name: str, rows: Sequence[Row]) -> str:
    """Score against memory on the episodes of one data set."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    body = []
    series: dict[str, list[Row]] = {}
    for row in rows:
        title = row["system"].split(" ")[0] if row["system"][-1] == "%" else row["system"]
        series.setdefault(title, []).append(row)
    for title, found in series.items():
        cells = {share: [row for row in found if row["share"] == share] for share in (0.25, 0.5, 0.75, 1.0)}
        body.append([title, *map(score_and_share, cells.values())])
        points = [
            (sum(row["memory_share"] for row in each) / len(each), sum(row["score"] for row in each) / len(each))
            for each in cells.values() if each
        ]  # fmt: skip
        axes.plot(*zip(*points, strict=True), marker="o", label=title)
    axes.set(xlabel="share of the raw text kept", ylabel="score", title=f"{name}: score against memory")
    return (
        f"## Real text, {name}: score against memory\n\n"
        + table(["system", "25%", "50%", "75%", "100%"], body)
        + f"\nIn parentheses the share of the raw text that was kept. {rows[0]['episodes']} test episodes.\n\n"
        + finish(figure, axes, f"real-{name.lower()}")
    )


def score_and_share(rows: Sequence[Row]) -> str:
    """Score and, in parentheses, the share of the raw text that was kept; empty without rows."""
    if not rows:
        return ""
    share = sum(row["memory_share"] for row in rows) / len(rows)
    return f"{spread([row['score'] for row in rows])} ({share:.0%})"


def into(file: Path, mark: str, text: str) -> None:
    """Put a text between the marks of its name in a page."""
    before, _, rest = file.read_text(encoding="utf-8").partition(f"<!-- {mark} -->")
    _, _, after = rest.partition(f"<!-- {mark} end -->")
    file.write_text(f"{before}<!-- {mark} -->\n\n{text}\n<!-- {mark} end -->{after}", encoding="utf-8")


OPERATIONS: dict[str, Callable[[Any], str]] = {**LOAD, **CONVERSATIONS}
"""Result files of docs/operations.md."""

SECTIONS = {
    "world": world,
    "length": length,
    "estimators": partial(
        runs, "Credit assignment: the paper's pooled estimator against the default", "credit assignment", "estimators"
    ),
    "weights": partial(runs, "Weights of the reward: β for compression, γ for content", "weights", "weights"),
    "real_squad": partial(real_text, "SQuAD"),
    "real_hotpotqa": partial(real_text, "HotpotQA"),
    **SUITES,
    "search": search,
    "store": store,
    "speed": speed,
    "learning": learning,
    "gpu": gpu,
}
"""Result files in the order of the page."""


if __name__ == "__main__":
    main()
