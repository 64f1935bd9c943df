"""Writes a result with what it takes to make it again: commit, machine, command, seeds."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from memalpha.cli.demo import commit
from memalpha.evaluation.harness import SystemScore

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs/bench")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def save(name: str, results: Any, *, seeds: list[int]) -> Path:
    """Write benchmarks/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    script = Path(sys.argv[0]).resolve()
    # Where the data lie differs from machine to machine.
    options = ["datasets" if Path(each).is_absolute() else each for each in sys.argv[1:]]
    command = ["python", f"benchmarks/{script.name}", *options]
    payload = {
        "commit": commit(),
        "machine": machine(),
        "command": shlex.join(command),
        "seeds": seeds,
        "results": results,
    }
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(payload, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def load(name: str) -> Any:
    """A result written before, None without one."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def row(score: SystemScore, **more: Any) -> dict[str, Any]:
    """One table row as plain values."""
    return {**asdict(score), **more}
