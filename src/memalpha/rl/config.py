"""The configuration of a training run: small records, TOML files that hold only what differs, unknown keys refused.

    [run]  [data]  [writer]  [rollout]  [reward]  [optim]     one table for each record below

A file may name another one as its base: `base = "world.toml"`, relative to itself. At most 40 fields in all; a test
counts.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from memalpha.errors import ConfigError
from memalpha.rewards import RewardPreset
from memalpha.rl.advantage import Estimator
from memalpha.rl.objective import Aggregation, LossKind


class Precision(StrEnum):
    """In what the update computes; sampling is always in float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    """Autocast: several times quicker on a recent CPU or GPU, weights stay float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is trained, for how long and where."""

    model: str = "nano-warm"
    """A shipped name (nano, nano-warm) or the folder of a causal language model."""
    steps: int = 40
    """Rounds of sampling and learning."""
    seed: int = 0
    """Decides episodes, sampling and order; the same seed gives the same run on the same machine."""
    threads: int = 2
    """CPU threads; more than there are free cores is much slower than one."""
    device: str = "cpu"
    precision: Precision = Precision.BF16
    checkpoint_every: int = 5
    """Steps between checkpoints; the last two are kept."""
    validate_every: int = 10
    """Steps between greedy evaluations on held-out episodes; 0 for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where episodes come from."""

    source: str = "world"
    """"world" for the synthetic one, else a file or folder: Episode JSONL, a built set or a data set as published."""
    tokens: int = 440
    """Length of a world episode; ignored for files."""
    validation_episodes: int = 16
    """Held out from training; of files at most a tenth."""
    stored: float = 0.0
    """Share of the training episodes that begin with a filled memory (`memalpha.episode.store_first`), in their middle.

    It falls to 0 over the run: corrections need something to correct long before the writer keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSection:
    """What the writer is shown and may write (`memalpha.agent.view.ViewConfig`)."""

    newest: int = 1
    related: int = 1
    overlap: float = 0.6
    budgets: tuple[float, ...] = ()
    """Shares of a chunk that may be written; steps take them in turn. Empty is no limit."""
    passage: int = 200
    """The nano policy reads longer chunks in passages of so many tokens; models with a chat prompt read whole ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """How experience is gathered."""

    episodes: int = 12
    """Different episodes of one step."""
    group: int = 8
    """Samples of each episode, compared with each other (GRPO, arXiv:2402.03300)."""
    temperature: float = 1.0
    max_new_tokens: int = 96
    """A completion is cut there; cut completions are counted in the metrics."""
    branches: int = 0
    """Places of each episode where a group is sampled from one and the same memory; for estimator = "branched"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardConfig:
    """r = r1 + r2 + β·r3 + γ·r4."""

    preset: RewardPreset = RewardPreset.DEFAULT
    compression: float = 0.05
    """β, weight of r3."""
    content: float = 0.1
    """γ, weight of r4."""
    call_credit: float = 0.85
    """Share of the advantage of a call that is the value of that very call (`memalpha.credit`); 0 is the paper's."""
    credit: float = 0.7
    """Share of r1 and r3 that a step earns by the questions on its own chunk; 0 is the paper's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """How the policy learns from it."""

    estimator: Estimator = Estimator.PER_STEP
    normalise_std: bool = True
    mix: float = 0.5
    """Weight of the global term in the branched estimator."""
    loss: LossKind = LossKind.CLIPPED
    aggregation: Aggregation = Aggregation.TOKEN_MEAN
    clip_low: float = 0.2
    clip_high: float = 0.28
    """Above clip_low: clip-higher (DAPO, arXiv:2503.14476)."""
    kl: float = 0.0
    """Weight of the k3 distance to the initial policy."""
    rate: float = 1e-3
    """Peak learning rate of AdamW, reached after warm_up updates."""
    warm_up: int = 2
    minibatches: int = 6
    """Optimiser updates of one step."""
    micro_batch_tokens: int = 4_000
    """Raise it on a GPU, lower it when memory runs out; changes nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """All of it."""

    run: RunConfig = field(default_factory=RunConfig)
    data: DataConfig = field(default_factory=DataConfig)
    writer: WriterSection = field(default_factory=WriterSection)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work."""
        for name, least in _LEAST.items():
            _check(self._get(name) >= least, f"{name} is {self._get(name)}", f"at least {least}")
        for name in ("data.stored", "reward.credit", "reward.call_credit", "optim.mix", "optim.clip_low"):
            _check(0 <= self._get(name) <= 1, f"{name} is {self._get(name)}", "0 to 1")
        for name in ("rollout.temperature", "optim.rate"):
            _check(self._get(name) > 0, f"{name} is {self._get(name)}", "above 0")
        _check(
            all(0 < share <= 1 for share in self.writer.budgets),
            f"writer.budgets is {list(self.writer.budgets)}",
            "shares above 0 and at most 1",
        )
        branched = self.optim.estimator is Estimator.BRANCHED
        _check(
            branched == (self.rollout.branches > 0),
            f'optim.estimator is "{self.optim.estimator}" and rollout.branches is {self.rollout.branches}',
            'branches above 0 with estimator = "branched", and 0 with any other',
        )

    def _get(self, name: str) -> float:
        table, key = name.split(".")
        value: float = getattr(getattr(self, table), key)
        return value


_LEAST = {
    "run.steps": 1,
    "run.threads": 1,
    "run.checkpoint_every": 1,
    "run.validate_every": 0,
    "data.validation_episodes": 0,
    "writer.newest": 0,
    "writer.related": 0,
    "writer.passage": 1,
    "rollout.episodes": 1,
    "rollout.group": 2,
    "rollout.max_new_tokens": 1,
    "rollout.branches": 0,
    "optim.clip_high": 0,
    "optim.kl": 0,
    "optim.warm_up": 0,
    "optim.minibatches": 1,
    "optim.micro_batch_tokens": 1,
}
"""Least values; two samples are needed to compare one with another."""


def load_config(path: Path | None = None, overrides: Mapping[str, str] | None = None) -> TrainConfig:
    """The configuration of a TOML file with overrides such as {"run.steps": "60"}; raises `ConfigError`."""
    tables = _read(path) if path else {}
    for name, text in (overrides or {}).items():
        table, _, key = name.partition(".")
        if not key:
            raise ConfigError(f"got the override {name!r}, expected table.key=value, such as run.steps=60")
        tables.setdefault(table, {})[key] = _literal(text)
    return from_tables(tables, where=str(path) if path else "the configuration")


def from_tables(tables: Mapping[str, Any], *, where: str) -> TrainConfig:
    """A configuration from nested tables; `where` opens every error."""
    hints = get_type_hints(TrainConfig)
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{where}: got {type(tables).__name__}, expected tables, such as [run]")
    _known(tables, set(hints), where)
    try:
        return TrainConfig(
            **{name: _record(hints[name], table, f"{where}: [{name}]") for name, table in tables.items()}
        )
    except ConfigError as error:
        raise error if str(error).startswith(where) else ConfigError(f"{where}: {error}") from error


def to_tables(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Nested tables of plain values, which `from_tables` reads."""
    return dataclasses.asdict(config)


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, dict[str, Any]]:
    if path.resolve() in seen:
        raise ConfigError(f"{path}: is its own base; take the base key out of one of the files")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML ({error}); mend that line") from error
    base = tables.pop("base", None)
    merged = _read(path.parent / str(base), (*seen, path.resolve())) if base else {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: got the key {name!r} outside a table, expected it in one such as [run]")
        merged[name] = {**merged.get(name, {}), **table}
    return merged


def _record(kind: Any, table: object, where: str) -> Any:
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: got {table!r}, expected a table")
    hints = get_type_hints(kind)
    _known(table, {each.name for each in fields(kind)}, where)
    return kind(**{name: _value(hints[name], value, f"{where} {name}") for name, value in table.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: got {value!r}, expected a list")
        return tuple(_value(get_args(kind)[0], each, where) for each in value)
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise ConfigError(f"{where}: got {value!r}, expected one of {', '.join(kind)}")
        return kind(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    endless = isinstance(value, float) and not math.isfinite(value)
    if not isinstance(value, kind) or endless or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: got {value!r}, expected {_NAMES[kind]}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}


def _literal(text: str) -> Any:
    """The value of an override: TOML where it is some, else text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(f"{where}: got the unknown key {unknown[0]!r}, expected {', '.join(sorted(known))}")


def _check(good: bool, got: str, expected: str) -> None:
    if not good:
        raise ConfigError(f"{got}, expected {expected}")
