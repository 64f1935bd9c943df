"""The commands on one memory: `add`, `search`, `show`, `history`, `undo`, `erase`."""

from __future__ import annotations

from typing import Annotated

import typer

from memalpha.cli.store_commands import doctor, export, import_file
from memalpha.memory.entry import MemoryKind, Origin

Store = Annotated[str, typer.Option(help="The file of the store, or postgresql://...")]
User = Annotated[str, typer.Option(help="Whose memory.")]
Tenant = Annotated[str, typer.Option(help="Of which application or organisation.")]
Embedder = Annotated[
    str | None, typer.Option(help="What the store was made with: hashed, minilm, or the folder of a sentence encoder.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on one line, for machines.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="As it was after an operation, by its number, or at a time.")]
Kinds = Annotated[list[MemoryKind] | None, typer.Option("--kind", help="Only of this kind. May be repeated.")]


def add_memory_commands(app: typer.Typer) -> None:
    """Give the command line the commands on memories and stores."""
    for name, command, examples in (
        ("add", add, ("add 'I moved to Lisbon' --at 2026-05-01", "add --raw --kind episodic 'Met Bo' --user ana")),
        ("search", search, ("search 'where do I live'", "search Lisbon --since 2026-01-01 --explain")),
        ("show", show, ("show", "show 3 --json", "show --as-of 2026-05-01")),
        ("history", history, ("history", "history 3", "history core --json")),
        ("undo", undo, ("undo 7",)),
        ("erase", erase, ("erase 3 --yes", "erase --user ana")),
        ("export", export, ("export --out me.jsonl", "export --format markdown --user ana")),
        ("import", import_file, ("import me.jsonl --store other.db", "import mem0.json --user ana --dry-run")),
        ("doctor", doctor, ("doctor", "doctor --store memory.db --json")),
    ):
        label = "Example" if len(examples) == 1 else "Examples"
        epilog = f"{label}: " + ", ".join(f"**memalpha {example}**" for example in examples)
        app.command(name=name, epilog=epilog)(command)


def add(  # noqa: PLR0913 -- each argument is an option of the command line
    text: Annotated[str | None, typer.Argument(help="What was said; from the standard input if left out.")] = None,
    at: Annotated[str | None, typer.Option(help="When it was said, such as 2026-05-01; now if left out.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Keep the text as it is, and ask no writer.")] = False,
    kind: Annotated[MemoryKind, typer.Option(help="With --raw: as which kind.")] = MemoryKind.SEMANTIC,
    origin: Annotated[Origin, typer.Option(help="Whose words; those of tools and documents change less.")] = (
        Origin.USER
    ),
    writer: Annotated[
        str, typer.Option(help="What decides what is kept: nano-chat, a model folder, or http://host/v1#model.")
    ] = "nano-chat",
    key: Annotated[str | None, typer.Option(help="What was added under a key is not added again.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written, and write nothing.")] = False,
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Tell the memory something: a writer decides what is kept of it, changed or taken away."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import Said, run_add

    said = Said(text=text, at=at, kind=kind if raw else None, origin=origin, key=key, writer=writer, dry_run=dry_run)
    run_add(Whose(store=store, user=user, tenant=tenant, embedder=embedder), said, as_json=json)


def search(  # noqa: PLR0913 -- each argument is an option of the command line
    query: Annotated[str, typer.Argument(help="A question, or words.")],
    limit: Annotated[int, typer.Option(min=1, help="Entries at most.")] = 10,
    kinds: Kinds = None,
    since: Annotated[str | None, typer.Option(help="Said on this day or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Said on this day or earlier.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print which signal found an entry, at which rank.")] = (
        False
    ),
    as_of: AsOf = None,
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Find the entries that speak most to a query, the best first."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import Sought, run_search

    sought = Sought(
        query=query, limit=limit, kinds=tuple(kinds or ()), since=since, until=until, explain=explain, as_of=as_of
    )
    run_search(Whose(store=store, user=user, tenant=tenant, embedder=embedder), sought, as_json=json)


def show(
    ref: Annotated[str | None, typer.Argument(help="An id, or core; every entry if left out.")] = None,
    kinds: Kinds = None,
    as_of: AsOf = None,
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Show what is in the memory: every entry, or one with its earlier texts."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import run_show

    whose = Whose(store=store, user=user, tenant=tenant, embedder=embedder)
    run_show(whose, ref, tuple(kinds or ()), as_of, as_json=json)


def history(
    ref: Annotated[str | None, typer.Argument(help="An id, or core; the whole history if left out.")] = None,
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Show what was done to the memory, or to one entry, the oldest first."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import run_history

    run_history(Whose(store=store, user=user, tenant=tenant, embedder=embedder), ref, as_json=json)


def undo(
    number: Annotated[int, typer.Argument(min=1, help="The number of an operation, as history shows it.")],
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Take an operation back, by one more; an undo can be undone."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import run_undo

    run_undo(Whose(store=store, user=user, tenant=tenant, embedder=embedder), number, as_json=json)


def erase(
    ref: Annotated[str | None, typer.Argument(help="An id, or core; everything of the user if left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: Store = "memory.db",
    user: User = "me",
    tenant: Tenant = "default",
    embedder: Embedder = None,
    json: Json = False,
) -> None:
    """Take an entry with its history, or a whole memory, out of the files for good; asks before."""
    from memalpha.cli.opening import Whose
    from memalpha.cli.remembering import run_erase

    run_erase(Whose(store=store, user=user, tenant=tenant, embedder=embedder), ref, yes=yes, as_json=json)
