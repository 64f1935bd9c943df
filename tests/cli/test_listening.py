"""What servers of the command line share: the key in the environment, and the wait for a signal."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from memalpha.cli.listening import read_key, wait_for_signal
from memalpha.errors import ConfigError


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_KEY", " secret\n")
    assert read_key("SERVER_KEY") == "secret"
    assert read_key(None) is None
    monkeypatch.setenv("SERVER_KEY", "  ")
    with pytest.raises(ConfigError, match="the environment variable SERVER_KEY is empty"):
        read_key("SERVER_KEY")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_the_next_one_is_as_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    sending = threading.Timer(0.1, os.kill, (os.getpid(), number))
    sending.start()
    wait_for_signal()
    sending.join()
    assert signal.getsignal(number) is before
