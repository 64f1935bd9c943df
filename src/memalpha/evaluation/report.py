"""The report of a run: one page that needs nothing else, the same tables in Markdown, and all numbers in JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from memalpha.episode import Trace
from memalpha.errors import EpisodeError, OutputError
from memalpha.evaluation.findings import Findings
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.marks import Fate, mark_answers, mark_chunks
from memalpha.evaluation.pages import build_page
from memalpha.evaluation.replay import SIDES
from memalpha.evaluation.tables import COLUMNS, escape_markdown, markdown_lines, markdown_table
from memalpha.evaluation.terminal import rich_table, show_trace

__all__ = ["markdown_table", "rich_table", "show_trace", "write_report"]

LISTED_STEPS = 8
"""Training steps shown in the Markdown table, and as many of those with a validation."""

_LISTED = ("correctness", "validation_score", "memory_share", "calls_per_chunk", "valid_share", "surprise_nats")


def write_report(
    folder: Path,
    *,
    title: str,
    rows: Sequence[SystemScore],
    metrics: Sequence[Mapping[str, Any]],
    before: Trace,
    after: Trace,
    facts: Mapping[str, str],
) -> Path:
    """Write report.html, report.md and report.json into `folder`; returns the page.

    Args:
        folder: Is made when it is not there.
        title: Heads the page.
        rows: All systems; those named "Warm start…" and "After RL…" with the same ending are compared in the headline.
        metrics: The lines of the run's metrics.jsonl; may be empty.
        before: One episode as the writer handled it before training.
        after: The same episode after training.
        facts: What it takes to make the result again, such as commit, machine, command and seed.

    Raises:
        ConfigError: No two systems are named so that they can be compared.
        EpisodeError: `before` and `after` are of different episodes.
        MissingExtraError: matplotlib is not installed.
        OutputError: A file cannot be written.
    """
    if before.episode != after.episode:
        raise EpisodeError(
            f"got the episodes {before.episode.id!r} before and {after.episode.id!r} after, expected the same one; "
            "pass two traces of one episode"
        )
    findings = Findings(title=title, rows=rows, metrics=metrics, before=before, after=after, facts=facts)
    page = folder / "report.html"
    texts = {
        page: build_page(findings),
        folder / "report.md": _markdown(findings),
        folder / "report.json": _json(findings),
    }
    for path, text in texts.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{path} could not be written ({error.strerror or error}); check its rights and the free space"
            ) from error
    return page


def _markdown(findings: Findings) -> str:
    parts = [f"# {escape_markdown(findings.title)}"]
    parts.append(
        "\n".join(
            f"- **{escape_markdown(claim.title)}**: {escape_markdown(claim.sentence)}" for claim in findings.claims
        )
    )
    if findings.facts:
        body = [[escape_markdown(name), escape_markdown(value)] for name, value in findings.facts.items()]
        parts += ["## How it was made", markdown_lines(["fact", "value"], body, [False, False])]
    parts += ["## All systems", markdown_table(findings.rows)]
    parts.append("\n".join(f"- **{column.title}**: {column.meaning}" for column in COLUMNS if column.meaning))
    if findings.metrics:
        parts += ["## Learning", _learning(findings.metrics)]
    episode = findings.after.episode
    parts += [f"## Questions of one episode ({escape_markdown(episode.id)})", _questions(findings.traces)]
    return "\n\n".join(parts) + "\n"


def _learning(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Evenly spread steps, and evenly spread ones of those with a validation."""
    validated = [at for at, row in enumerate(metrics) if "validation_score" in row]
    chosen = sorted({*_spread(range(len(metrics))), *_spread(validated)})
    names = [name for name in _LISTED if any(name in row for row in metrics)]
    body = [
        [str(metrics[at]["step"]), *(f"{metrics[at][name]:.3f}" if name in metrics[at] else "" for name in names)]
        for at in chosen
    ]
    return markdown_lines(["step", *(escape_markdown(name) for name in names)], body, [True] * (1 + len(names)))


def _spread(places: Sequence[int]) -> list[int]:
    """At most `LISTED_STEPS` of the places, evenly spread, the first and the last among them."""
    if len(places) <= LISTED_STEPS:
        return list(places)
    return [places[round(at * (len(places) - 1) / (LISTED_STEPS - 1))] for at in range(LISTED_STEPS)]


def _questions(traces: tuple[Trace, Trace]) -> str:
    body = []
    for pair in zip(*(mark_answers(trace) for trace in traces), strict=True):
        question = pair[0].question
        told = [f"{mark.verdict.value}: {escape_markdown(mark.text) or '(no answer)'}" for mark in pair]
        body.append(
            [str(pair[0].number), escape_markdown(question.text), escape_markdown(" or ".join(question.answers)), *told]
        )
    return markdown_lines(["#", "question", "expected", *SIDES], body, [True, False, False, False, False])


def _json(findings: Findings) -> str:
    data = {
        "title": findings.title,
        "headline": [asdict(claim) for claim in findings.claims],
        "facts": dict(findings.facts),
        "systems": [asdict(row) for row in findings.rows],
        "metrics": [dict(row) for row in findings.metrics],
        "episode": {
            "id": findings.after.episode.id,
            "raw_tokens": findings.after.raw_tokens,
            "before": _trace(findings.before),
            "after": _trace(findings.after),
        },
    }
    return json.dumps(_finite(data), indent=2, allow_nan=False) + "\n"


def _trace(trace: Trace) -> dict[str, Any]:
    chunks = mark_chunks(trace)
    return {
        "score": trace.score,
        "sufficiency": trace.sufficiency,
        "memory_tokens": trace.memory_tokens,
        "lines": {fate.value: sum(line.fate is fate for chunk in chunks for line in chunk.lines) for fate in Fate},
        "refused_calls": sum(len(chunk.refused) for chunk in chunks),
        "answers": [{"text": mark.text, "score": mark.score, "read": mark.read} for mark in mark_answers(trace)],
    }


def _finite(data: Any) -> Any:
    """The same with null for numbers that JSON cannot hold."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
