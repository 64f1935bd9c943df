"""The sections of docs/results.md about speed: a step by three engines, what each has learned, and one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from page import spread, table

Row = dict[str, Any]
PARTS = ("sample_seconds", "score_seconds", "update_seconds")


def speed(results: Row) -> str:
    timings, sequences = results["timings"], results["sequences"]
    names = list(dict.fromkeys(row["engine"] for row in timings))
    ours = steps(timings, names[0])
    body = []
    for name in names:
        rows = [row for row in timings if row["engine"] == name]
        whole = steps(timings, name)
        ratios = [theirs / mine for theirs, mine in zip(whole, ours, strict=True)]
        body.append(
            [name, *[f"{median(row[part] for row in rows):.1f}" for part in PARTS], f"{median(whole):.1f}",
             f"{sequences / median(whole):.1f}", f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]
        )  # fmt: skip
    head = ["engine", "sampling (s)", "scoring (s)", "update (s)", "step (s)", "sequences a second", "time ÷ ours"]
    lines = [
        "## Speed: a GRPO step beside TRL and the padded scheme\n",
        table(head, body),
        f"One step over the same {sequences} chunk sequences of the world: sampling them, scoring them under the "
        "policy that sampled, four optimiser steps in bf16 on the same rows and advantages. Processor time of one "
        f"thread, medians of {len(ours)} repetitions in turns; in parentheses the least and the largest ratio. This "
        "library records log-probabilities while it samples and needs no scoring. TRL samples, scores and learns by "
        "its own code. The padded scheme is that of the paper's first implementation, written anew: prompts and "
        "responses padded to the longest of the step, responses decoded and encoded again, logits at every place; its "
        "scripts pass one row at a time and add a KL term, which takes a pass of the frozen policy.\n",
    ]
    return "\n".join(lines)


def steps(timings: Sequence[Row], name: str) -> list[float]:
    """Seconds of the whole step in each repetition."""
    return [sum(row[part] for part in PARTS) for row in timings if row["engine"] == name]


def learning(rows: Sequence[Row]) -> str:
    body = [
        [row["engine"], str(row["seed"]), f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
         f"{row['difference']:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"]
        for row in rows
    ]  # fmt: skip
    for name in dict.fromkeys(row["engine"] for row in rows):
        parts = [[row[part] for row in rows if row["engine"] == name] for part in ("score", "difference")]
        body.append([name, f"{len(parts[0])} seeds", *map(spread, parts)])
    return (
        "## What each engine has learned after the same steps\n\n"
        + table(["engine", "seed", "score (greedy)", "difference to ours"], body)
        + f"\n{rows[0]['steps']} steps from the warm start with each, at a constant rate; {rows[0]['episodes']} test "
        "episodes; brackets are bootstrap intervals of 95% over episodes, ± is the interval over seeds.\n"
    )


def gpu(results: Row) -> str:
    found, sampled = results.get("updates", []), results.get("sampling")
    differences = results["correctness"]
    lines = [
        f"## One GPU: {results['device']}\n",
        "A random-weight network of the shape of Qwen3-4B in bf16. In float32 a small one differs from the CPU by at "
        f"most {differences['logprob']:.1e} nats in log-probabilities, {differences['loss']:.1e} of the loss and "
        f"{differences['gradient_norm']:.1e} of the gradient norm.\n",
    ]
    if "matrix_tflops" in results:
        lines.append(f"- A large matrix product reaches {results['matrix_tflops']:.0f} TFLOP/s.")
    if sampled:
        lines.append(
            f"- Sampling {sampled['sequences']} sequences: {sampled['prompt_tokens_per_second']:,.0f} prompt tokens a "
            f"second ({sampled['prompt_share_of_matrix_rate']:.0%} of the matrix rate), then "
            f"{sampled['completion_tokens_per_second']:,.0f} new tokens a second; peak {sampled['peak_gib']:.0f} GiB."
        )
    body = [
        [row["name"], row["weights"], *(
            [row["error"], "", "", ""] if "error" in row else
            [f"{row['tokens_per_second']:,.0f}", f"{row['share_of_matrix_rate']:.0%}", f"{row['padding_share']:.1%}",
             f"{row['peak_gib']:.0f}"]
        )]
        for row in found
    ]  # fmt: skip
    head = ["update", "weights", "tokens a second", "of the matrix rate", "padding", "peak GiB"]
    return "\n".join(lines) + "\n" + (f"\n{table(head, body)}" if body else "")
