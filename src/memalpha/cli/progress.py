"""Live progress of a training run on the terminal, and plain lines where there is none."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from memalpha.evaluation import sweep
from memalpha.rl.alarms import Alarm
from memalpha.rl.train import Observer

_COLUMNS = (
    ("reward r1", "correctness", ".3f"),
    ("r2 calls", "tools", ".2f"),
    ("r3 compr.", "compression", ".2f"),
    ("r4 content", "content", ".2f"),
    ("kept", "memory_share", ".0%"),
    ("inserts", "inserts_per_chunk", ".1f"),
    ("updates", "updates_per_chunk", ".1f"),
    ("tok/s", "sampled_tokens_per_second", ".0f"),
    ("validation", "validation_score", ".3f"),
)
ROWS = 12
"""Steps that stay in view."""


class TrainingProgress(Observer):
    """Two bars (steps, and the chunks of this step) above a table of the last steps."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` defaults to standard output."""
        self.console = console or Console()
        self._bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            # Over so many seconds speed is measured; of the usual 30 a step with its validation leaves nothing.
            speed_estimate_period=1800.0,
        )
        self._steps = self._bars.add_task("training")
        self._chunks = self._bars.add_task("chunks")
        self._recent: list[dict[str, float]] = []
        self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=4)
        self._started = time.monotonic()

    def __enter__(self) -> TrainingProgress:
        """Start the display."""
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the terminal."""
        if self.console.is_terminal:
            self._live.stop()

    def on_start(self, first_step: int, steps: int) -> None:
        """Set the bars."""
        self._bars.update(self._steps, total=steps, completed=first_step)
        if first_step:
            self.console.print(f"resuming after step {first_step} of {steps}")

    def on_rollout(self, done: int, total: int) -> None:
        """Move the bar of chunks."""
        self._bars.update(self._chunks, total=total, completed=done)

    def on_step(self, metrics: dict[str, float]) -> None:
        """Move the bar of steps; without a terminal print a line."""
        self._bars.update(self._steps, completed=metrics["step"])
        self._recent = [*self._recent[-(ROWS - 1) :], metrics]
        if not self.console.is_terminal:
            shown = "  ".join(f"{title} {metrics[name]:{form}}" for title, name, form in _COLUMNS if name in metrics)
            left = self._seconds_left()
            self.console.print(f"step {int(metrics['step'])}  {shown}  {left:.0f} s left", highlight=False)

    def on_alarm(self, alarm: Alarm) -> None:
        """Print it, above the bars where there are some."""
        self.console.print(Text(f"alarm at step {alarm.step}: {alarm.sentence}", style="bold yellow"))

    def _seconds_left(self) -> float:
        task = self._bars.tasks[self._steps]
        return float(task.time_remaining or 0.0)

    def _render(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("step", justify="right")
        for title, _, _ in _COLUMNS:
            table.add_column(title, justify="right")
        for metrics in self._recent:
            cells = [format(metrics[name], form) if name in metrics else "" for _, name, form in _COLUMNS]
            table.add_row(str(int(metrics["step"])), *cells)
        outer = Table.grid()
        outer.add_row(self._bars)
        outer.add_row(table)
        return outer


class SweepProgress(sweep.Observer):
    """A bar of questions for each system."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` defaults to standard output."""
        self.console = console or Console()
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> SweepProgress:
        """Start the display."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the terminal."""
        self._bars.stop()

    def on_system(self, name: str, asked: int, total: int) -> None:
        """Begin a bar; without a terminal print a line."""
        self._task = self._bars.add_task(name, total=total, completed=asked)
        if not self.console.is_terminal:
            self.console.print(f"{name}: {total - asked} of {total} questions to ask", highlight=False)

    def on_answers(self, count: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, count)
