from __future__ import annotations

import json
from pathlib import Path

import pytest

from memalpha.errors import ArchiveError
from memalpha.memory.entry import MemoryKind, Origin, Provenance
from memalpha.memory.store import SQLiteDatabase, Store
from memalpha.service.exchange.files import export_memory
from memalpha.service.exchange.foreign import Shape
from memalpha.service.exchange.shapes import is_archive, read_foreign


def written(folder: Path, data: object) -> Path:
    file = folder / "f.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return file


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ({"results": [{"memory": "x"}]}, Shape.MEM0),
        ('\ufeff[{"memory": "x"}]', Shape.MEM0),
        ('{"memory": "x", "user_id": "ana"}\n\n{"memory": "y"}\n', Shape.MEM0),
        ({"agents": [], "blocks": []}, Shape.LETTA),
        ({"edges": [], "episodes": []}, Shape.ZEP),
    ],
)
def test_a_file_is_known_by_what_is_in_it(tmp_path: Path, data: object, shape: Shape) -> None:
    file = written(tmp_path, data)
    assert read_foreign(file).shape is shape
    assert not is_archive(file)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        ({"a": 1, "b": 2}, "got an object with a, b, expected an export of memalpha, mem0, Letta or Zep"),
        ({}, "got an object with nothing in it"),
        ({"\u2028\n": 1}, r"got an object with \\u2028\\n, expected"),
        ([], "got a list"),
        (3, "got int"),
        ("{", "got what is not JSON in UTF-8"),
        ("", "got what is not JSON in UTF-8"),
        ('{"memory": "x"}\n{', "got what is not JSON in UTF-8"),
        ("[" * 100_000, "got what is not JSON in UTF-8"),
        ({"results": [{"memory": "x"}, 3]}, "got list, expected a list of JSON objects"),
    ],
)
def test_any_other_is_refused_in_one_sentence(tmp_path: Path, data: object, got: str) -> None:
    with pytest.raises(ArchiveError) as raised:
        read_foreign(written(tmp_path, data))
    assert got.replace("\\\\", "\\") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ArchiveError, match=r"absent\.json cannot be read \(No such file or directory\); check the path"
    ):
        read_foreign(tmp_path / "absent.json")


def test_of_an_archive_the_live_entries_are_read(tmp_path: Path) -> None:
    with Store(SQLiteDatabase(tmp_path / "memory.db"), count_tokens=len) as store:
        ana = store.scope("acme", "ana")
        said = Provenance(time="2026-05-01", origin=Origin.TOOL)
        ana.insert(MemoryKind.SEMANTIC, "one", said)
        ana.insert(MemoryKind.SEMANTIC, "two", said)
        ana.update(MemoryKind.SEMANTIC, 1, "three", said)
        ana.delete(MemoryKind.SEMANTIC, 2, said)
        ana.update(MemoryKind.CORE, None, "the core", said)
        export_memory(ana, tmp_path / "ana.jsonl")
    foreign = read_foreign(tmp_path / "ana.jsonl")
    assert foreign.shape is Shape.MEMALPHA
    assert [(event.kind, event.text, event.time, event.origin) for event in foreign.events["ana"]] == [
        (MemoryKind.CORE, "the core", "2026-05-01", Origin.TOOL),
        (MemoryKind.SEMANTIC, "three", "2026-05-01", Origin.TOOL),
    ]
    assert foreign.left_out == {"operations of the past": 3}
