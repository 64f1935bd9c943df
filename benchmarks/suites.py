"""Every system on suites of real data and on the world: tables by competency, by length and by parts of the memory.

    python benchmarks/suites.py --data ../shared/data --seeds 0 1 2

Answers are kept in runs/bench/suites-<part>, so that an interrupted run asks the rest. "Mem-α" is the shipped writer;
the writers for real text are those of mixture.py, which is run first.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import torch
from record import RUNS, save

from memalpha.agent.local import load_local
from memalpha.agent.tokens import nano_counter
from memalpha.agent.writer import Writer
from memalpha.cli.measure import config_of, open_model, writer_of
from memalpha.cli.progress import SweepProgress
from memalpha.cli.sweep import AskedSuites
from memalpha.evaluation.baselines import WatchedSystem, WriterSystem
from memalpha.evaluation.ledger import Ledger
from memalpha.evaluation.standings import Results, Titles
from memalpha.evaluation.sweep import plan, run_sweep
from memalpha.evaluation.sweep_report import findings_of, write_sweep_report
from memalpha.evaluation.systems import ABLATIONS, LOCAL, Setup, build_systems

BUDGET = 0.6
"""Of a passage, as the writers for real text are trained; sentences do not fill it, so that less is kept."""
REAL = "memalpha-real"
BUDGETED = "memalpha-budgeted"
"""The shipped writer with the same budget, which it has never seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One evaluation: what is asked of whom."""

    suites: tuple[str, ...]
    systems: tuple[str, ...]
    """Names in `SYSTEMS`, `BUDGETED`, and `REAL` with the seed of a writer for real text behind a dash."""
    episodes: int
    """Of a suite and seed at most."""


def parts(seeds: Sequence[int]) -> Mapping[str, Part]:
    """All of them, by name."""
    real = tuple(f"{REAL}-{seed}" for seed in seeds)
    return {
        "main": Part(
            suites=(
                "long-squad", "long-hotpotqa", "icl-banking77", "icl-clinc150", "icl-nlu", "summary-squality",
                "summary-qmsum", "conflict-mquake-single", "conflict-mquake-multi", "world@2000",
            ),
            systems=(*LOCAL, BUDGETED, "mem0-raw", *real),
            episodes=1,
        ),
        "length": Part(
            suites=tuple(f"long-squad@{length}" for length in (10_000, 32_000, 100_000, 474_000)),
            systems=("long-context", "rag-top2", "sentence-bm25", f"{REAL}-{seeds[0]}"),
            episodes=1,
        ),
        "parts": Part(
            suites=("world@440", "world@2000", "long-squad@4000", "conflict-mquake-single@4000"),
            systems=("memalpha-untrained", "memalpha", *ABLATIONS, f"{REAL}-{seeds[0]}"),
            episodes=4,
        ),
    }  # fmt: skip


def build(names: Sequence[str]) -> dict[str, WatchedSystem]:
    """The systems by their names."""
    count = nano_counter()
    setup = Setup(
        count_tokens=count, writer=writer_of(load_local("nano")), untrained=writer_of(load_local("nano-warm"))
    )

    def mem_alpha(title: str, writer: Writer) -> WatchedSystem:
        [system] = build_systems(["memalpha"], replace(setup, writer=writer))
        assert isinstance(system, WriterSystem)
        return replace(system, name=f"Mem-α, {title}")

    found: dict[str, WatchedSystem] = {}
    for name in names:
        if name.startswith(REAL):
            seed = name.rpartition("-")[2]
            folder = str(RUNS / f"mixture-{seed}")
            writer = writer_of(open_model(folder), BUDGET, config_of(folder))
            found[name] = mem_alpha(f"real text, seed {seed}", writer)
        elif name == BUDGETED:
            found[name] = mem_alpha(f"budget {BUDGET:.0%}", writer_of(load_local("nano"), BUDGET))
        else:
            [found[name]] = build_systems([name], setup)
    return found


def evaluate(name: str, part: Part, data: Path, seeds: Sequence[int]) -> None:
    """Ask what is missing, write the report and the result."""
    began, folder = time.monotonic(), RUNS / f"suites-{name}"
    asked = AskedSuites(
        names=",".join(part.suites),
        data=str(data),
        seeds=" ".join(map(str, seeds)),
        tokens=440,
        episodes=part.episodes,
        questions=None,
    )
    model = load_local("nano")
    cells = plan(asked.suites, asked.seed_numbers, lambda suite, seed: asked.load(suite, seed, model))
    ledger = Ledger(folder, {"episodes": part.episodes, "budget": BUDGET})
    systems = build([each for each in part.systems if each != "mem0-raw" or find_spec("mem0")])
    with SweepProgress() as progress:
        for each, system in systems.items():
            run_sweep({each: system}, cells, ledger, count_tokens=model.counter, observer=progress)
    titles = {each: Titles(title=system.name, read_budget=system.read_budget) for each, system in systems.items()}
    findings = findings_of(
        Results(ledger, cells, titles),
        title=f"Suites: {name}",
        facts={"command": "python benchmarks/suites.py", "seeds": asked.seeds, "part": name},
    )
    write_sweep_report(folder, findings)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = {**asdict(findings), "seconds": time.monotonic() - began, "peak_mib": peak_mib}
    save(f"suites_{name}", result, seeds=list(seeds))
    print(f"{name}: {result['seconds']:.0f} s, peak {peak_mib:.0f} MiB, report in {folder}/report.html", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", default=["main", "length", "parts"])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = parts(options.seeds)
    for name in options.parts:
        evaluate(name, chosen[name], options.data, options.seeds[:1] if name == "length" else options.seeds)


if __name__ == "__main__":
    main()
