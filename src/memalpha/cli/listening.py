"""What every server of the command line does: read its key, and wait until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading

from memalpha.errors import ConfigError


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; raises `ConfigError` when it holds none."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {variable} is empty, expected the key that is sent; set it")
    return key


def wait_for_signal() -> None:
    """Return on the first SIGINT or SIGTERM; a second one does what it does elsewhere."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        told.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
