"""Training configurations as TOML files that hold only what differs from the defaults; unknown keys are refused.

A file may name another one as its base: `base = "world.toml"`, relative to itself.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from memalpha.errors import ConfigError
from memalpha.rl.config import TrainConfig


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
        homes = [name for name, kind in get_type_hints(TrainConfig).items() if unknown[0] in get_type_hints(kind)]
        mend = f"; it belongs in [{homes[0]}]" if homes else ""
        raise ConfigError(f"{where}: got the unknown key {unknown[0]!r}, expected {', '.join(sorted(known))}{mend}")
