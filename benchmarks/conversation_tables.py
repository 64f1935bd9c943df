"""The sections of docs/operations.md about the default writer: real conversations, and everyday messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from page import table

from memalpha.evaluation.statistics import interval, mean_of, resampled_means

Row = dict[str, Any]
Found = dict[str, Any]
MEASURES: dict[str, Callable[[Found], float]] = {
    "stored": lambda found: found["stored"],
    "first 10": lambda found: found["first"][0],
    "first 20": lambda found: found["first"][1],
    "in 800 tokens": lambda found: found["context"],
}


def conversations(rows: Sequence[Row]) -> str:
    """What each system keeps of the chats, and how much of what is asked for is found."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    body = []
    for system in systems:
        own = [row for row in rows if row["system"] == system]
        cells = [share(own, measure) for measure in MEASURES.values()]
        kept = np.mean([row["kept_tokens"] / row["read_tokens"] for row in own])
        body.append([system, f"{kept:.1%}", *cells, milliseconds(own, "p50_ms"), milliseconds(own, "p95_ms")])
    head = ["system", "kept", *MEASURES, "a message, p50 ms", "p95 ms"]
    chats = {row["chat"]: len(row["found"]) for row in rows}
    by_kind = kinds(rows, [system for system in systems if ": " not in system])
    return (
        table(head, body)
        + f"\n{sum(chats.values())} statements of {len(chats)} chats. Kept is in tokens, of those of the messages; "
        "brackets are the bootstrap interval over chats and their statements; random lines are means of three draws. "
        "Milliseconds are of one core.\n\n" + by_kind
    )


def share(
    rows: Sequence[Row], measure: Callable[[Found], float], keep: Callable[[Found], bool] = lambda _: True
) -> str:
    """The mean over chats with its interval; seeds are averaged statement by statement."""
    by_chat: dict[str, list[list[float]]] = {}
    for row in rows:
        scores = [float(measure(found)) for found in row["found"] if keep(found)]
        if scores:
            by_chat.setdefault(row["chat"], []).append(scores)
    scores_EQ = [np.mean(np.array(each), axis=0) for each in by_chat.values()]
    low, high = interval(resampled_means(scores_EQ))
    return f"{mean_of(scores_EQ):.2f} [{low:.2f}, {high:.2f}]"


def milliseconds(rows: Sequence[Row], key: str) -> str:
    values = [row[key] for row in rows if row[key] is not None]
    return f"{np.mean(values):.0f}" if values else ""


def kinds(rows: Sequence[Row], systems: Sequence[str]) -> str:
    """Among the first 20, by what the question asks and by who said the statement."""
    found = [each for row in rows if row["system"] == systems[0] for each in row["found"]]
    groups = [(each["kind"], "kind") for each in found] + [(each["role"], "role") for each in found]
    body = []
    for value, key in sorted(set(groups), key=lambda group: (group[1], group[0])):

        def keep(each: Found, key: str = key, value: str = value) -> bool:
            return bool(each[key] == value)

        cells = [
            share([row for row in rows if row["system"] == system], MEASURES["first 20"], keep).split(" [")[0]
            for system in systems
        ]
        name = f"said by the {value}" if key == "role" else value.replace("_", " ")
        body.append([name, str(sum(map(keep, found))), *cells])
    return f"Found among the first 20, by kind of question:\n\n{table(['kind', 'statements', *systems], body)}"


def everyday(rows: Sequence[Row]) -> str:
    """How often a writer does what anyone would expect."""
    writers = list(dict.fromkeys(row["writer"] for row in rows))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    cells = {(row["writer"], row["group"]): f"{row['hits']} of {row['of']}" for row in rows}
    missed = [
        f"- {row['writer']}, {row['group']}: " + "; ".join(f"“{' '.join(said.split())}”" for said in row["missed"])
        for row in rows
        if row["missed"]
    ]
    body = [[writer, *(cells[writer, group] for group in groups)] for writer in writers]
    return table(["writer", *groups], body) + "\nMissed:\n\n" + "\n".join(missed) + "\n"


SECTIONS = {"conversations": conversations, "everyday_messages": everyday}
