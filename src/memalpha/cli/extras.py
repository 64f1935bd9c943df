"""What a command needs beyond the light packages, asked for before anything heavy is imported."""

from __future__ import annotations

from importlib.util import find_spec

from memalpha.errors import MissingExtraError

TRAINING = ("torch", "transformers", "safetensors")


def need_training() -> None:
    """Raise `MissingExtraError` where the extra `train` is not installed."""
    need("train", *TRAINING)


def need(extras: str, *packages: str) -> None:
    """Raise `MissingExtraError` for the first package that is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"this command needs {missing[0]}, which is not installed; run: pip install 'memalpha[{extras}]'"
        )
