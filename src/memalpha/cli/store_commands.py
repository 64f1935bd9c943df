"""The commands on memories as files, and on stores: `export`, `import`, `doctor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Store = Annotated[str, typer.Option(help="The file of the store, or postgresql://...")]
Embedder = Annotated[
    str | None, typer.Option(help="What the store was made with: hashed, minilm, or the folder of a sentence encoder.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on one line, for machines.")]


class Format(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export(
    out: Annotated[Path | None, typer.Option(help="The file to write; the standard output if left out.")] = None,
    form: Annotated[Format, typer.Option("--format", help="jsonl comes back whole, markdown is to be read.")] = (
        Format.JSONL
    ),
    everybody: Annotated[bool, typer.Option("--all", help="Every memory of the store, one after the other.")] = False,
    store: Store = "memory.db",
    user: Annotated[str, typer.Option(help="Whose memory.")] = "me",
    tenant: Annotated[str, typer.Option(help="Of which application or organisation.")] = "default",
    embedder: Embedder = None,
) -> None:
    """Write a memory to a file: all of it, with its history, or a page to read."""
    from memalpha.cli.exchanging import run_export
    from memalpha.cli.opening import Whose

    whose = Whose(store=store, user=user, tenant=tenant, embedder=embedder)
    run_export(whose, out, form.value, everybody=everybody)


def import_file(  # noqa: PLR0913 -- each argument is an option of the command line
    file: Annotated[Path, typer.Argument(help="An export of memalpha, mem0, Letta or Zep.")],
    user: Annotated[
        str | None, typer.Option(help='Whose memory it becomes; as the file says, or "me", if left out.')
    ] = None,
    tenant: Annotated[str | None, typer.Option(help='As the file says, or "default", if left out.')] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take the texts as words of the conversation, not as a document.")
    ] = False,
    as_new: Annotated[
        bool, typer.Option("--as-new", help="Add the entries of a memalpha export to a memory, without their past.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be taken, and write nothing.")] = False,
    store: Store = "memory.db",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Take in a memory from a file, each user in one go; the same file twice is taken once."""
    from memalpha.cli.exchanging import run_import
    from memalpha.service.exchange import Bring

    how = Bring(user=user, tenant=tenant, trust=trust, as_new=as_new, dry_run=dry_run)
    run_import(file, store, embedder, how, as_json=json)


def doctor(
    store: Store = "memory.db",
    user: Annotated[str | None, typer.Option(help="Whose memory; everybody's if left out.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of which tenant; of all if left out.")] = None,
    embedder: Embedder = None,
    every_vector: Annotated[
        bool, typer.Option("--all", help="Make every vector again, and not a sample of each memory.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON for each finding.")] = False,
) -> None:
    """Check a store: the database, its rows and indexes, and what the entries say; ends with status 1 on findings."""
    from memalpha.cli.exchanging import run_doctor

    if run_doctor(store, embedder, user=user, tenant=tenant, every_vector=every_vector, as_json=json):
        raise typer.Exit(1)
