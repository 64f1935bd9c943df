"""The tables of the documents equal the code: fields, metrics, modules, and the functions and tests they name."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from memalpha.agent.local import load_local
from memalpha.rl.config import (
    DataConfig,
    EngineConfig,
    OptimConfig,
    Precision,
    RolloutConfig,
    RunConfig,
    TrainConfig,
)
from memalpha.rl.config_file import to_tables
from memalpha.rl.learner import Learner
from memalpha.rl.rows import Row
from memalpha.rl.train import train

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "memalpha"

NAMED = re.compile(r"\[`([\w.]+)`\]\(\.\./((?:src|tests)/[^)]+\.py)\)")


def test_every_field_stands_in_train_md_with_its_default() -> None:
    written = [(row[0], row[1]) for row in rows("train.md", "Field")]
    defaults = [
        (f"`{table}.{key}`", f"`{json.dumps(value)}`")
        for table, values in to_tables(TrainConfig()).items()
        for key, value in values.items()
    ]
    assert sorted(written) == sorted(defaults)


def test_fields_stand_in_their_tables_in_the_order_of_the_sections() -> None:
    tables = [row[0].strip("`").split(".")[0] for row in rows("train.md", "Field")]
    assert list(dict.fromkeys(tables)) == [each.name for each in fields(TrainConfig)]
    assert tables == sorted(tables, key=[each.name for each in fields(TrainConfig)].index)


def test_every_metric_stands_in_metrics_md(tiny_policy: Path, tmp_path: Path) -> None:
    written = {row[0].strip("`") for row in rows("metrics.md", "Name")} | {"step"}
    assert written == metrics_of_a_run(tiny_policy, tmp_path) | metrics_of_an_update(tiny_policy)


def test_every_module_stands_in_architecture_md() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("```")[1]
    listed = (SOURCE / "data" / "sources", SOURCE / "data" / "suites")  # in data.md and suites.md, a row each
    below = {"__init__.py", *(path.name for folder in listed for path in folder.glob("*.py"))}
    named = set(re.findall(r"\w+\.py", tree)) - below
    assert named == {path.name for path in SOURCE.rglob("*.py")} - below


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_named_function_and_test_is_there(page: Path) -> None:
    gone = []
    for name, file in NAMED.findall(page.read_text(encoding="utf-8")):
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        if not all(re.search(rf"\b(?:def|class) {part}\b", text) for part in name.split(".")):
            gone.append(f"{name} in {file}")
    assert not gone


def test_every_equation_has_a_function_and_a_test() -> None:
    lines = [
        line for line in (ROOT / "docs" / "equations.md").read_text(encoding="utf-8").splitlines() if "](../" in line
    ]
    assert lines
    for line in lines:
        assert [file.split("/")[0] for _, file in NAMED.findall(line)] == ["src", "tests"], line


def rows(page: str, first_column: str) -> list[list[str]]:
    """The cells of every table of a page whose first column has this title."""
    found, inside = [], False
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_column:
            inside = True
        elif inside and not cells[0].startswith("---"):
            found.append(cells)
    return found


def metrics_of_a_run(policy: Path, folder: Path) -> set[str]:
    config = TrainConfig(
        run=RunConfig(model=str(policy), steps=1, validate_every=1),
        engine=EngineConfig(threads=1, precision=Precision.FP32),
        data=DataConfig(tokens=200, validation_episodes=1),
        rollout=RolloutConfig(episodes=1, group=2, max_new_tokens=2),
    )
    train(config, folder)
    [line] = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return set(json.loads(line))


def metrics_of_an_update(policy: Path) -> set[str]:
    row: dict[str, Any] = {"prompt_ids": (5, 6), "token_ids": (7, 1), "logprobs": (-7.0, -7.0), "group": 0}
    learner = Learner(load_local(policy), OptimConfig(), engine=EngineConfig(precision=Precision.FP32))
    return set(learner.update([Row(advantage=1.0, **row), Row(advantage=-1.0, **row)], seed=0))
