"""`memalpha serve` and `memalpha keys` as processes: keys let in, the log names nobody, the end is in order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

import memalpha
from memalpha.cli.app import app
from memalpha.errors import MemalphaError
from memalpha.memory.embedding import HashedEmbedder
from memalpha.service import Memory

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1]), "NO_PROXY": "127.0.0.1"}
MEMALPHA = [sys.executable, "-m", "memalpha"]


def keys(*arguments: str, store: Path) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments, "--store", str(store)])
    assert result.exit_code == 0, result.output
    return result.stdout


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server, and the address that it has printed."""
    child = subprocess.Popen(
        [*MEMALPHA, "serve", "--port", "0", *arguments],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        found = re.search(r"is served at (http://127\.0\.0\.1:\d+); stop with Ctrl-C", line)
        assert found, (line, child.stderr.read() if child.stderr and child.poll() is not None else "")
        yield child, found[1]
    finally:
        child.kill()
        child.communicate(timeout=60)


def test_a_server_with_the_nano_remembers_and_ends_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    store = tmp_path / "memory.db"
    secret = keys("create", "--tenant", "acme-secret", "--label", "test", store=store).strip()
    with started("--store", str(store)) as (child, url):
        assert httpx.get(f"{url}/v1/users").status_code == 401
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
            said = {"text": "My dog is called Rexsecret. I live in Oslo.", "at": "2026-05-01"}
            answer = client.post("/v1/users/ana-secret/memories", json=said)
            assert answer.status_code == 200, answer.text
            assert "Rexsecret" in client.post("/v1/users/ana-secret/context", json={"query": "my dog?"}).text
            assert client.post("/v1/users/bo/memories", json={**said, "wait": False}).status_code == 202
            keys("revoke", "1", store=store)
            assert client.get("/v1/users").status_code == 401
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert out.endswith("stopped\n")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["status"] for line in lines] == [401, 200, 200, 202, 401]
    assert "secret" not in err.lower()


def test_a_server_without_keys_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with started("--store", str(tmp_path / "memory.db")) as (child, url):
        assert httpx.get(f"{url}/ready").status_code == 200
        assert child.stdout is not None
        assert child.stdout.readline() == f"look into it at {url}/inspector/\n"
        assert "memalpha Inspector" in httpx.get(f"{url}/inspector/").text
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert "nobody has a key yet; run: memalpha keys create --store" in err


def test_keys_need_no_embedder(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    with Memory(store, user="ana", embedder=HashedEmbedder()) as memory:
        memory.add("Ana lives in Oslo", infer=False)
    keys("create", "--tenant", "acme", store=store)
    assert keys("list", store=store).startswith("1\tacme")


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    first = keys("create", "--tenant", "acme", "--label", "the chat", store=store)
    assert re.fullmatch(r"memalpha_[\w-]{43}\n", first)
    keys("create", "--tenant", "umbrella", "--rights", "read", store=store)
    listed = keys("list", store=store).splitlines()
    assert [line.split("\t")[:3] for line in listed] == [["1", "acme", "read,write"], ["2", "umbrella", "read"]]
    assert [line.split("\t")[4:] for line in listed] == [["live", "the chat"], ["live", ""]]
    assert keys("revoke", "1", store=store) == "key 1 of acme is refused from now on\n"
    (line,) = keys("list", "--tenant", "acme", store=store).splitlines()
    assert line.split("\t")[4].startswith("revoked 20")
    assert first.strip() not in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "--no-keys", "--host", "0.0.0.0"], "got --no-keys with --host 0.0.0.0"),
        (["serve", "--upstream", "nowhere"], "got the upstream 'nowhere', expected an address"),
        (["serve", "--upstream", "http://x/v1", "--upstream-key-env", "NO_SUCH"], "NO_SUCH is empty"),
        (["serve", "--runs", "absent"], "got --runs absent, which is no folder"),
        (["serve", "--embedder", "absent"], "got the embedder 'absent'"),
        (["serve", "--writer", "absent"], "no model could be loaded from absent"),
        (["keys", "list", "--store", "absent.db"], "absent.db, which is not there"),
        (["keys", "revoke", "7"], "got the key number 7, which there is not"),
        (["keys", "create", "--tenant", "a", "--rights", "own"], "got --rights own, expected read, write"),
        (["keys", "create", "--tenant", " "], "as tenant, expected 1 to 500 characters"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    keys("create", "--tenant", "a", store=tmp_path / "memory.db")
    with pytest.raises(MemalphaError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
