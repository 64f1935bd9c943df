"""memalpha reindex: another embedder, the same one, none, and files that are no store."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from memalpha.cli.app import app
from memalpha.errors import ConfigError, StoreError
from memalpha.memory.bank import MemoryKind, Provenance
from memalpha.memory.embedding import Embedder, HashedEmbedder
from memalpha.memory.layout import FLAT
from memalpha.memory.store import SQLiteDatabase, Store

SEMANTIC = MemoryKind.SEMANTIC


def opened(path: Path, embedder: Embedder | None = None) -> Store:
    return Store(SQLiteDatabase(path), count_tokens=len, embedder=embedder)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "memory.db"
    with opened(path) as store:
        store.scope("acme", "ana").insert(SEMANTIC, "Ann painted boats", Provenance())
    return path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["reindex", *arguments])
    if result.exception:
        raise result.exception
    return result.output.strip()


def test_a_store_gets_another_embedder_keeps_it_and_gives_it_up(file: Path) -> None:
    assert run(str(file), "--embedder", "hashed") == f"{file}: 1 memories, embedder hashed n-grams"
    for _ in range(2):
        with opened(file, HashedEmbedder()) as store:
            assert store.scope("acme", "ana").nearest(SEMANTIC, "painter", 1)[0].id == 1
        assert run(str(file)).endswith("embedder hashed n-grams")
    assert run(str(file), "--embedder", "none").endswith("embedder none")
    opened(file).close()


def test_the_layout_is_the_one_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "flat.db"
    with Store(SQLiteDatabase(path), count_tokens=len, layout=FLAT) as store:
        store.scope("acme", "ana").update(MemoryKind.CORE, None, "Ann paints", Provenance())
    run(str(path), "--embedder", "hashed")
    with pytest.raises(StoreError, match="written with the layout 'flat', got 'memalpha'"):
        opened(path, HashedEmbedder())


def test_what_is_no_store_or_no_embedder_is_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(ConfigError, match="which is no file"):
        run(str(tmp_path / "nothing.db"))
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(ConfigError, match="got the embedder 'bert'"):
        run(str(file), "--embedder", "bert")
    opened(file).close()
