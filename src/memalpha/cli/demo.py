"""The demonstration: measure the warm start, train it, measure again, compare, write the report."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import torch
from rich.console import Console

from memalpha.agent.local import LocalModel, load_local
from memalpha.cli.measure import baseline_systems, open_episodes, writer_system
from memalpha.cli.progress import TrainingProgress
from memalpha.episode import Count, Trace
from memalpha.evaluation.baselines import System
from memalpha.evaluation.harness import SystemScore, compare
from memalpha.evaluation.report import rich_table, write_report
from memalpha.records import Episode
from memalpha.rewards import RewardWeights, RuleValidator, reward
from memalpha.rl.alarms import raised
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import RewardConfig, TrainConfig
from memalpha.rl.config_file import load_config
from memalpha.rl.train import train
from memalpha.traces import keep_trace

TEST_SEED = 11
WARM, WARM_GREEDY = "Warm start (sampled)", "Warm start (greedy)"
TRAINED, TRAINED_GREEDY = "After RL (sampled)", "After RL (greedy)"


def demo_config(overrides: Mapping[str, str]) -> TrainConfig:
    """The shipped demo.toml with overrides."""
    with as_file(files("memalpha.cli") / "demo.toml") as path:
        return load_config(path, overrides)


def run_demo(folder: Path, overrides: Mapping[str, str], *, episodes: int) -> list[SystemScore]:
    """Everything from measuring to the report; returns the rows of the table."""
    console, started = Console(), time.monotonic()
    config = demo_config(overrides)
    torch.set_num_threads(config.engine.threads)
    tests = open_episodes("world", tokens=config.data.tokens, episodes=episodes, seed=TEST_SEED)
    warm = load_local(config.run.model, device=config.engine.device)
    console.print(f"[bold]1. The warm-started writer[/] on {len(tests)} test episodes of {config.data.tokens} tokens")
    before, traces_before = _score(console, _both(warm, WARM, WARM_GREEDY), tests)
    console.print(rich_table(before))
    console.print(f"[bold]2. Reinforcement learning[/], {config.run.steps} steps, kept in {folder}")
    with TrainingProgress(console) as progress:
        trained = train(config, folder, observer=progress)
    console.print("[bold]3. The same episodes again[/], after training and with the baselines")
    systems = [*_both(trained, TRAINED, TRAINED_GREEDY), *baseline_systems(trained)]
    after, traces_after = _score(console, systems, tests)
    rows = [*before, *after]
    console.print(rich_table(rows))
    for name, trace in (("before-rl", traces_before[WARM][0]), ("after-rl", traces_after[TRAINED][0])):
        _keep(folder, name, trace, config.reward, trained.counter)
    metrics = RunFolder(path=folder).metrics()
    alarms = " ".join(f"Step {alarm.step}: {alarm.sentence}" for alarm in raised(metrics))
    page = write_report(
        folder,
        title="memalpha: a writer learns to manage memory",
        rows=rows,
        metrics=metrics,
        before=traces_before[WARM][0],
        after=traces_after[TRAINED][0],
        facts=facts(config, seconds=time.monotonic() - started) | {"alarms": alarms or "none"},
    )
    console.print(f"The report is in [bold]{page}[/]; it took {time.monotonic() - started:.0f} s")
    return rows


def facts(config: TrainConfig, *, seconds: float) -> dict[str, str]:
    """What it takes to make a result again."""
    return {
        "commit": commit(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "command": "memalpha demo",
        "seed": str(config.run.seed),
        "steps": str(config.run.steps),
        "seconds": f"{seconds:.0f}",
    }


def commit() -> str:
    """The commit of the source tree that runs, "unknown" for an installed package."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "unknown"
    return found.stdout.strip() or "unknown"


def _keep(folder: Path, name: str, trace: Trace, settings: RewardConfig, count_tokens: Count) -> None:
    earned = reward(trace, preset=settings.preset, validator=RuleValidator(), count_tokens=count_tokens)
    keep_trace(folder, name, trace, earned, RewardWeights(compression=settings.compression, content=settings.content))


def _both(model: LocalModel, sampled: str, greedy: str) -> list[System]:
    return [writer_system(sampled, model, sampled=True), writer_system(greedy, model)]


def _score(
    console: Console, systems: list[System], tests: Sequence[Episode]
) -> tuple[list[SystemScore], dict[str, list[Trace]]]:
    with console.status("scoring") as status:
        return compare(systems, tests, progress=lambda name: status.update(f"scoring {name}"))
