"""What `memalpha eval --suites` does: systems over suites over seeds into a folder that is resumed, and its report."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from memalpha.agent.judge import Judge
from memalpha.agent.local import LocalModel
from memalpha.cli.demo import commit
from memalpha.cli.measure import Rivals, config_of, open_episodes, open_model
from memalpha.cli.progress import SweepProgress
from memalpha.data.files import load_episodes
from memalpha.data.suites import SUITES, suite_episodes, suites_below
from memalpha.data.suites.suite import Limits
from memalpha.errors import ConfigError
from memalpha.evaluation.baselines import WatchedSystem
from memalpha.evaluation.ledger import Ledger
from memalpha.evaluation.recorded import RecordedModel
from memalpha.evaluation.report import rich_table
from memalpha.evaluation.standings import Results, Titles
from memalpha.evaluation.sweep import Pace, plan, run_sweep
from memalpha.evaluation.sweep_report import findings_of, write_sweep_report
from memalpha.evaluation.systems import PROMPTED
from memalpha.records import Episode

WORLD = "world"
SERVER_WORKERS = 8
"""Episodes at once where a server writes; a model in this process is for one thread, and batches them instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSuites:
    """Which suites a command was asked for, and how much of them."""

    names: str
    """With commas between; a name may end in @ and a length in tokens; "all" is every one whose files are there."""
    data: str
    """The folder of data sets, or "world" for none."""
    seeds: str
    """With commas or spaces between."""
    tokens: int
    """Length of a world episode that names none."""
    episodes: int
    """Of a suite and seed at most."""
    questions: int | None
    """Of an episode at most."""

    @property
    def suites(self) -> list[str]:
        """The names one by one; raises `ConfigError`."""
        if self.names == "all":
            return [WORLD, *suites_below(Path(self.data))]
        names = [name.strip() for name in self.names.split(",")]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise ConfigError(f"got the suite {name!r} twice, expected each once; leave one out")
        return names

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds one by one; raises `ConfigError`."""
        try:
            return list(dict.fromkeys(int(seed) for seed in self.seeds.replace(",", " ").split()))
        except ValueError as error:
            raise ConfigError(f"got --seeds {self.seeds!r}, expected numbers such as 0,1,2") from error

    def load(self, suite: str, seed: int, model: LocalModel) -> Sequence[Episode]:
        """The episodes of one suite and seed; raises `ConfigError` or `EpisodeError`."""
        name, at, length = suite.partition("@")
        if at and not (length.isdecimal() and int(length) > 0):
            raise ConfigError(f"got the suite {suite!r}, expected a length in tokens behind @, such as {name}@10000")
        if name == WORLD:
            found = open_episodes(WORLD, tokens=int(length or self.tokens), episodes=self.episodes, seed=seed)
            return [replace(each, questions=each.questions[: self.questions]) for each in found]
        if name in SUITES:
            limits = Limits(
                episodes=self.episodes, questions=self.questions, length_tokens=int(length) if length else None
            )
            return suite_episodes(name, Path(self.data), seed=seed, limits=limits, count_tokens=model.counter)
        if not at and Path(name).exists():
            found = load_episodes(Path(name), seed=seed)[: self.episodes]
            return [replace(each, questions=each.questions[: self.questions]) for each in found]
        raise ConfigError(
            f"got the suite {name!r}, expected {WORLD}, a file of episodes, or one of {', '.join(SUITES)}"
        )


def run_suites(
    model_name: str,
    asked: AskedSuites,
    rivals: Rivals,
    *,
    budget: float | None,
    judge: bool,
    threads: int,
    out: Path,
) -> None:
    """Ask what is missing in `out`, print the tables and write the report there."""
    torch.set_num_threads(threads)
    console = Console()
    model = open_model(model_name)
    if judge and rivals.server is None:
        raise ConfigError("got --judge without a server, expected one; add --server and --served")
    with ExitStack() as stack:
        # First, so that bad names leave nothing behind.
        rivals.build(model, budget, config_of(model_name), stack)
        cells = plan(asked.suites, asked.seed_numbers, lambda suite, seed: asked.load(suite, seed, model))
        ledger = Ledger(out, _settings(model, asked, rivals, budget=budget, judge=judge))
        named: dict[str, WatchedSystem] = {}
        for name in rivals.listed:
            # Each system pays for itself, so that its seconds are its own.
            kept = partial(RecordedModel, file=out / "completions" / f"{name}.jsonl")
            alone = replace(rivals, names=name)
            [named[name]] = alone.build(model, budget, config_of(model_name), stack, wrap=kept)
        verdicts = out / "completions" / "judge.jsonl"
        judging = Judge(RecordedModel(rivals.open(stack), verdicts)) if judge else None
        with SweepProgress(console) as progress:
            for name, system in named.items():
                run_sweep(
                    {name: system},
                    cells,
                    ledger,
                    count_tokens=model.counter,
                    judge=judging,
                    pace=Pace(side_by_side=1, workers=SERVER_WORKERS) if name in PROMPTED else Pace(),
                    observer=progress,
                )
    titles = {name: Titles(title=system.name, read_budget=system.read_budget) for name, system in named.items()}
    findings = findings_of(Results(ledger, cells, titles), title="Evaluation", facts=_facts(model, asked, rivals))
    for board in findings.boards:
        console.print(f"\n[bold]{board.suite}[/]  {board.episodes} episodes, {board.questions} questions")
        console.print(rich_table(board.rows))
    console.print(f"The report is in [bold]{write_sweep_report(out, findings)}[/]")


def _settings(
    model: LocalModel, asked: AskedSuites, rivals: Rivals, *, budget: float | None, judge: bool
) -> dict[str, object]:
    """What decides a row; systems, suites and seeds stand in the rows themselves and may grow."""
    return {
        "model": weights_digest(model),
        "budget": budget,
        "tokens": asked.tokens,
        "episodes": asked.episodes,
        "questions": asked.questions,
        "server": rivals.server,
        "served": rivals.served,
        "answers": rivals.answers,
        "judge": judge,
        "embedder": None if rivals.embedder is None else str(rivals.embedder),
        "window": rivals.window_tokens,
    }


def weights_digest(model: LocalModel) -> str:
    """The same for the same weights, 16 hex digits."""
    found = hashlib.sha256()
    for name, value in sorted(model.network.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _facts(model: LocalModel, asked: AskedSuites, rivals: Rivals) -> dict[str, str]:
    return {
        "commit": commit(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "writer": f"{model.name} ({weights_digest(model)})",
        "reader": f"{rivals.served}" if rivals.answers else "the extractive rules",
        "systems": ", ".join(rivals.listed),
        "suites": ", ".join(asked.suites),
        "seeds": ", ".join(map(str, asked.seed_numbers)),
        "at most": f"{asked.episodes} episodes of a suite and seed, {asked.questions or 'all'} questions of each",
    }
