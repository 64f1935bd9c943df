"""What `serve-model` does: load, listen, print the address, wait for the signal to stop."""

from __future__ import annotations

import os
import signal
import threading
from ipaddress import ip_address

import torch
import typer

from memalpha.cli.measure import open_model
from memalpha.errors import ConfigError
from memalpha.serve.launch import serving
from memalpha.serve.model_app import model_app


def run_model_server(name: str, *, host: str, port: int, threads: int, key_env: str | None) -> None:
    """Serve until SIGINT or SIGTERM; requests on their way are ended first, a second signal cuts them."""
    key = read_key(key_env)
    torch.set_num_threads(threads)
    model = open_model(name)
    with serving(model_app(model, key=key), host=host, port=port) as url:
        typer.echo(f"{model.name} is served at {url}/v1; stop with Ctrl-C")
        if key is None and not is_loopback(host):
            typer.echo(
                f"whoever reaches {host} may use it; name a variable with --api-key-env to ask for a key", err=True
            )
        if not model.shows_tools:
            typer.echo("its chat template has no place for tools: calls are read, but no prompt shows the tools")
        wait_for_signal()
    typer.echo("stopped")


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; raises `ConfigError` when it holds none."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {variable} is empty, expected the key that clients send; set it")
    return key


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def wait_for_signal() -> None:
    """Return on the first SIGINT or SIGTERM; a second one does what it does elsewhere."""
    told = threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        told.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
