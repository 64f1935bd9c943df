"""Training runs side by side: groups of runs that differ in the seed alone, what each came to, and how sure that is.

Pure functions of the rows of metrics.jsonl and of settings as plain tables. A group is measured over the last steps of
its runs. Of two seeds or more the interval is Student's over the means of the seeds; of one it is drawn from its steps,
and says how those vary, nothing of how another seed would have gone.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from memalpha.errors import ConfigError
from memalpha.evaluation.standings import Estimate
from memalpha.evaluation.statistics import holm, interval, mean_of, resampled_means, sign_flip, student, welch

WINDOW = 10
"""Steps at the end of a run that its means are over."""
VALIDATED = "validation_score"
COMPARED = ("correctness", VALIDATED, "memory_share")
"""What groups are compared in; the others are listed only."""
SHOWN = (*COMPARED, "correctness_spread", "write_rate", "valid_share", "surprise_nats", "gradient_norm")

Settings = Mapping[str, Any]
"""By table and key, such as "run.seed"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """What a run folder holds, as far as the run has come."""

    name: str
    settings: Settings
    metrics: Sequence[Mapping[str, Any]]
    """One row for each finished step, at least one."""
    alarms: Sequence[tuple[int, str]] = ()
    """Steps and sentences."""

    @property
    def steps(self) -> int:
        """The last finished step."""
        return int(self.metrics[-1]["step"])

    @property
    def seconds(self) -> float:
        """What its steps took, validation and checkpoints aside."""
        return float(sum(row.get("rollout_seconds", 0.0) + row.get("update_seconds", 0.0) for row in self.metrics))

    @property
    def tokens_per_second(self) -> float:
        """Sampled tokens over the seconds that sampling took."""
        seconds = [float(row.get("rollout_seconds", 0.0)) for row in self.metrics]
        tokens = [
            taken * float(row.get("sampled_tokens_per_second", 0.0))
            for taken, row in zip(seconds, self.metrics, strict=True)
        ]
        return sum(tokens) / sum(seconds) if sum(seconds) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that differ in the seed alone."""

    name: str
    runs: tuple[PastRun, ...]

    def setting(self, key: str) -> Any:
        """What all of them have."""
        return self.runs[0].settings.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a group differs from the first one in a metric."""

    group: str
    against: str
    metric: str
    difference: Estimate
    p: float
    """Two-sided, by sign flips of seeds where there are two or more, else of steps; raised by Holm's method.

    NaN where the two did not see the same episodes, and so have nothing to be paired by."""
    pairs: str
    """What was paired, in words."""

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero and p, where there is one, is below 0.05."""
        return (self.difference.low > 0 or self.difference.high < 0) and not self.p >= 0.05


def group_runs(runs: Sequence[PastRun]) -> list[Group]:
    """Runs that differ in the seed alone stand together, in the order in which each group begins."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"got the run {twice!r} twice, expected each once; leave one out")
    members: dict[tuple[str, int], list[PastRun]] = {}
    seen: Counter[tuple[str, Any]] = Counter()
    for run in runs:
        kept = {
            key: value for key, value in run.settings.items() if key != "run.seed" and not key.startswith("engine.")
        }
        same = json.dumps(kept, sort_keys=True, default=str)
        # The same seed again, say with another version of the code, is no further seed of the same group.
        again = seen[same, run.settings["run.seed"]]
        seen[same, run.settings["run.seed"]] += 1
        members.setdefault((same, again), []).append(run)
    return [Group(name=_name(found), runs=tuple(found)) for found in members.values()]


def settings_that_differ(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """Each setting that is not the same in all groups, with its value in each."""
    keys = dict.fromkeys(key for group in groups for key in group.runs[0].settings if key != "run.seed")
    values = {key: [group.setting(key) for group in groups] for key in keys}
    return {key: row for key, row in values.items() if any(_text(value) != _text(row[0]) for value in row)}


def last_values(run: PastRun, metric: str, window: int = WINDOW) -> dict[int, float]:
    """The metric at the last `window` steps of the run, by step; a validation only where there was one.

    Of validations the last one counts even where it lies before the window.
    """
    found = {int(row["step"]): float(row[metric]) for row in run.metrics if row.get(metric) is not None}
    recent = {step: value for step, value in found.items() if step > run.steps - window}
    if metric.startswith("validation") and found and not recent:
        return {max(found): found[max(found)]}
    return recent


def estimate(group: Group, metric: str, window: int = WINDOW) -> Estimate | None:
    """Mean over the steps of the window, then over seeds; None where no run has the metric."""
    values_RS = _values(group, metric, window)
    return _estimate(values_RS) if values_RS else None


def differences(groups: Sequence[Group], window: int = WINDOW) -> list[Difference]:
    """Every later group against the first, in each metric of `COMPARED` that both have."""
    found = []
    for metric in COMPARED:
        for group in groups[1:]:
            difference = _difference(groups[0], group, metric, window)
            if difference is not None:
                found.append(difference)
    tested = [at for at, each in enumerate(found) if not math.isnan(each.p)]
    raised = holm([found[at].p for at in tested])
    for at, p in zip(tested, raised, strict=True):
        found[at] = replace(found[at], p=p)
    return found


def _difference(first: Group, group: Group, metric: str, window: int) -> Difference | None:
    ours = {run.settings["run.seed"]: run for run in group.runs}
    theirs = {run.settings["run.seed"]: run for run in first.runs}
    pairs_PS = []
    for seed in sorted(ours.keys() & theirs.keys()):
        if not _same_episodes(ours[seed], theirs[seed], metric):
            continue
        ends = min(ours[seed].steps, theirs[seed].steps)  # of a run that goes on, the steps that both have
        mine, other = (last_values(_until(run, ends), metric, window) for run in (ours[seed], theirs[seed]))
        shared = sorted(mine.keys() & other.keys())
        if shared:
            pairs_PS.append(np.array([mine[step] - other[step] for step in shared]))
    if not pairs_PS:
        return _unpaired(first, group, metric, window)
    units = np.array([pair_S.mean() for pair_S in pairs_PS]) if len(pairs_PS) > 1 else pairs_PS[0]
    kind = "seeds" if len(pairs_PS) > 1 else f"step{'s' if len(units) > 1 else ''} of one seed"
    return Difference(
        group=group.name,
        against=first.name,
        metric=metric,
        difference=_estimate(pairs_PS),
        p=sign_flip(units),
        pairs=f"{len(units)} {kind}",
    )


def _unpaired(first: Group, group: Group, metric: str, window: int) -> Difference | None:
    """The difference of two means that share nothing: Welch's interval, or both drawn apart where one has one seed."""
    ours, theirs = (_values(side, metric, window) for side in (group, first))
    if not ours or not theirs:
        return None
    if len(ours) > 1 and len(theirs) > 1:
        low, high = welch(*(np.array([values_S.mean() for values_S in side]) for side in (ours, theirs)))
    else:
        low, high = interval(resampled_means(ours) - resampled_means(theirs, seed=1))
    return Difference(
        group=group.name,
        against=first.name,
        metric=metric,
        difference=Estimate(score=mean_of(ours) - mean_of(theirs), low=low, high=high),
        p=math.nan,
        pairs="none",
    )


def _values(group: Group, metric: str, window: int) -> list[np.ndarray]:
    """The values [steps] of each run that has some."""
    values_RS = [np.array(list(last_values(run, metric, window).values())) for run in group.runs]
    return [values_S for values_S in values_RS if len(values_S)]


def _estimate(values_RS: Sequence[np.ndarray]) -> Estimate:
    if len(values_RS) > 1:
        low, high = student(np.array([values_S.mean() for values_S in values_RS]))
    else:
        low, high = interval(resampled_means([values_S[None] for values_S in values_RS[0]]))
    return Estimate(score=mean_of(values_RS), low=low, high=high)


def _same_episodes(run: PastRun, other: PastRun, metric: str) -> bool:
    """Whether two runs of one seed saw the same episodes at the same step."""
    keys = ["data.source", "data.tokens", "data.validation_episodes"]
    if metric != VALIDATED:
        keys += ["data.stored", "rollout.episodes"]
    return all(run.settings.get(key) == other.settings.get(key) for key in keys)


def _until(run: PastRun, step: int) -> PastRun:
    return replace(run, metrics=[row for row in run.metrics if row["step"] <= step])


def _name(runs: Sequence[PastRun]) -> str:
    """The name of the only run, or what the names have in common, with the seeds."""
    if len(runs) == 1:
        return runs[0].name
    common = runs[0].name
    while not all(run.name.startswith(common) for run in runs):
        common = common[:-1]
    seeds = ", ".join(str(run.settings["run.seed"]) for run in runs)
    return f"{common.rstrip('-_. /') or runs[0].name} (seeds {seeds})"


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
