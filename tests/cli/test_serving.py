"""`memalpha serve-model` as a process: it says where it listens, answers, and ends in order."""

from __future__ import annotations

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

import memalpha
from memalpha.cli.serving import run_model_server
from memalpha.errors import ConfigError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(memalpha.__file__).resolve().parents[1]), "NO_PROXY": "127.0.0.1"}
COMMAND = [sys.executable, "-m", "memalpha", "serve-model", "--port", "0", "--threads", "1"]


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address that it has printed."""
    child = subprocess.Popen(
        [*COMMAND, *arguments],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        found = re.search(r"is served at (http://127\.0\.0\.1:\d+/v1); stop with Ctrl-C", line)
        assert found, (line, child.stderr.read() if child.stderr and child.poll() is not None else "")
        yield child, found[1]
    finally:
        child.kill()
        child.communicate(timeout=60)


def test_a_server_answers_and_ends_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with started("--api-key-env", "SERVER_KEY", SERVER_KEY="secret") as (child, url):
        assert httpx.get(f"{url}/models").status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert httpx.get(f"{url}/models", headers=headers).json()["data"][0]["id"] == "nano"
        reply = httpx.post(f"{url}/completions", headers=headers, json={"prompt": "User:", "max_tokens": 2}, timeout=60)
        assert reply.json()["usage"]["completion_tokens"] <= 2
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert out.endswith("stopped\n")
    assert err == ""


def test_bad_input_is_one_sentence_and_status_2() -> None:
    command = [*COMMAND, "--model", "absent"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 2, result.stderr
    assert "no model could be loaded from absent" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_nothing_is_printed_where_nobody_can_listen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        run_model_server("nano", host="192.0.2.1", port=0, threads=1, key_env=None)
    assert capsys.readouterr() == ("", "")
