"""`train` with either engine: what it writes, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memalpha.cli import training
from memalpha.cli.app import app
from memalpha.errors import ConfigError
from memalpha.rl.config import EngineConfig, TrainConfig
from memalpha.rl.train import train

SMALL = [
    "--set=run.steps=1",
    "--set=run.validate_every=0",
    "--set=data.tokens=200",
    "--set=data.validation_episodes=1",
    "--set=rollout.episodes=1",
    "--set=rollout.group=2",
    "--set=rollout.max_new_tokens=2",
    "--set=engine.threads=1",
    "--set=engine.precision=fp32",
]


def command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", *arguments])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_the_local_engine_trains(tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = command("--name", "first", f"--set=run.model={tiny_policy}", *SMALL)
    assert status == 0
    assert output.endswith("look at it with: memalpha replay --model runs/first")
    assert Path("runs/first/policy/config.json").is_file()


def test_a_dry_run_writes_the_job_and_says_how_to_start_it(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--engine", "verl", "--dry-run", "--name", "first", "--set=engine.device=cuda"]
    status, output = command(*asked, f"--set=run.model={tiny_policy}", *SMALL)
    assert status == 0
    assert "Start it with: sh " in output
    assert Path("runs/first/verl/job.yaml").is_file()
    _, output = command(
        *asked[:-2], "second", *asked[-1:], f"--set=run.model={tiny_policy}", *SMALL, "--set=engine.nodes=2"
    )
    assert "On the first machine: sh" in output


def test_a_job_is_run_where_it_is_no_dry_run(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[object] = []
    monkeypatch.setattr(
        "memalpha.rl.verl.launch.run_job", lambda config, run, address: told.append((config.run.model, run, address))
    )
    command("--engine", "verl", "--name", "first", "--address", "auto", f"--set=run.model={tiny_policy}")
    assert told == [(str(tiny_policy), training.Path("runs/first"), "auto")]


def test_options_of_the_other_engine_are_refused() -> None:
    for option in (["--dry-run"], ["--address", "auto"]):
        with pytest.raises(ConfigError, match="--address and --dry-run go with --engine verl"):
            command(*option)


@pytest.mark.parametrize("table", [{"nodes": 2}, {"gpus": 8}])
def test_many_gpus_are_not_for_the_local_engine(tmp_path: Path, table: dict[str, int]) -> None:
    config = replace(TrainConfig(), engine=EngineConfig(**table))
    with pytest.raises(ConfigError, match=r"expected 1 of each with --engine local; train with --engine verl"):
        train(config, tmp_path / "first")
    assert not (tmp_path / "first").exists()
