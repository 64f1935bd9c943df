"""The documents hold true: links resolve, Python blocks run, and each command is there and written about.

The blocks of one page run in order and share their names, as when a reader types them in, in an empty folder.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from memalpha.cli import app

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = (*DOCS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")

FENCE = re.compile(r"^ *```(?P<language>[^\n`]*)\n(?P<body>.*?)^ *```[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""\]\(<?([^)\s>]+)|^ *\[[^]]+\]: *<?(\S+?)>?$|\b(?:src|href)="([^"]+)\"""", re.MULTILINE)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
WITH_PYTHON = [page for page in DOCS if "```python\n" in page.read_text(encoding="utf-8")]
WITH_CONSOLE = [page for page in DOCS if "```console\n" in page.read_text(encoding="utf-8")]
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    dead = [link for link in links(page) if not resolves(page, link)]
    assert not dead, f"{page.relative_to(ROOT)} links to what is not there: {dead}"


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for line, code in python_blocks(page.read_text(encoding="utf-8")):
        source = "\n" * (line - 1) + code  # so that a traceback shows the line of the page
        exec(compile(source, page.relative_to(ROOT), "exec"), names)


@pytest.mark.parametrize("page", WITH_CONSOLE, ids=lambda page: page.name)
def test_typed_commands_print_what_is_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command, output in typed(page.read_text(encoding="utf-8")):
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), command
        shown, printed = output.splitlines(), result.stdout.rstrip("\n").splitlines()
        assert len(shown) == len(printed), f"{command} prints {printed}"
        for wanted, line in zip(shown, printed, strict=True):
            assert re.fullmatch(re.escape(wanted).replace(re.escape("..."), ".*"), line), f"{command} prints {line}"


def test_commands_have_help_and_are_written_about() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
    verbs = list(commands(get_command(app)))
    assert verbs
    for verb in verbs:
        result = CliRunner().invoke(app, [*verb, "--help"])
        command = " ".join(["memalpha", *verb])
        assert result.exit_code == 0, f"{command} --help: {result.output}"
        assert re.search(rf"\b{command}\b", text), f"no page of README.md and docs/ shows `{command}`"


def test_a_page_is_read_as_a_reader_would(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The β: a *guide*\n[a](page.md#the-β-a-guide) `[b](no.md)` [c](gone.md) [d](https://x.y)\n"
        '![e](<gone.png> "title")\n\n[f]: #nowhere\n\n```python\nx = 1\n\n[g](no.md)\n```\n'
    )
    assert list(links(page)) == ["page.md#the-β-a-guide", "gone.md", "gone.png", "#nowhere"]
    assert [link for link in links(page) if resolves(page, link)] == ["page.md#the-β-a-guide"]
    assert list(python_blocks(page.read_text())) == [(8, "x = 1\n\n[g](no.md)\n")]


def links(page: Path) -> Iterator[str]:
    """The targets of a page that lie in this repository; code is left out."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    for groups in LINK.findall(text):
        target = "".join(groups)
        if not ELSEWHERE.match(target):
            yield target


def resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or target.suffix != ".md" or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def python_blocks(text: str) -> Iterator[tuple[int, str]]:
    """First line and code of each block of Python."""
    for match in FENCE.finditer(text):
        if match["language"].strip() == "python":
            yield text.count("\n", 0, match.start("body")) + 1, match["body"]


def typed(text: str) -> Iterator[tuple[str, str]]:
    """Each command behind a `$` in the console blocks of a page, and what is shown below it, where ... is anything."""
    for match in FENCE.finditer(text):
        if match["language"].strip() == "console":
            for command, _, output in (part.partition("\n") for part in ("\n" + match["body"]).split("\n$ ")[1:]):
                yield command, output.rstrip("\n")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of each command that `--help` shows, those of groups included."""
    if path:
        yield path
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from commands(inner, (*path, name))
