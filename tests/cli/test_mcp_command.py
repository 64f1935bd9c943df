"""`memalpha mcp`: what its options open. What it serves is asked of a process by tests/serve/test_mcp_server.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from memalpha.cli import app
from memalpha.memory.entry import Origin
from memalpha.serve import mcp_server
from memalpha.service import Access


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Access, str]]:
    seen: list[tuple[Access, str]] = []
    monkeypatch.setattr(mcp_server, "run_stdio", lambda access: seen.append((access, str(access.memory.scope.address))))
    return seen


def test_a_connection_is_what_the_command_line_says(tmp_path: Path, opened: list[tuple[Access, str]]) -> None:
    store = str(tmp_path / "memory.db")
    options = ["--store", store, "--user", "ana", "--tenant", "acme", "--trust", "tool", "--raw", "--read-only"]
    assert CliRunner().invoke(app, ["mcp", *options]).exit_code == 0
    assert CliRunner().invoke(app, ["mcp", "--store", store, "--user", "ana"]).exit_code == 0
    (narrow, address), (usual, usual_address) = opened
    assert (narrow.trust, narrow.writes, narrow.infer, address) == (Origin.TOOL, False, False, "acme/ana")
    assert (usual.trust, usual.writes, usual.infer, usual_address) == (Origin.ASSISTANT, True, True, "default/ana")


def test_without_a_user_there_is_no_connection(opened: list[tuple[Access, str]]) -> None:
    result = CliRunner().invoke(app, ["mcp"])
    assert result.exit_code == 2
    assert not opened
