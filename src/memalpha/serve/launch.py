"""Runs an application on a port until it is told to stop; requests on their way are ended first."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn
from fastapi import FastAPI

from memalpha.errors import ConfigError

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.01


@contextmanager
def serving(
    app: FastAPI, *, host: str = LOOPBACK, port: int = 0, grace_seconds: int = 30, configures_logs: bool = True
) -> Iterator[str]:
    """The address of the server, such as "http://127.0.0.1:8000", while the block runs.

    Args:
        app: What to serve, in a thread of its own.
        host: Name or address to listen on; the default lets nobody in from other machines.
        port: 0 takes a free one.
        grace_seconds: How long requests on their way may take once the block has ended; then they are cut.
        configures_logs: False leaves what the HTTP server logs to handlers that are there.

    Raises `ConfigError` when the port cannot be listened on.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=uvicorn.config.LOGGING_CONFIG if configures_logs else None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=grace_seconds,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="memalpha-http", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(_POLL_SECONDS)
        if not server.started:
            raise ConfigError("the server did not start; its log says why")
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen on {host} port {port} ({error}); choose another port, 0 for a free one, or another host"
        ) from error
