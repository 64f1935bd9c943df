"""`memalpha reindex`: the vectors of a store made anew, with the same embedder or another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memalpha.errors import ConfigError

NONE = "none"


def reindex(
    store: Annotated[str, typer.Argument(help="The file of a store, such as memory.db, or postgresql://...")],
    embedder: Annotated[
        str | None,
        typer.Option(help="hashed, minilm, none, or the folder of a sentence encoder; the one it has if left out."),
    ] = None,
) -> None:
    """Make what a store derives from its log anew: the rows of entries, and their vectors.

    All of it is one transaction: until it is done, others read what was there before.
    """
    from memalpha.agent.embedders import open_embedder, recorded_embedder
    from memalpha.agent.tokens import nano_counter
    from memalpha.memory.layouts import layout_of
    from memalpha.memory.store import Store
    from memalpha.memory.store.catalogue import EMBEDDER, LAYOUT, Catalogue
    from memalpha.service.memory import open_database

    if "://" not in store and not Path(store).is_file():
        raise ConfigError(f"got {store}, which is no file; name the file of a store")
    database = open_database(store)
    try:
        layout, recorded = database.read(
            lambda execute: (Catalogue(execute).setting(LAYOUT), Catalogue(execute).setting(EMBEDDER))
        )
        name = embedder or recorded_embedder(recorded) or NONE
        made = None if name == NONE else open_embedder(name)
        home = layout_of(layout)
    except BaseException:
        database.close()
        raise
    with Store(database, count_tokens=nano_counter(), layout=home, embedder=made, reindex=True) as opened:
        memories = len(opened.addresses())
    typer.echo(f"{database.name}: {memories} memories, embedder {made.name if made else NONE}")
