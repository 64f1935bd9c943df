"""The sections of docs/results.md about the store: what its search finds, and how fast it is beside mem0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from page import table

Row = dict[str, Any]
SETS = ("beam", "squad", "hotpotqa")
NAMES = {
    "VECTOR_SHARE": "share of the vectors",
    "OTHER_FORM": "another form of a word counts",
    "DEPTH": "depth of each list",
    "RECENCY": "most for newness",
}


def search(results: Row) -> str:
    rows, grid, chosen = results["rows"], results["grid"], results["chosen"]
    embedders = list(dict.fromkeys(row["embedder"] for row in rows))
    body = []
    for system in dict.fromkeys(row["system"] for row in rows):
        for embedder in embedders:
            cells = {row["part"]: row for row in rows if (row["embedder"], row["system"]) == (embedder, system)}
            without = "without" in system or "Okapi" in system
            if without and embedder != embedders[0]:
                continue
            test = cells["test"]
            body.append(
                [system, "" if without else embedder, *(f"{test['recall'][name]:.3f}" for name in SETS),
                 f"{test['mean']:.3f}", f"{cells['validation']['mean']:.3f}"]
            )  # fmt: skip
    asked = next(row for row in rows if row["part"] == "test")["questions"]
    lines = [
        "## Search: BM25, vectors and recency, fused\n",
        table(["search", "vectors of", "BEAM", "SQuAD", "HotpotQA", "mean", "mean on validation"], body),
        "Share of the answering entries among the ten that are found, an entry a sentence, on files that nothing was "
        f"chosen on ({', '.join(f'{asked[name]} questions' for name in SETS)}). Weights were chosen on the other "
        "files, the same ones for both embedders:\n",
        table(
            ["setting", *(f"{name}, mean on validation" for name in embedders)],
            [
                [f"{NAMES[constant]} {value:g}" + (" (chosen)" if value == chosen[constant] else ""),
                 *(f"{cell(grid, name, constant, value)['mean']:.3f}" for name in embedders)]
                for constant, value in dict.fromkeys((row["constant"], row["value"]) for row in grid)
            ],
        ),
    ]  # fmt: skip
    updates = {name: cell(grid, name, "RECENCY", chosen["RECENCY"]) for name in embedders}
    none = {name: cell(grid, name, "RECENCY", 0.0) for name in embedders}
    told = " and ".join(
        f"{found['newer_first']} of {found['updates']} ({none[name]['newer_first']} without it) with {name}"
        for name, found in updates.items()
    )
    lines.append(
        f"- Newness is a choice, not a finding: an updated fact stands before the old one in {told}, too few questions "
        "to tell. It is the largest weight tried that costs next to no recall.\n"
    )
    for row in rows:
        if "strangers" in row and row["part"] == "test":
            lines.append(
                f"- {row['embedder']}: unrelated sentences have cosines up to {row['noise']:.2f}, below which nothing "
                f"is near. Of SQuAD's questions put to a chat, {1 - row['strangers']:.0%} find nothing by vectors.\n"
            )
    return "\n".join(lines)


def cell(grid: Sequence[Row], embedder: str, constant: str, value: float) -> Row:
    key = (embedder, constant, value)
    return next(row for row in grid if (row["embedder"], row["constant"], row["value"]) == key)


def store(rows: Sequence[Row]) -> str:
    lines = ["## Speed of the store beside mem0\n"]
    for row in sorted(rows, key=lambda each: (each["entries"], each.get("alone", False))):
        seconds = row["seconds"]
        body = []
        for name, taken in seconds.items():
            peer = seconds.get(name.split(":")[0] + ": mem0")
            ratio = "" if peer is None or peer is taken else f"{peer['p95'] / taken['p95']:.1f}"
            own = f"{1000 * taken['processor_p95']:.1f}" if "processor_p95" in taken else ""
            body.append([name, f"{1000 * taken['p50']:.1f}", f"{1000 * taken['p95']:.1f}", ratio, own])
        look = row["first_look_seconds"]
        lines += [
            f"### {row['entries']:,} entries of one user{', without mem0' if row.get('alone') else ''}\n",
            table(["call", "p50 (ms)", "p95 (ms)", "mem0 takes times as long (p95)", "processor time p95 (ms)"], body),
            f"{row['rounds']} rounds in turns, at commit `{row['commit']}`. Filling took "
            + ", ".join(f"{taken:.0f} s ({name})" for name, taken in row["fill_seconds"].items())
            + f". From opening the file to the first result: {look['wall']:.1f} s, {look['processor']:.1f} s of them "
            "processor time.\n",
        ]
    lines.append(
        "Durable adds of raw texts and searches for ten, on a machine with other work, so that ratios say more than "
        "milliseconds; processor time is that of the same calls. Both sides use the same hashed vectors of 384 "
        "numbers, which cost next to nothing; with a neural encoder both would wait for it as well. mem0 is its own "
        "package with its local vector store and history on disk, without its optional packages, filled through its "
        "vector store.\n"
    )
    return "\n".join(lines)
