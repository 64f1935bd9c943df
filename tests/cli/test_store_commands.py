"""Files and checks of stores as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memalpha.cli.app import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.stdout


def test_a_memory_goes_from_store_to_store(folder: Path) -> None:
    run("add", "--raw", "Ana lives in Oslo.", "--user", "ana")
    run("undo", "1", "--user", "ana")
    run("add", "--raw", "Bo has a dog.", "--user", "bo")
    run("export", "--user", "ana", "--out", "ana.jsonl")
    assert run("export", "--user", "ana") == (folder / "ana.jsonl").read_text()
    assert run("import", "ana.jsonl", "--store", "other.db") == "default/ana: 1 inserts, 1 deletes, from memalpha\n"
    assert run("export", "--user", "ana", "--store", "other.db") == (folder / "ana.jsonl").read_text()
    again = "default/ana: this file was taken before; nothing was written\n"
    assert run("import", "ana.jsonl", "--store", "other.db") == again
    run("export", "--all", "--out", "all.jsonl")
    told = json.loads(run("import", "all.jsonl", "--store", "third.db", "--json"))
    assert [(each["user"], each["operations"]) for each in told] == [
        ("ana", {"insert": 1, "delete": 1}),
        ("bo", {"insert": 1}),
    ]
    assert run("export", "--format", "markdown", "--user", "bo").startswith(
        "# What is known of bo\n\n## Semantic\n\n- Bo"
    )


def test_what_is_left_out_of_an_import_is_told(folder: Path) -> None:
    rows = [{"memory": "Ana lives in Oslo", "metadata": {"a": 1}}, {"memory": ""}]
    (folder / "mem0.json").write_text(json.dumps({"results": rows}))
    assert run("import", "mem0.json", "--user", "ana") == (
        "default/ana: 1 inserts, from mem0\n"
        "  left out: 1 metadata and categories of memories\n"
        "  left out: 1 memories without a text\n"
    )
    (folder / "more.json").write_text(json.dumps([*rows, {"memory": "Ana has a dog"}]))
    assert run("import", "more.json", "--user", "ana", "--dry-run").splitlines()[-1] == "a dry run: nothing was written"
    assert run("show", "--user", "ana").count("\n") == 1


def test_the_doctor_ends_with_what_it_finds() -> None:
    run("add", "--raw", "Ana lives in Oslo.")
    assert run("doctor") == "1 memory, nothing is wrong\n"
    run("add", "--raw", "Ana lives in Rome.")
    line = run("doctor", status=1)
    assert line.startswith("contradiction\tdefault/me\tsemantic #1 'Ana lives in Oslo.' and #2 'Ana lives in Rome.'")
    found = json.loads(run("doctor", "--json", status=1))
    assert found["entries"] == [{"kind": "semantic", "id": 1}, {"kind": "semantic", "id": 2}]
    run("undo", "1")
    assert run("doctor", "--json") == ""
