"""Every configuration that ships loads."""

from pathlib import Path

import pytest

from memalpha.rl.config_file import load_config

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.toml"))


def test_there_are_configurations() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configuration_loads(path: Path) -> None:
    load_config(path)
