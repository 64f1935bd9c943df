"""Traces as they are kept in a run folder: one JSON file each, whole or not there, enough to replay an episode.

    traces/step-000010-validation.json      the first validation episode, greedily
    traces/step-000010-best.json            of the first group that was sampled, the sample with the highest reward
    traces/step-000010-worst.json           and the one with the lowest

A file holds the stream, what the writer was shown and wrote for each chunk, what became of its calls, every operation,
the questions with their answers, and all reward terms. Left out: token ids and log-probabilities. The fields are listed
in docs/inspector.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memalpha.agent.writer import Step
from memalpha.episode import Trace
from memalpha.memory.entry import Operation
from memalpha.records import episode_to_json
from memalpha.rewards import EpisodeReward, RewardWeights, StepReward
from memalpha.writing import replace_file

FOLDER = "traces"
"""Where they lie in a run folder."""
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def keep_trace(run: Path, name: str, trace: Trace, earned: EpisodeReward, weights: RewardWeights) -> Path:
    """Write a trace into a run folder, over an earlier one of that name; raises `OutputError`.

    `name` is written with letters, digits, dots, hyphens and underscores; a run of others becomes one hyphen.
    """
    file = run / FOLDER / f"{_UNFIT.sub('-', name).strip('.-')}.json"
    replace_file(file, json.dumps(trace_to_json(trace, earned, weights)) + "\n")
    return file


def keep_best_and_worst(
    run: Path, name: str, traces: Sequence[Trace], rewards: Sequence[EpisodeReward], weights: RewardWeights
) -> None:
    """Of the samples of one episode keep the two whose chunks earned most and least on average, as `keep_trace` does.

    They are told apart by the ends of their names; of samples that all earned the same there is one, the best.
    """
    means = [sum(earned.totals(weights)) / len(earned.steps) for earned in rewards]
    best, worst = means.index(max(means)), means.index(min(means))
    for rank, at in [("best", best)] + [("worst", worst)] * (worst != best):
        keep_trace(run, f"{name}-{rank}", traces[at], rewards[at], weights)


def trace_to_json(trace: Trace, earned: EpisodeReward, weights: RewardWeights) -> dict[str, Any]:
    """The documented shape; `earned` and `weights` are the terms of r and what they are combined with."""
    totals = earned.totals(weights)
    return {
        "episode": episode_to_json(trace.episode),
        "raw_tokens": trace.raw_tokens,
        "memory_tokens": trace.memory_tokens,
        "score": trace.score,
        "reward": {
            "correctness": earned.correctness,
            "compression": earned.compression,
            "weights": {"compression": weights.compression, "content": weights.content},
        },
        "steps": [
            _step(step, terms, total) for step, terms, total in zip(trace.steps, earned.steps, totals, strict=True)
        ],
        "operations": [_operation(operation) for operation in trace.bank.log],
        "answers": [
            {"text": answer.text, "shown": answer.shown.text, "score": score}
            for answer, score in zip(trace.answers, trace.scores, strict=True)
        ],
    }


def _step(step: Step, terms: StepReward, total: float) -> dict[str, Any]:
    return {
        "chunk": step.index,
        "prompt": [{"role": message.role.value, "content": message.content} for message in step.prompt.messages],
        "completion": step.completion.text,
        "finished": step.completion.finished,
        "calls": [
            {
                "name": call.name,
                "arguments": dict(call.arguments),
                "text": call.text,
                "status": result.status.value,
                "message": result.message,
            }
            for call, result in zip(step.calls, step.results, strict=True)
        ],
        "reward": {
            "tools": terms.tools,
            "content": terms.content,
            "own_correctness": terms.own_correctness,
            "own_compression": terms.own_compression,
            "total": total,
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    """As the server tells an operation, and the place it is from in its episode."""
    return {
        "number": operation.number,
        "action": operation.action.value,
        "kind": operation.kind.value,
        "id": operation.entry_id,
        "before": operation.before,
        "after": operation.after,
        "undoes": operation.undoes,
        "chunk": operation.provenance.chunk,
        "lines": list(operation.provenance.lines),
    }
