"""The public API is this list; a name is added or removed here on purpose."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import memalpha

ROOT = Path(__file__).parents[1]

PUBLIC = {
    "Chunk",
    "Question",
    "Episode",
    "Metric",
    "Competency",
    "Message",
    "ToolCall",
    "ToolResult",
    "read_episodes",
    "write_episodes",
    "MemalphaError",
    "Memory",
    "AsyncMemory",
    "wrap_openai",
    "Bank",
    "MemoryKind",
    "Entry",
    "Layout",
    "MEMALPHA",
    "Model",
    "ScriptedModel",
    "EndpointModel",
    "Writer",
    "Reader",
    "ExtractiveReader",
    "run_episode",
    "make_episode",
    "__version__",
}

HEAVY = {
    "torch",
    "transformers",
    "safetensors",
    "tensorboard",
    "matplotlib",
    "pyarrow",
    "datasets",
    "pandas",
    "fastapi",
    "uvicorn",
}


def test_the_public_names_are_the_listed_ones() -> None:
    assert set(memalpha.__all__) == PUBLIC
    assert len(memalpha.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__", "MEMALPHA"}))
def test_every_public_name_is_explained(name: str) -> None:
    doc = getattr(memalpha, name).__doc__
    assert doc
    assert not doc.startswith(f"{name}(")  # what dataclass writes when nobody else did


@pytest.mark.parametrize("module", ["memalpha", "memalpha.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {HEAVY}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr


@pytest.mark.parametrize(
    ("file", "pattern"), [("CITATION.cff", r"^version: (\S+)$"), ("CHANGELOG.md", r"^## \[(\d\S*)\]")]
)
def test_the_version_is_the_same_everywhere(file: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == memalpha.__version__
