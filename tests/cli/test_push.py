"""A run from its folder to an export that loads, and to a hub that refuses."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from memalpha.agent.local import load_local
from memalpha.cli.push import push_run
from memalpha.errors import CheckpointError, ConfigError, OutputError
from memalpha.rl.checkpoint import RunFolder
from memalpha.rl.config import RunConfig, TrainConfig


@pytest.fixture
def run(tiny_policy: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    made = RunFolder(path=folder)
    made.open(TrainConfig(run=RunConfig(steps=2)))
    for step in (1, 2):
        made.log_metrics({"step": step, "correctness": 0.25 * step, "rollout_seconds": 1.0, "update_seconds": 1.0})
    shutil.copytree(tiny_policy, folder / "policy")
    return folder


def pushed(run: Path, *, to: str | None = None, folder: Path | None = None) -> str:
    out = io.StringIO()
    push_run(run, to=to, folder=folder, console=Console(file=out))
    return out.getvalue()


def test_without_a_hub_the_export_is_a_model_with_a_card(run: Path, tmp_path: Path) -> None:
    told = pushed(run, folder=tmp_path / "out")
    assert told == f"The model is in {tmp_path / 'out'}, with its card in README.md\n"
    assert load_local(tmp_path / "out").tokenizer.chat_template
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "# out\n" in card
    assert "| 2 | 0.500 |" in card
    record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert (record["step"], record["settings"]["run.steps"], len(record["metrics"])) == (2, 2, 2)


def test_the_policy_of_a_checkpoint_is_told_as_one(run: Path) -> None:
    (run / "checkpoints" / "step-000001").mkdir(parents=True)
    (run / "policy").rename(run / "checkpoints" / "step-000001" / "policy")
    pushed(run, folder=run / "export")
    assert "the policy after step 1 of 2" in (run / "export" / "README.md").read_text(encoding="utf-8")


def test_the_evaluation_of_the_demo_is_in_the_card(run: Path) -> None:
    row = {"system": "After RL", "score": 0.8, "low": 0.7, "high": 0.9, "memory_share": 0.3, "episodes": 9, "more": 1}
    (run / "report.json").write_text(json.dumps({"systems": [row]}), encoding="utf-8")
    pushed(run, folder=run / "export")
    assert "| After RL | 0.800 [0.700, 0.900] | 30% | 9 |" in (run / "export" / "README.md").read_text(encoding="utf-8")
    (run / "report.json").write_text('{"systems": [{}]}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"report.json is damaged \(KeyError"):
        pushed(run, folder=run / "export")


def test_a_failed_upload_leaves_the_export(run: Path) -> None:
    with pytest.raises(OutputError, match=r"ann/first was not uploaded .*the export is whole in .*export"):
        pushed(run, to="ann/first")  # the tests are offline
    assert "# ann/first\n" in (run / "export" / "README.md").read_text(encoding="utf-8")
    assert load_local(run / "export").name


def test_a_place_is_needed_and_looked_at_before_anything_is_written(run: Path) -> None:
    with pytest.raises(ConfigError, match="got neither --to nor --folder"):
        pushed(run)
    with pytest.raises(ConfigError, match="expected owner/name"):
        pushed(run, to="first")
    assert not (run / "export").exists()
