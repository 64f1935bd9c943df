"""What is drawn, and that it follows the colours of the page."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from memalpha.errors import MissingExtraError
from memalpha.evaluation.harness import SystemScore
from memalpha.evaluation.plots import VARIABLES, Plot, learning_plots, moving_mean, score_plots, series, window_of

METRICS = [
    {
        "step": step,
        "correctness": 0.1 * step,
        "memory_share": 0.5,
        "calls_per_chunk": 2.0,
        "write_rate": 0.5,
        "valid_share": 1.0,
        "surprise_nats": 1.0 / step,
        **({"validation_score": 0.3} if step % 2 == 0 else {}),
    }
    for step in range(1, 6)
]


def texts(plot: Plot) -> set[str]:
    root = ElementTree.fromstring(plot.svg.replace("xlink:href", "href"))
    return {"".join(each.itertext()).strip() for each in root.iter("text")}


def test_series_leave_out_what_is_missing_or_not_a_number() -> None:
    rows = [{"step": 1, "x": 1}, {"step": 2}, {"step": 3, "x": math.nan}, {"step": 4, "x": None}, {"step": 5, "x": 2.5}]
    assert series(rows, "x") == ([1.0, 5.0], [1.0, 2.5])
    assert series(rows, "y") == ([], [])


def test_moving_mean() -> None:
    assert moving_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert moving_mean([1.0, 3.0], 5) == [1.0, 2.0]
    assert moving_mean([], 3) == []


@pytest.mark.parametrize(("count", "window"), [(0, 1), (4, 1), (60, 6), (1000, 20)])
def test_window_of(count: int, window: int) -> None:
    assert window_of(count) == window


def test_a_panel_for_each_group_of_metrics() -> None:
    plots = learning_plots(METRICS)
    assert [plot.title for plot in plots] == ["Score", "Memory kept", "Calls", "Valid calls and surprise"]
    assert plots[0].caption == "Training from 0.1 to 0.5; validation, greedy from 0.3 to 0.3."
    assert plots[1].caption == "Training from 50% to 50%."
    assert {"training", "validation, greedy", "training step", "mean score, 0 to 1"} <= texts(plots[0])
    assert {"% of the raw text", "50"} <= texts(plots[1])
    assert {"calls / chunk", "% of chunks written"} <= texts(plots[2])
    assert {"% valid", "nats / token"} <= texts(plots[3])


def test_panels_without_numbers_are_left_out() -> None:
    assert learning_plots([]) == []
    assert [plot.title for plot in learning_plots([{"step": 1, "surprise_nats": 0.5}])] == ["Valid calls and surprise"]


def test_bars_for_all_questions_and_each_competency_asked(rows: list[SystemScore]) -> None:
    plots = score_plots(rows)
    assert [plot.title for plot in plots] == ["All questions", "Accurate retrieval", "Conflict resolution"]
    assert {"Warm start", "After RL", "RAG-Top2", "0.20", "0.50", "0.40"} <= texts(plots[0])
    assert 'aria-label="Conflict resolution: Warm start 0.10, After RL 0.50, RAG-Top2 0.00' in plots[2].svg


def test_names_of_systems_stay_text(rows: list[SystemScore]) -> None:
    name = '<script>"$x^2$\x1b'
    (plot, _) = score_plots([replace(rows[0], system=name, by_competency={}), rows[1]])[:2]
    assert '<script>"$x^2$\ufffd' in texts(plot)
    assert "<script>" not in plot.svg


def test_colours_are_those_of_the_page_and_nothing_is_fetched(rows: list[SystemScore]) -> None:
    for plot in [*learning_plots(METRICS), *score_plots(rows)]:
        assert "var(--ink)" in plot.svg
        assert "var(--grid)" in plot.svg
        assert not [colour for colour in VARIABLES if colour in plot.svg]
        assert set(re.findall(r"#[0-9a-f]{6}\b", re.sub(r'"#\w+"|url\(#\w+\)', "", plot.svg))) <= {"#000000", "#ffffff"}
        assert "http" not in plot.svg
        assert plot.svg.startswith("<svg viewBox=")


def test_the_same_numbers_give_the_same_picture(rows: list[SystemScore]) -> None:
    assert score_plots(rows) == score_plots(rows)


def test_without_matplotlib_the_message_says_what_to_install(
    rows: list[SystemScore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="pip install 'memalpha\\[train\\]'"):
        score_plots(rows)
