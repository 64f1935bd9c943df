"""Histories made by hand that must raise an alarm, or must not."""

from __future__ import annotations

import pytest

from memalpha.rl.alarms import RULES, WINDOW, AlarmKind, fresh, holding, raised

HEALTHY = {
    "correctness": 0.6,
    "correctness_spread": 0.1,
    "write_rate": 0.9,
    "memory_share": 0.35,
    "valid_share": 0.97,
    "tools": 0.95,
    "surprise_nats": 0.4,
    "mismatch_nats": 0.01,
    "gradient_norm": 0.5,
    "truncated_share": 0.0,
}

Row = dict[str, float]


def history(*changes: Row) -> list[Row]:
    """Steps 1, 2, ..., each the healthy one with some numbers changed."""
    return [{**HEALTHY, "step": step, **change} for step, change in enumerate(changes, start=1)]


BROKEN = {
    AlarmKind.SAMPLES_ALIKE: {"correctness_spread": 0.0005},
    AlarmKind.SILENCE: {"write_rate": 0.04},
    AlarmKind.KEEPS_ALL: {"write_rate": 0.995, "memory_share": 0.61},
    AlarmKind.REFUSED_CALLS: {"valid_share": 0.39, "tools": 0.69},
    AlarmKind.ENTROPY_GONE: {"surprise_nats": 0.009},
    AlarmKind.ENTROPY_RISING: {"surprise_nats": 2.1},
    AlarmKind.MISMATCH: {"mismatch_nats": 0.11},
    AlarmKind.GRADIENT: {"gradient_norm": 5.1},
    AlarmKind.CUT_OFF: {"truncated_share": 0.21},
}
JUST_WELL: list[Row] = [
    {},
    {"correctness_spread": 0.001},
    {"correctness_spread": 0.0, "correctness": 0.96},  # alike because they are right
    {"write_rate": 0.05, "valid_share": 0.9},
    {"write_rate": 1.0, "memory_share": 0.6},  # every chunk holds something, and a choice is made
    {"write_rate": 0.9, "memory_share": 0.9},
    {"valid_share": 0.2, "tools": 0.9},  # refused by a budget, which is no fault
    {"valid_share": 0.0, "tools": 1.0, "write_rate": 0.06},
    {"surprise_nats": 0.005, "correctness": 0.97},
    {"surprise_nats": 2.0},
    {"mismatch_nats": 0.1},
    {"gradient_norm": 5.0},
    {"truncated_share": 0.2},
]


def test_every_rule_has_a_kind_of_its_own_and_a_history_here() -> None:
    assert [rule.kind for rule in RULES] == list(AlarmKind) == list(BROKEN)


@pytest.mark.parametrize(("kind", "change"), BROKEN.items())
def test_what_must_fire_fires_once_when_the_window_is_full(kind: AlarmKind, change: Row) -> None:
    rows = history(*[change] * 8)
    assert [(alarm.step, alarm.kind) for alarm in raised(rows)] == [(WINDOW, kind)]
    assert holding(rows[: WINDOW - 1]) == []
    assert [alarm.kind for alarm in holding(rows)] == [kind]
    assert fresh(rows) == []


@pytest.mark.parametrize("change", JUST_WELL, ids=str)
def test_what_must_not_fire_does_not(change: Row) -> None:
    assert raised(history(*[change] * 8)) == []


@pytest.mark.parametrize("kind", AlarmKind)
def test_without_its_metric_a_rule_is_silent(kind: AlarmKind) -> None:
    [rule] = [rule for rule in RULES if rule.kind is kind]
    rows = history(*[BROKEN[kind]] * 6)
    for name in rule.metrics:
        assert holding([{key: value for key, value in row.items() if key != name} for row in rows]) == []
        # One row without it is enough: a step without a row to learn from has no update.
        assert holding([*rows[:-1], {key: value for key, value in rows[-1].items() if key != name}]) == []


def test_the_window_counts_as_a_whole() -> None:
    # 0.2 on average: three steps at 0.30 do not do, a fourth does.
    cut, well = {"truncated_share": 0.30}, {"truncated_share": 0.0}
    assert raised(history(well, cut, cut, cut, well)) == []
    assert [alarm.step for alarm in raised(history(well, cut, cut, cut, cut))] == [5]


def test_single_wild_gradients_raise_nothing_and_a_steady_flood_does() -> None:
    wild, well = {"gradient_norm": 12_000.0}, {"gradient_norm": 0.5}
    assert raised(history(wild, well, well, wild, well, well)) == []
    assert [alarm.step for alarm in raised(history(wild, well, wild, well, wild))] == [5]


def test_an_alarm_that_returns_is_told_again() -> None:
    mute, well = {"write_rate": 0.0}, {"write_rate": 0.9}
    steps = [alarm.step for alarm in raised(history(*[mute] * 5, *[well] * 5, *[mute] * 5))]
    assert steps == [5, 15]


def test_an_alarm_gives_its_numbers_and_a_setting() -> None:
    [alarm] = raised(history(*[{"write_rate": 0.0125}] * 5))
    assert alarm.sentence == (
        "The writer has gone silent (write_rate 0.013): writing costs more than it earns; lower reward.compression, or "
        "begin from a model that writes."
    )


def test_two_things_may_go_wrong_at_once() -> None:
    change = {"write_rate": 1.0, "memory_share": 0.9, "truncated_share": 0.5}
    assert [alarm.kind for alarm in raised(history(*[change] * 5))] == [AlarmKind.KEEPS_ALL, AlarmKind.CUT_OFF]


def test_an_empty_history_is_well() -> None:
    assert holding([]) == fresh([]) == raised([]) == []
