"""Imports point down. The two tables are the architecture: a new room or a new dependency needs a line here."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "memalpha"

FLOORS = (
    {"errors"},
    {"records", "text", "writing"},
    {"memory", "metrics"},
    {"agent"},
    {"data", "episode"},
    {"rewards", "service"},
    {"credit", "traces"},
    {"rl", "evaluation"},
    {"serve"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

THIRD_PARTY = {
    "numpy": ("memory", "data", "rewards", "rl", "evaluation"),
    "apsw": ("memory/store/sqlite.py",),
    "httpx": ("agent/endpoint.py", "serve/memory_proxy.py"),
    "tokenizers": ("agent/tokens.py", "rl"),
    "torch": (
        "rl",
        "agent/local.py",
        "agent/decoding.py",
        "agent/row_batch.py",
        "agent/device.py",
        "agent/vllm_model.py",
        "agent/encoder.py",
        "cli/measure.py",
        "cli/sweep.py",
        "cli/demo.py",
        "cli/serving.py",
    ),
    "transformers": ("rl", "agent/local.py", "agent/decoding.py", "agent/row_batch.py", "agent/encoder.py"),
    "jinja2": ("agent/local.py",),
    "peft": ("rl/low_rank.py",),
    "vllm": ("agent/vllm_model.py",),
    "safetensors": ("rl", "agent/local.py", "agent/encoder.py"),
    "mem0": ("evaluation/products.py",),
    "qdrant_client": ("evaluation/products.py",),
    "matplotlib": ("evaluation",),
    "psycopg": ("memory/store/postgres.py",),
    "pyarrow": ("data/parquet.py",),
    "fastapi": ("serve",),
    "starlette": ("serve",),
    "uvicorn": ("serve",),
    "prometheus_client": ("serve",),
    "pydantic": ("serve",),
    "pydantic_core": ("serve",),
    "anyio": ("serve",),
    "mcp": ("serve",),
    "mcp_types": ("serve",),
    "datasets": ("data/hub.py",),
    "huggingface_hub": ("rl/hub.py",),
    "wandb": ("rl/trackers.py",),
    "mlflow": ("rl/trackers.py",),
    "verl": ("rl/verl",),
    "ray": ("rl/verl",),
    "transfer_queue": ("rl/verl",),
    "tensordict": ("rl/verl",),
    "omegaconf": ("rl/verl",),
    "typer": ("cli",),
    "rich": ("cli", "evaluation/terminal.py"),
}
"""Which rooms or files may import a package from outside, wherever in the file the import stands."""


def test_imports_point_down() -> None:
    assert not list(wrong_imports(ROOT))


def test_each_room_is_on_one_floor() -> None:
    assert len(FLOOR) == sum(map(len, FLOORS))


UPWARD = "import memalpha.rl.train\n"
SIDEWAYS = "x = 1\nfrom memalpha import metrics\n"
DEFERRED = "def f():\n    from memalpha.cli import main\n    return main\n"
UNDER_TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from memalpha.agent.view import View\n"
BY_NAME = "from importlib import import_module\nx = import_module('memalpha.episode')\n"
NO_FLOOR = "import memalpha.helpers\n"
THE_PACKAGE = "import memalpha\n"
HEAVY = "def f():\n    import torch.nn\n"
UNKNOWN = "import requests\n"
RELATIVE = "from . import bank\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (UPWARD, "memory/x.py:1 memory -> rl"),
        (SIDEWAYS, "memory/x.py:2 memory -> metrics"),
        (DEFERRED, "memory/x.py:2 memory -> cli"),
        (UNDER_TYPE_CHECKING, "memory/x.py:3 memory -> agent"),
        (BY_NAME, "memory/x.py:2 memory -> episode"),
        (NO_FLOOR, "memory/x.py:1 memory -> helpers, which has no floor"),
        (THE_PACKAGE, "memory/x.py:1 memory -> memalpha itself"),
        (HEAVY, "memory/x.py:2 memory -> torch"),
        (UNKNOWN, "memory/x.py:1 memory -> requests, which is in no line of THIRD_PARTY"),
        (RELATIVE, "memory/x.py:1 memory -> a relative import"),
    ],
)
def test_what_points_elsewhere_is_named_with_its_line(tmp_path: Path, source: str, expected: str) -> None:
    write(tmp_path / "memory" / "x.py", source)
    assert list(wrong_imports(tmp_path)) == [expected]


def test_a_room_needs_a_floor(tmp_path: Path) -> None:
    write(tmp_path / "helpers.py", "")
    assert list(wrong_imports(tmp_path)) == ["helpers.py:1 helpers has no floor; give it one in FLOORS"]


def test_downward_inward_and_public_imports_pass(tmp_path: Path) -> None:
    write(tmp_path / "__init__.py", "from memalpha.cli import main\n")
    write(tmp_path / "memory" / "x.py", "import json\nimport numpy as np\nimport memalpha.memory.bank\n")
    write(tmp_path / "rl" / "x.py", "import torch\nfrom memalpha import memory\nfrom memalpha.episode import y\n")
    assert not list(wrong_imports(tmp_path))


def wrong_imports(root: Path) -> Iterator[str]:
    """`file:line room -> room` for each import that points up, sideways or out of the house."""
    for path in sorted(root.rglob("*.py")):
        file = path.relative_to(root).as_posix()
        here = file.removesuffix(".py").split("/")[0]
        if here == "__init__":  # the public face gathers from every floor
            continue
        if here not in FLOOR:
            yield f"{file}:1 {here} has no floor; give it one in FLOORS"
            continue
        for line, target in imports(path):
            problem = inside(here, target) if target.split(".")[0] == "memalpha" else outside(file, target)
            if problem:
                yield f"{file}:{line} {here} -> {problem}"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of a file: deferred ones, ones for types and ones by name as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom(module="memalpha", level=0):
                yield from ((node.lineno, f"memalpha.{alias.name}") for alias in node.names)
            case ast.ImportFrom(module=module, level=level):
                yield node.lineno, module if module and not level else "."
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def inside(here: str, target: str) -> str:
    """What is wrong with an import of our own, or nothing."""
    there = [*target.split("."), ""][1]
    if not there:
        return "memalpha itself"
    if there not in FLOOR:
        return f"{there}, which has no floor"
    return there if there != here and FLOOR[there] >= FLOOR[here] else ""


def outside(file: str, target: str) -> str:
    """What is wrong with an import from outside, or nothing."""
    package = target.split(".")[0]
    if not package:
        return "a relative import"
    if package in sys.stdlib_module_names:
        return ""
    if package not in THIRD_PARTY:
        return f"{package}, which is in no line of THIRD_PARTY"
    places = THIRD_PARTY[package]
    return "" if any(file in (place, f"{place}.py") or file.startswith(f"{place}/") for place in places) else package


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
