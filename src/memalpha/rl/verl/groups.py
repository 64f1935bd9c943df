"""What verl hands back, row by row, to groups and token advantages: pure, and the same function of rows as everywhere.

verl keeps each row under a key {group}_{sample}_{step} with whatever fields its agent loop added; here those are the
steps as plain data, or the sentence that says why a sample failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import pstdev
from typing import Any

from memalpha.errors import TrainingError
from memalpha.rl.config import TrainConfig
from memalpha.rl.rows import Row, all_rows
from memalpha.rl.trajectory import SampledStep, Trajectory, from_plain

FIELD = "memalpha"
"""Our part of verl's extra fields of a row."""
FAILED, STEP, STEPS, MEASURES = "failed", "step", "steps", "measures"
"""Inside it: why the sample failed; the step as plain data; how many its sample has; what is told of the sample."""
SPREAD = "correctness"
"""The measure whose spread inside a group is told as well."""

Fields = Mapping[str, Any]


def learn_from(fields: Mapping[str, Fields], config: TrainConfig, *, progress: float, groups: int) -> dict[str, Row]:
    """The row of each key, those that teach nothing among them.

    Args:
        fields: By key, our part of the extra fields.
        config: Of the run.
        progress: The share of the run that is over, in [0, 1].
        groups: How many there should be; a sample that is missing raises `TrainingError`, as it failed elsewhere.
    """
    sampled = _sampled(fields)
    sizes = [len(samples) for samples in sampled.values()]
    if sizes != [config.rollout.group] * groups:
        raise TrainingError(
            f"got {sum(sizes)} samples of {len(sizes)} episodes, expected {config.rollout.group} of each of {groups}; "
            "the log of verl's agent loop says what became of the others, and the last checkpoint is whole"
        )
    found: dict[str, Row] = {}
    for number, (group, samples) in enumerate(sampled.items()):
        trajectories = [Trajectory(steps=tuple(steps)) for steps in samples.values()]
        keys = [f"{group}_{sample}_{at}" for sample, steps in samples.items() for at in range(len(steps))]
        rows = all_rows(trajectories, config, progress=progress, group=number)
        found.update(zip(keys, rows, strict=True))
    return found


def token_advantages(row: Row) -> list[float]:
    """One for each sampled token."""
    return list(row.token_advantages or [row.advantage] * len(row.token_ids))


def measures(fields: Mapping[str, Fields]) -> dict[str, float]:
    """The mean of what the samples tell of themselves, and how far those of a group are from each other."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for key, each in fields.items():
        if MEASURES in each:
            groups.setdefault(_place(key)[0], []).append(each[MEASURES])
    told = [each for samples in groups.values() for each in samples]
    means = {name: sum(each[name] for each in told) / len(told) for name in told[0]} if told else {}
    spreads = [pstdev(each[SPREAD] for each in samples) for samples in groups.values()]
    return means | {f"{SPREAD}_spread": sum(spreads) / len(spreads)} if told else {}


def deal(padding: Sequence[bool], ranks: int, parts: int) -> list[int]:
    """An order of rows in which each rank's rows of every minibatch are consecutive, padding shared out evenly.

    Rows lie rank by rank, as many for each; a minibatch takes the next of each rank. Without this, chance may give an
    update nothing but padding, whose mean over no token is not a number.
    """
    width = len(padding) // ranks
    order = []
    for rank in range(ranks):
        places = sorted(range(rank * width, (rank + 1) * width), key=lambda at: padding[at])
        order += [at for part in range(parts) for at in places[part::parts]]
    return order


def _sampled(fields: Mapping[str, Fields]) -> dict[str, dict[str, list[SampledStep]]]:
    """Steps in order, by group and sample, both in the order of their names."""
    found: dict[str, dict[str, list[SampledStep]]] = {}
    for key in sorted(fields, key=_place):
        group, sample, _ = _place(key)
        each = fields[key]
        if FAILED in each:
            raise TrainingError(f"a sample failed: {each[FAILED]}; the last checkpoint is whole")
        found.setdefault(group, {}).setdefault(str(sample), []).append(from_plain(each[STEP]))
    for key, each in fields.items():
        group, sample, _ = _place(key)
        if len(found[group][str(sample)]) != each[STEPS]:
            raise TrainingError(
                f"got {len(found[group][str(sample)])} of {each[STEPS]} steps of a sample; something was lost on the "
                "way, start the same command again to go on from the last checkpoint"
            )
    return found


def _place(key: str) -> tuple[str, int, int]:
    group, sample, step = key.rsplit("_", 2)
    return group, int(sample), int(step)
