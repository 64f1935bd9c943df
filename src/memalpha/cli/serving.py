"""What `serve-model` does: load, listen, print the address, wait for the signal to stop."""

from __future__ import annotations

import torch
import typer

from memalpha.cli.listening import read_key, wait_for_signal
from memalpha.cli.measure import open_model
from memalpha.serve.launch import is_loopback, serving
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
