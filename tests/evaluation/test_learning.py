"""Runs made by hand: what is grouped, what is paired, and the numbers that come of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from memalpha.errors import ConfigError
from memalpha.evaluation.learning import (
    PastRun,
    differences,
    estimate,
    group_runs,
    last_values,
    settings_that_differ,
)
from memalpha.evaluation.statistics import holm


def past(
    name: str, scores: list[float], *, seed: int = 0, validated: dict[int, float] | None = None, **changes: Any
) -> PastRun:
    """A run whose `correctness` is given step by step."""
    settings = {
        "run.seed": seed,
        "run.steps": 4,
        "data.source": "world",
        "data.tokens": 440,
        "data.stored": 0.0,
        "data.validation_episodes": 16,
        "rollout.episodes": 12,
        "optim.rate": 1e-3,
        "engine.device": "cpu",
    }
    rows: list[dict[str, Any]] = [
        {
            "step": step,
            "correctness": score,
            "rollout_seconds": 2.0,
            "update_seconds": 1.0,
            "sampled_tokens_per_second": 100.0 * step,
        }
        for step, score in enumerate(scores, start=1)
    ]
    for step, score in (validated or {}).items():
        rows[step - 1]["validation_score"] = score
    changed = {key.replace("__", "."): value for key, value in changes.items()}
    return PastRun(name=name, settings=settings | changed, metrics=rows)


def test_runs_that_differ_in_seed_and_machine_alone_are_a_group() -> None:
    runs = [
        past("world-0", [0.5]),
        past("slow-0", [0.5], optim__rate=1e-4),
        past("world-1", [0.5], seed=1, engine__device="cuda"),
        past("world-0b", [0.5]),  # the same seed again
    ]
    groups = group_runs(runs)
    assert [(group.name, len(group.runs)) for group in groups] == [
        ("world (seeds 0, 1)", 2),
        ("slow-0", 1),
        ("world-0b", 1),
    ]
    assert settings_that_differ(groups) == {"optim.rate": [1e-3, 1e-4, 1e-3]}


def test_names_with_nothing_in_common_are_named_by_the_first() -> None:
    [group] = group_runs([past("a", [0.5]), past("b", [0.5], seed=4)])
    assert group.name == "a (seeds 0, 4)"


def test_a_run_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="got the run 'a' twice"):
        group_runs([past("a", [0.5]), past("a", [0.6])])


def test_a_run_tells_its_time() -> None:
    run = past("a", [0.1, 0.2])
    assert (run.steps, run.seconds, run.tokens_per_second) == (2, 6.0, 150.0)


def test_the_last_values_and_the_last_validation_whenever_it_was() -> None:
    run = past("a", [0.1, 0.2, 0.3, 0.4], validated={1: 0.7, 2: 0.8})
    assert last_values(run, "correctness", 2) == {3: 0.3, 4: 0.4}
    assert last_values(run, "validation_score", 2) == {2: 0.8}
    assert last_values(run, "validation_score", 3) == {2: 0.8}
    assert last_values(run, "gradient_norm", 2) == {}


def test_one_run_is_drawn_from_its_steps_and_seeds_by_student() -> None:
    [alone] = group_runs([past("a", [9.0, 0.4, 0.4, 0.4])])
    found = estimate(alone, "correctness", 3)
    assert found is not None
    assert (found.score, found.low, found.high) == pytest.approx((0.4, 0.4, 0.4))
    [pair] = group_runs([past("a", [9.0, 0.2, 0.4]), past("b", [9.0, 0.5, 0.7], seed=1)])
    found = estimate(pair, "correctness", 2)
    assert found is not None
    # Means 0.3 and 0.6, standard deviation 0.3/√2, over √2 seeds, times 12.706.
    assert (found.score, found.low, found.high) == pytest.approx((0.45, 0.45 - 12.706 * 0.15, 0.45 + 12.706 * 0.15))
    assert estimate(pair, "gradient_norm", 2) is None


def test_seeds_are_paired_where_there_are_two() -> None:
    first = [past("a-0", [0.2, 0.4]), past("a-1", [0.6, 0.6], seed=1)]
    other = [past("b-0", [0.3, 0.7], optim__rate=2.0), past("b-1", [0.7, 0.7], seed=1, optim__rate=2.0)]
    [found] = differences(group_runs([*first, *other]), 2)
    assert (found.group, found.against, found.metric) == ("b (seeds 0, 1)", "a (seeds 0, 1)", "correctness")
    assert found.pairs == "2 seeds"
    # Differences 0.2 and 0.1: mean 0.15, standard error 0.05.
    assert found.difference.score == pytest.approx(0.15)
    assert found.difference.low == pytest.approx(0.15 - 12.706 * 0.05)
    assert found.p == 0.5  # of two seeds none can be lower
    assert not found.sure


def test_steps_are_paired_where_there_is_one_seed_as_far_as_both_have_come() -> None:
    first = past("a", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 9.0])
    other = past("b", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], optim__rate=2.0)
    [found] = differences(group_runs([first, other]), 6)
    assert found.pairs == "6 steps of one seed"
    assert (found.difference.score, found.difference.low, found.difference.high) == pytest.approx((0.5, 0.5, 0.5))
    assert found.p == 2 / 2**6
    assert found.sure


@pytest.mark.parametrize("change", [{"data__tokens": 500}, {"rollout__episodes": 6}, {"data__stored": 0.6}])
def test_other_episodes_are_not_paired_but_validation_may_be(change: dict[str, Any]) -> None:
    first = past("a", [0.2, 0.4], validated={2: 0.5})
    other = past("b", [0.4, 0.6], validated={2: 0.75}, **change)
    trained, validated = differences(group_runs([first, other]), 2)
    assert (trained.metric, trained.pairs) == ("correctness", "none")
    assert math.isnan(trained.p)
    assert trained.difference.score == pytest.approx(0.2)
    assert validated.metric == "validation_score"
    assert validated.pairs == ("none" if "data__tokens" in change else "1 step of one seed")


def test_two_groups_of_seeds_that_share_none_have_welch() -> None:
    first = [past("a-0", [0.2]), past("a-1", [0.4], seed=1)]
    other = [past("b-2", [0.7], seed=2, optim__rate=2.0), past("b-3", [0.9], seed=3, optim__rate=2.0)]
    [found] = differences(group_runs([*first, *other]), 1)
    half = 12.706 * math.sqrt(0.02 / 2 + 0.02 / 2)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.5 - half, 0.5 + half))
    assert found.pairs == "none"


def test_p_is_raised_for_all_differences_together() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(size=8)
    runs = [
        past("a", list(base)),
        past("b", list(base + 0.1), optim__rate=2.0),
        past("c", list(base + 0.1 * np.array([1, 1, 1, 1, 1, 1, 1, -1.0])), optim__rate=3.0),
    ]
    found = differences(group_runs(runs), 8)
    # All alike in sign: 2 of 2^8 patterns; one against: the 2 · 9 patterns with at most one of the other sign.
    assert [each.p for each in found] == pytest.approx(holm([2 / 256, 18 / 256]))
