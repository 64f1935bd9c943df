"""The commands on a memory as they are typed: what they print, and bad input as one sentence with status 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import memalpha
from memalpha.cli.app import app, main
from memalpha.cli.opening import Whose
from memalpha.cli.remembering import run_erase

COMMANDS = ("add", "search", "show", "history", "undo", "erase", "export", "import", "doctor")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1])}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, text: str = "") -> str:
    """The output of a command that ends well."""
    result = CliRunner().invoke(app, arguments, input=text)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def fill() -> None:
    run("add", "--raw", "Ana lives in Oslo.", "--at", "2026-05-01")
    run("add", "--raw", "Ana has a [bold]dog[/bold].", "--kind", "episodic", "--at", "2026-05-02")


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The sentence of a command that is refused."""
    monkeypatch.setattr(sys, "argv", ["memalpha", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    return error


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert f"memalpha {command}" in run(command, "--help")


def test_what_is_added_is_found_and_shown_without_a_terminal_as_plain_lines() -> None:
    assert run("add", "--raw", "Ana lives in Oslo.", "--at", "2026-05-01") == "+ semantic #1: Ana lives in Oslo.\n"
    assert run("add", "--raw", "--kind", "episodic", text="Ana has a [bold]dog[/bold].\n") == (
        "+ episodic #2: Ana has a [bold]dog[/bold].\n"
    )
    assert run("search", "Where is Oslo?").splitlines()[0].split("\t")[1:] == [
        "#1",
        "semantic",
        "2026-05-01",
        "Ana lives in Oslo.",
    ]
    assert run("show", "--kind", "semantic") == "#1\tsemantic\t2026-05-01\tAna lives in Oslo.\n"
    assert "bm25 1" in run("search", "Oslo", "--explain")
    assert run("search", "unheard of") == ""


def test_json_is_for_machines() -> None:
    fill()
    (found,) = told("search", "Oslo")
    assert (found["id"], found["kind"], found["text"], found["origin"]) == (1, "semantic", "Ana lives in Oslo.", "user")
    assert found["score"] > 0
    assert [entry["id"] for entry in told("show")] == [1, 2]
    assert told("show", "1")["versions"] == []
    added = told("add", "--raw", "Ana has a cat.", "--origin", "tool", "--key", "k")
    assert [operation["origin"] for operation in added["operations"]] == ["tool"]
    assert told("add", "--raw", "Ana has a cat.", "--origin", "tool", "--key", "k") == added
    assert [change["number"] for change in told("history")] == [1, 2, 3]


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    fill()
    plan = run("add", "--raw", "Ana has a cat.", "--dry-run")
    assert plan == "+ semantic #3: Ana has a cat.\na dry run: nothing was written\n"
    assert len(told("show")) == 2


def test_the_past_is_shown_undone_and_erased() -> None:
    fill()
    run("undo", "1")
    assert run("show") == "#2\tepisodic\t2026-05-02\tAna has a [bold]dog[/bold].\n"
    assert run("show", "--as-of", "1") == "#1\tsemantic\t2026-05-01\tAna lives in Oslo.\n"
    assert [line.split("\t")[2] for line in run("history", "1").splitlines()] == ["insert", "undo of 1"]
    assert run("undo", "3") == "+ semantic #1: Ana lives in Oslo.\n"
    assert run("erase", "#2", "--yes") == "erased #2 of default/me: 1 operations, receipt 1\n"
    assert [change["id"] for change in told("history")] == [1, 1, 1]
    assert told("erase", "--yes")["operations"] == 3
    assert told("history") == []


def test_users_and_tenants_are_apart() -> None:
    run("add", "--raw", "mine", "--user", "ana", "--tenant", "acme")
    assert run("show", "--user", "ana") == run("show", "--user", "bo", "--tenant", "acme") == ""
    assert "mine" in run("show", "--user", "ana", "--tenant", "acme")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["show", "--store", "absent.db"], "absent.db is not there, expected the file of a store"),
        (["show", "--store", "notes.txt"], "is damaged or no store"),
        (["show", "9"], "got 9, which is not in memory"),
        (["show", "dog"], "got 'dog', expected the id of an entry"),
        (["show", "--as-of", "soon"], "got 'soon' for --as-of"),
        (["search", "x", "--since", "05/01"], "got '05/01' for --since"),
        (["history", "episodic"], "got 'episodic', expected the id"),
        (["undo", "99"], "got operation 99, which is not in the log"),
        (["erase", "1"], "no terminal to ask at; add --yes"),
        (["erase", "--user", "bo", "--yes"], "nothing is known of default/bo"),
        (["add", "--raw", " "], "got no message with a text"),
        (["add", "--raw", "Ana lives in Oslo."], "got the text that semantic #1 has already"),
        (["add", "--raw", "x", "--at", "yesterday"], "yesterday"),
        (["add", "--raw", "x", "--user", " "], "as user, expected 1 to 500 characters"),
        (["add", "--raw", "\ud800"], "half of a surrogate pair"),
        (["add", "x", "--writer", "http://h/v1"], "expected an address and a model"),
        (["export", "--user", "bo"], "nothing is known of default/bo; the store holds default/me"),
        (["export", "--out", "absent/x.jsonl"], "absent/x.jsonl could not be written"),
        (["export", "--all", "--format", "markdown"], "got --all with --format markdown"),
        (["import", "absent.json"], "absent.json cannot be read"),
        (["import", "notes.txt"], "got what is not JSON"),
        (["doctor", "--user", "bo"], "nothing is known of any tenant/bo"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    part: str,
) -> None:
    fill()
    (folder / "notes.txt").write_text("some notes\n" * 100)
    before = told("history")
    files = sorted(path.name for path in folder.iterdir())
    capsys.readouterr()
    assert part in refused(capsys, monkeypatch, *arguments)
    assert told("history") == before
    assert sorted(path.name for path in folder.iterdir()) == files


def test_erase_asks_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    asked: list[str] = []

    def refuse(text: str, *, abort: bool) -> None:
        asked.append(text)
        raise typer.Abort

    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(typer, "confirm", refuse)
    with pytest.raises(typer.Abort):
        run_erase(Whose(store="memory.db", user="me", tenant="default"), "1", yes=False, as_json=False)
    assert asked == ["Erase 1 of default/me with its history (1 operations), for good?"]
    assert len(told("show")) == 2


@pytest.mark.slow
def test_the_shipped_writer_is_asked(folder: Path) -> None:
    command = [sys.executable, "-m", "memalpha", "add", "Ana's favourite drink is mint tea.", "--json"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "mint tea" in json.loads(done.stdout)["operations"][0]["after"]


def test_text_from_a_pipe_that_is_not_utf8_is_refused(folder: Path) -> None:
    command = [sys.executable, "-m", "memalpha", "add", "--raw"]
    done = subprocess.run(command, env=ENVIRONMENT, input=b"\xff\xfe", capture_output=True, check=False, timeout=240)
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not list(folder.iterdir())
