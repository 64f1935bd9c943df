"""The server of memories and its keys: `serve`, `keys create`, `keys list`, `keys revoke`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memalpha.cli.extras import need
from memalpha.cli.listening import read_key, wait_for_signal
from memalpha.errors import ConfigError
from memalpha.memory.entry import Origin

if TYPE_CHECKING:
    from memalpha.memory.store import ApiKeys


Where = Annotated[
    str, typer.Option("--store", help="The file of the memories, made where there is none, or postgresql://...")
]
keys_app = typer.Typer(help="Make, list and revoke the keys that let programs into the server.", no_args_is_help=True)


def serve(  # noqa: PLR0913 -- each argument is an option of the command line
    store: Where = "memory.db",
    host: Annotated[str, typer.Option(help="Where to listen; the default lets nobody in from elsewhere.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one, which is printed.")] = 8080,
    writer: Annotated[
        str, typer.Option(help="What decides what is kept: nano-chat, a model folder, or http://host/v1#model.")
    ] = "nano-chat",
    embedder: Annotated[
        str | None,
        typer.Option(help="What the store was made with: hashed, minilm, or the folder of a sentence encoder."),
    ] = None,
    upstream: Annotated[
        str | None, typer.Option(help="A chat server, such as http://host/v1, that gets a memory at /v1.")
    ] = None,
    upstream_key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the key of the upstream.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="A folder of runs to look at in the browser.")] = None,
    trust: Annotated[
        Origin, typer.Option(help="Whose words agents at /mcp may claim at most; they change nothing trusted more.")
    ] = Origin.ASSISTANT,
    keys: Annotated[bool, typer.Option(help="--no-keys lets everyone in; on loopback only.")] = True,
    body_bytes: Annotated[int, typer.Option(min=1024, help="Longest body of a request.")] = 4 * 2**20,
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second of one key, on average.")] = 1000,
    at_once: Annotated[int, typer.Option(min=1, help="Requests on their way, of all keys together.")] = 512,
) -> None:
    """Serve memories over HTTP: REST for programs, any chat model with a memory, metrics, and the inspector.

    /docs shows the routes. Ctrl-C ends the requests on their way, then the server; what was accepted is on the disk.
    Each request is a line of JSON on the standard error, without texts, names and keys.
    """
    need("serve", "fastapi", "uvicorn", "prometheus_client")
    from memalpha.serve.launch import is_loopback, serving
    from memalpha.serve.memory_app import memory_app
    from memalpha.serve.memory_limits import Limits
    from memalpha.serve.memory_proxy import Upstream
    from memalpha.service.memory import Memory, open_store
    from memalpha.service.pen import Pen

    if not keys and not is_loopback(host):
        raise ConfigError(f"got --no-keys with --host {host}, where others can reach it; make a key, or use loopback")
    if runs is not None and not runs.is_dir():
        raise ConfigError(f"got --runs {runs}, which is no folder; name the folder that holds the runs")
    asked = None if upstream is None else Upstream(upstream, key=read_key(upstream_key_env))
    limits = Limits(body_bytes=body_bytes, requests_a_second=rate, requests_at_once=at_once)
    pen = Pen(writer)
    with open_store(store, embedder) as opened:
        _ = pen.writer  # a model that cannot be loaded is told now, not to the first who sends something
        memory = Memory(opened, user="server", writer=pen)
        _log_lines()
        app = memory_app(memory, keys=keys, limits=limits, upstream=asked, runs=runs, trust=trust)
        with serving(app, host=host, port=port, configures_logs=False) as url:
            typer.echo(f"{opened.name} is served at {url}; stop with Ctrl-C")
            typer.echo(f"look into it at {url}/inspector/")
            if keys and not opened.keys.listed():
                typer.echo(f"nobody has a key yet; run: memalpha keys create --store {store} --tenant NAME", err=True)
            wait_for_signal()
    typer.echo("stopped")


@keys_app.command(
    name="create",
    epilog="Examples: **memalpha keys create --tenant acme --label chat**, "
    "**memalpha keys create --tenant acme --rights read**",
)
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose users it leads to; names nothing outside this tenant.")],
    store: Where = "memory.db",
    label: Annotated[str, typer.Option(help="What it is for, in your words.")] = "",
    rights: Annotated[str, typer.Option(help="read, write, or both with a comma between.")] = "read,write",
) -> None:
    """Make a key and print it, once: the store keeps a digest of it."""
    from memalpha.memory.store import Right

    names = [name.strip() for name in rights.split(",") if name.strip()]
    wrong = next((name for name in names if name not in tuple(Right)), None)
    if wrong is not None or not names:
        raise ConfigError(f"got --rights {rights}, expected read, write or read,write")
    with _keys_of(store, new=True) as found:
        key, secret = found.create(tenant, label, [Right(name) for name in names])
    typer.echo(f"key {key.number} of {tenant}, to {' and '.join(names)}; it is not shown again:", err=True)
    typer.echo(secret)


@keys_app.command(name="list", epilog="Example: **memalpha keys list --store memory.db --tenant acme**")
def list_keys(
    store: Where = "memory.db",
    tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
) -> None:
    """List the keys with their numbers; revoked ones too."""
    with _keys_of(store) as keys:
        found = keys.listed(tenant)
    for key in found:
        state = "live" if key.revoked is None else f"revoked {key.revoked:%Y-%m-%d}"
        typer.echo(
            f"{key.number}\t{key.tenant}\t{','.join(sorted(key.rights))}\t{key.created:%Y-%m-%d}\t{state}\t{key.label}"
        )
    if not found:
        typer.echo("no keys", err=True)


@keys_app.command(name="revoke", epilog="Example: **memalpha keys revoke 3 --store memory.db**")
def revoke_key(
    number: Annotated[int, typer.Argument(min=1, max=2**53, help="As `memalpha keys list` names it.")],
    store: Where = "memory.db",
) -> None:
    """Refuse a key from now on, also on a server that is running."""
    with _keys_of(store) as keys:
        key = keys.revoke(number)
    typer.echo(f"key {key.number} of {key.tenant} is refused from now on")


@contextmanager
def _keys_of(where: str, *, new: bool = False) -> Iterator[ApiKeys]:
    """The keys of a store; the embedder that its memories need is not loaded for them."""
    from memalpha.memory.store import ApiKeys
    from memalpha.memory.store.store import now
    from memalpha.service.memory import POSTGRES, open_database

    if not new and not where.startswith(POSTGRES) and not Path(where).exists():
        raise ConfigError(f"got --store {where}, which is not there; name the store that is served")
    database = open_database(where)
    try:
        yield ApiKeys(database, now)
    finally:
        database.close()


def _log_lines() -> None:
    """Lines of JSON on the standard error, of every part of the server."""
    from memalpha.serve.memory_logs import JsonLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("memalpha").setLevel(logging.INFO)
