from __future__ import annotations

import io

from rich.console import Console

from memalpha.cli.progress import SweepProgress, TrainingProgress
from memalpha.rl.alarms import Alarm, AlarmKind


def metrics(step: int) -> dict[str, float]:
    names = ("correctness", "tools", "compression", "content", "memory_share", "inserts_per_chunk", "updates_per_chunk")
    return {"step": step, "sampled_tokens_per_second": 812.0, **dict.fromkeys(names, 0.25)}


def test_without_a_terminal_each_step_is_a_line_with_every_term() -> None:
    out = io.StringIO()
    with TrainingProgress(Console(file=out, width=200)) as progress:
        progress.on_start(0, 2)
        progress.on_rollout(3, 8)
        progress.on_step(metrics(1))
        progress.on_step({**metrics(2), "validation_score": 0.5})
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("step 1  reward r1 0.250  r2 calls 0.25  r3 compr. 0.25  r4 content 0.25  kept 25%")
    assert "tok/s 812" in lines[0]
    assert "s left" in lines[0]
    assert "validation 0.500" in lines[1]


def test_what_is_left_is_known_from_steps_however_long_they_take() -> None:
    out, now = io.StringIO(), [0.0]
    with TrainingProgress(Console(file=out, width=200, get_time=lambda: now[0])) as progress:
        progress.on_start(0, 5)
        for step in range(1, 5):
            now[0] += 100.0
            progress.on_step(metrics(step))
    assert [line.split()[-3] for line in out.getvalue().splitlines()[1:]] == ["300", "200", "100"]


def test_a_resumed_run_says_where_it_goes_on() -> None:
    out = io.StringIO()
    TrainingProgress(Console(file=out, width=120)).on_start(5, 9)
    assert "resuming after step 5 of 9" in out.getvalue()


def test_on_a_terminal_bars_and_table_are_drawn() -> None:
    out = io.StringIO()
    with TrainingProgress(Console(file=out, width=160, force_terminal=True)) as progress:
        progress.on_start(0, 3)
        progress.on_step(metrics(1))
    assert "training" in out.getvalue()
    assert "r4 content" in out.getvalue()


def test_a_sweep_says_what_is_left_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with SweepProgress(Console(file=out, force_terminal=False)) as progress:
        progress.on_system("rag-top2", 3, 10)
        progress.on_answers(7)
    assert out.getvalue() == "rag-top2: 7 of 10 questions to ask\n"


def test_a_sweep_has_a_bar_for_each_system() -> None:
    out = io.StringIO()
    with SweepProgress(Console(file=out, force_terminal=True, width=100)) as progress:
        progress.on_system("rag-top2", 3, 10)
        progress.on_answers(7)
    assert "10/10" in out.getvalue()


def test_an_alarm_is_a_line_of_its_own() -> None:
    alarm = Alarm(step=7, kind=AlarmKind.SILENCE, sentence="The writer has gone silent [write_rate 0.01].")
    for terminal in (True, False):
        out = io.StringIO()
        with TrainingProgress(Console(file=out, width=120, force_terminal=terminal)) as progress:
            progress.on_start(0, 9)
            progress.on_alarm(alarm)
        assert "alarm at step 7: The writer has gone silent [write_rate 0.01]." in out.getvalue()
