"""Each example runs by itself, without weights and without a network, and prints what its page promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"

PRINTS = {
    "01_memory_by_hand.py": "deleted episodic #2",
    "02_scripted_writer.py": "Score 1.000",
    "03_measure_baselines.py": "RAG-Top2",
    "04_a_users_memory.py": "Left of the PIN in the files: 0 places",
    "05_an_assistant_that_remembers.py": "Assistant: - User: My dog is called Rex.",
}


def test_every_example_is_listed() -> None:
    assert sorted(PRINTS) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_example_runs(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, EXAMPLES / name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert PRINTS[name] in run.stdout
    assert not list(tmp_path.iterdir())
