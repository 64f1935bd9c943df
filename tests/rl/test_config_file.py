"""The configuration: every field by TOML, base files, overrides, and what is refused with which words."""

import dataclasses
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from memalpha.errors import ConfigError
from memalpha.rl.advantage import Estimator
from memalpha.rl.config import TrainConfig
from memalpha.rl.config_file import from_tables, load_config, to_tables
from memalpha.rl.objective import Aggregation, LossKind

TABLES = get_type_hints(TrainConfig)
FIELDS = [(table, field.name) for table, kind in TABLES.items() for field in dataclasses.fields(kind)]


NEEDED = {
    "branches": '[optim]\nestimator = "branched"\n',
    "reader": 'reader_model = "qwen"\n',
    "reader_model": 'reader = "http://localhost:8000/v1"\n',
    "judge": 'reader = "http://localhost:8000/v1"\nreader_model = "qwen"\n',
    "weights": "[optim]\nlora_rank = 8\n",
}
"""What a field cannot do without."""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def other_value(value: Any) -> Any:
    """A value of the same type that is allowed as well and is not this one."""
    match value:
        case bool():
            return not value
        case StrEnum():
            return next(each for each in type(value) if each not in (value, Estimator.BRANCHED))
        case int():
            return value + 1
        case float():
            return value / 2 + 0.01
        case tuple():
            return tuple(type(value[0])) if value else (0.25, 0.5)
        case _:
            return f"another {value}"


def as_toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(as_toml, value))}]"
    return str(value)


def test_there_are_at_most_40_fields() -> None:
    assert sum(table != "engine" for table, _ in FIELDS) <= 40
    assert sum(table == "engine" for table, _ in FIELDS) <= 15


@pytest.mark.parametrize(("table", "name"), FIELDS, ids=str)
def test_every_field_is_read_from_toml(tmp_path: Path, table: str, name: str) -> None:
    default = getattr(getattr(TrainConfig(), table), name)
    value = other_value(default)
    text = f"[{table}]\n{name} = {as_toml(value)}\n"
    text += NEEDED.get(name, "")
    config = load_config(written(tmp_path / "a.toml", text))
    got = getattr(getattr(config, table), name)
    assert got == value != default
    assert type(got) is type(default)
    # And back, as run.json holds it.
    assert from_tables(to_tables(config), where="again") == config


def test_no_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config() == TrainConfig() == load_config(written(tmp_path / "empty.toml", ""))


def test_only_what_is_named_differs(tmp_path: Path) -> None:
    config = load_config(
        written(tmp_path / "a.toml", "[optim]\nrate = 1\nclip_low = 0.1\n[writer]\nbudgets = [1, 0.5]\n")
    )
    default = TrainConfig()
    assert config == dataclasses.replace(
        default,
        optim=dataclasses.replace(default.optim, rate=1.0, clip_low=0.1),
        writer=dataclasses.replace(default.writer, budgets=(1.0, 0.5)),
    )


def test_a_base_is_read_first_from_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    written(tmp_path / "root.toml", '[run]\nsteps = 7\nseed = 1\n[optim]\nloss = "cispo"\n')
    written(tmp_path / "middle.toml", 'base = "root.toml"\n[run]\nseed = 2\n[engine]\nthreads = 3\n')
    config = load_config(written(tmp_path / "inner" / "leaf.toml", 'base = "../middle.toml"\n[engine]\nthreads = 4\n'))
    assert (config.run.steps, config.run.seed, config.engine.threads) == (7, 2, 4)
    assert config.optim.loss is LossKind.CISPO


def test_a_base_that_comes_back_to_itself_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.toml", 'base = "b.toml"\n')
    with pytest.raises(ConfigError, match=r"b\.toml: is its own base; take the base key out"):
        load_config(written(tmp_path / "b.toml", 'base = "a.toml"\n'))


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read .*check the path"):
        load_config(written(tmp_path / "a.toml", 'base = "gone.toml"\n'))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[runs]\n", r"got the unknown key 'runs', expected data, engine, optim, reward, rollout, run, writer"),
        ("[run]\nstep = 3\n", r"\[run\]: got the unknown key 'step', expected .*, steps, "),
        ("[run]\ndevice = 3\n", r"\[run\]: got the unknown key 'device', expected .*; it belongs in \[engine\]$"),
        ("steps = 3\n", "got the key 'steps' outside a table, expected it in one such as"),
        ("[run]\nsteps = 3.5\n", r"\[run\] steps: got 3\.5, expected a whole number"),
        ("[run]\nsteps = true\n", r"\[run\] steps: got True, expected a whole number"),
        ('[run]\nsteps = "3"\n', r"\[run\] steps: got '3', expected a whole number"),
        ('[optim]\nrate = "fast"\n', r"\[optim\] rate: got 'fast', expected a number"),
        ("[optim]\nrate = true\n", r"\[optim\] rate: got True, expected a number"),
        ("[optim]\nrate = inf\n", r"\[optim\] rate: got inf, expected a number"),
        ("[reward]\ncontent = nan\n", r"\[reward\] content: got nan, expected a number"),
        ("[optim]\nnormalise_std = 1\n", r"\[optim\] normalise_std: got 1, expected true or false"),
        ("[run]\nmodel = 3\n", r"\[run\] model: got 3, expected text in quotes"),
        ("[writer]\nbudgets = 0.5\n", r"\[writer\] budgets: got 0\.5, expected a list"),
        ('[writer]\nbudgets = ["a"]\n', r"\[writer\] budgets: got 'a', expected a number"),
        (
            '[optim]\nestimator = "best"\n',
            r"\[optim\] estimator: got 'best', expected one of pooled, trajectory, per_step, branched",
        ),
        ("[optim]\nloss = 1\n", r"\[optim\] loss: got 1, expected one of clipped, cispo"),
        ("[run]\nsteps = \n", r"is not TOML \(.*line 2.*\); mend that line"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/a\.toml: .*{expected}") as caught:
        load_config(written(tmp_path / "a.toml", text))
    assert str(caught.value).count("a.toml") == 1


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"run.steps": "0"}, "run.steps is 0, expected at least 1"),
        ({"engine.threads": "0"}, "engine.threads is 0, expected at least 1"),
        ({"engine.checkpoint_every": "0"}, "engine.checkpoint_every is 0, expected at least 1"),
        ({"run.validate_every": "-1"}, "run.validate_every is -1, expected at least 0"),
        ({"data.stored": "1.5"}, "data.stored is 1.5, expected 0 to 1"),
        ({"data.validation_episodes": "-1"}, "data.validation_episodes is -1, expected at least 0"),
        ({"writer.newest": "-1"}, "writer.newest is -1, expected at least 0"),
        ({"writer.related": "-1"}, "writer.related is -1, expected at least 0"),
        ({"writer.budgets": "[0.5, 0.0]"}, "writer.budgets is [0.5, 0.0], expected shares above 0 and at most 1"),
        ({"writer.budgets": "[1.5]"}, "writer.budgets is [1.5], expected shares above 0 and at most 1"),
        ({"rollout.group": "1"}, "rollout.group is 1, expected at least 2"),
        ({"rollout.episodes": "0"}, "rollout.episodes is 0, expected at least 1"),
        ({"rollout.max_new_tokens": "0"}, "rollout.max_new_tokens is 0, expected at least 1"),
        ({"rollout.temperature": "0"}, "rollout.temperature is 0.0, expected above 0"),
        ({"reward.call_credit": "1.5"}, "reward.call_credit is 1.5, expected 0 to 1"),
        ({"reward.credit": "1.5"}, "reward.credit is 1.5, expected 0 to 1"),
        ({"optim.mix": "-0.1"}, "optim.mix is -0.1, expected 0 to 1"),
        ({"optim.clip_low": "2"}, "optim.clip_low is 2.0, expected 0 to 1"),
        ({"optim.clip_high": "-1"}, "optim.clip_high is -1.0, expected at least 0"),
        ({"optim.kl": "-1"}, "optim.kl is -1.0, expected at least 0"),
        ({"optim.rate": "0"}, "optim.rate is 0.0, expected above 0"),
        ({"optim.warm_up": "-1"}, "optim.warm_up is -1, expected at least 0"),
        ({"optim.minibatches": "0"}, "optim.minibatches is 0, expected at least 1"),
        ({"engine.micro_batch_tokens": "0"}, "engine.micro_batch_tokens is 0, expected at least 1"),
        ({"engine.nodes": "0"}, "engine.nodes is 0, expected at least 1"),
        (
            {"reward.reader": "http://localhost:8000/v1"},
            'reward.reader is "http://localhost:8000/v1" and reward.reader_model is "", expected both or neither',
        ),
        ({"reward.judge": "true"}, "reward.judge is true, expected reward.reader to ask"),
        (
            {"engine.weights": "bf16"},
            'engine.weights is "bf16" and optim.lora_rank is 0, '
            "expected a rank above 0, or fp32 weights: updates smaller than a rounding step would be lost",
        ),
        (
            {"optim.estimator": "branched"},
            'optim.estimator is "branched" and rollout.branches is 0, '
            'expected branches above 0 with estimator = "branched", and 0 with any other',
        ),
        (
            {"rollout.branches": "2"},
            'optim.estimator is "per_step" and rollout.branches is 2, '
            'expected branches above 0 with estimator = "branched", and 0 with any other',
        ),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(override: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, override)
    assert str(caught.value) == f"the configuration: {expected}"


def test_overrides_win_over_the_file_and_come_in_any_type(tmp_path: Path) -> None:
    file = written(tmp_path / "a.toml", "[run]\nsteps = 7\nseed = 8\n")
    config = load_config(
        file,
        {
            "run.steps": "9",
            "run.model": "runs/a/policy",
            "engine.device": '"cuda"',
            "optim.rate": "1e-4",
            "optim.normalise_std": "false",
            "optim.aggregation": "prompt_mean",
            "optim.estimator": "branched",
            "rollout.branches": "2",
            "writer.budgets": "[0.5]",
        },
    )
    assert (config.run.steps, config.run.seed) == (9, 8)
    assert (config.run.model, config.engine.device) == ("runs/a/policy", "cuda")
    assert (config.optim.rate, config.optim.normalise_std) == (1e-4, False)
    assert config.optim.aggregation is Aggregation.PROMPT_MEAN
    assert config.optim.estimator is Estimator.BRANCHED
    assert config.writer.budgets == (0.5,)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"steps": "3"}, "got the override 'steps', expected table.key=value, such as run.steps=60"),
        ({"run.step": "3"}, r"the configuration: \[run\]: got the unknown key 'step'"),
        ({"loop.steps": "3"}, "the configuration: got the unknown key 'loop'"),
        ({"run.steps": "many"}, r"the configuration: \[run\] steps: got 'many', expected a whole number"),
    ],
)
def test_a_wrong_override_is_named(override: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{expected}"):
        load_config(None, override)


@pytest.mark.parametrize("tables", [[], None, "run", {"run": 3}])
def test_what_is_no_table_is_refused(tables: Any) -> None:
    with pytest.raises(ConfigError, match=r"^x: .*got .*, expected (a table|tables)"):
        from_tables(tables, where="x")


def test_reading_a_configuration_loads_no_torch() -> None:
    code = "import sys; from memalpha.rl.config_file import load_config; load_config(); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("False", "")
