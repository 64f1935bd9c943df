from __future__ import annotations

from pathlib import Path

import pytest

from memalpha.errors import OutputError
from memalpha.memory.entry import MemoryKind, Provenance
from memalpha.memory.store import Scope, SQLiteDatabase, Store
from memalpha.service.exchange.files import FileFormat, export_memory, write_memory

CORE, EPISODIC, SEMANTIC = MemoryKind.CORE, MemoryKind.EPISODIC, MemoryKind.SEMANTIC


def filled(store: Store) -> Scope:
    ana = store.scope("acme", "ana")
    said = Provenance(time="2026-05-01")
    ana.update(CORE, None, "A chemist.", said)
    ana.insert(SEMANTIC, "Ana lives\nin Oslo.", said)
    ana.insert(EPISODIC, "Ana moved.", said)
    ana.update(SEMANTIC, 1, "Ana lives in Lisbon.", Provenance())
    return ana


def test_a_page_says_what_is_known_and_what_was(tmp_path: Path) -> None:
    with Store(SQLiteDatabase(tmp_path / "memory.db"), count_tokens=len) as store:
        assert export_memory(filled(store), tmp_path / "ana.md", FileFormat.MARKDOWN) == 2
    assert (tmp_path / "ana.md").read_text() == (
        "# What is known of ana\n\n## Core\n\nA chemist.\n\n"
        "## Episodic\n\n- Ana moved. (#2, 2026-05-01, user)\n\n"
        "## Semantic\n\n- Ana lives in Lisbon. (#1, user)\n  - before: Ana lives in Oslo.\n"
    )


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(SQLiteDatabase(tmp_path / "memory.db"), count_tokens=len) as store:
        ana = filled(store)
        file = tmp_path / "ana.jsonl"
        assert export_memory(ana, file) == 4
        whole = file.read_bytes()
        told: list[str] = []
        write_memory(ana, told.append, FileFormat.JSONL)
        assert "".join(told).encode() == whole
        with pytest.raises(OutputError, match="could not be written"):
            export_memory(ana, tmp_path / "absent" / "ana.jsonl")

        def fail(write: object) -> int:
            write("half a")  # type: ignore[operator]
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(ana, "archive", fail)
        with pytest.raises(OutputError, match="free some space"):
            export_memory(ana, file)
        assert file.read_bytes() == whole
        assert sorted(path.name for path in tmp_path.iterdir() if "ana" in path.name) == ["ana.jsonl"]
