"""What `export`, `import` and `doctor` do."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from memalpha.cli.opening import Whose, open_where
from memalpha.cli.printing import print_json, print_rows, say
from memalpha.errors import ConfigError, UnknownEntryError
from memalpha.memory.store.checks import Finding
from memalpha.service.doctor import Watch, examine
from memalpha.service.exchange import Bring, Brought, FileFormat, bring, write_memory
from memalpha.writing import whole_file, writing

_SHOWN_AFTER_SECONDS = 2.0


def run_export(whose: Whose, out: Path | None, form: str, *, everybody: bool) -> None:
    """Write one memory, or all of a store, to a file or to the standard output."""
    chosen = FileFormat(form)
    if everybody and chosen is not FileFormat.JSONL:
        raise ConfigError(f"got --all with --format {chosen}, expected jsonl; export one user after the other")
    with open_where(whose.store, whose.embedder) as store:
        addresses = store.addresses()
        scopes = [
            store.scope(address.tenant, address.user)
            for address in addresses
            if everybody or (address.tenant, address.user) == (whose.tenant, whose.user)
        ]
        if not scopes:
            known = ", ".join(map(str, addresses[:5])) or "nobody"
            raise UnknownEntryError(f"nothing is known of {whose.tenant}/{whose.user}; the store holds {known}")
        if out is None:
            for scope in scopes:
                write_memory(scope, sys.stdout.write, chosen)
            sys.stdout.flush()
            return
        with writing(out), whole_file(out) as draft:
            written = sum(write_memory(scope, draft.write, chosen) for scope in scopes)
    typer.echo(f"{written} {'operations' if chosen is FileFormat.JSONL else 'entries'} are in {out}", err=True)


def run_import(file: Path, store: str, embedder: str | None, how: Bring, *, as_json: bool) -> None:
    """Take a file into a store and print what was taken and what was left out."""
    with open_where(store, embedder, new=not how.dry_run) as opened:
        told = bring(opened, file, how)
    if as_json:
        print_json([_brought_json(brought) for brought in told])
        return
    for brought in told:
        say(_sentence(brought))
        for what, count in brought.left_out.items():
            say(f"  left out: {count} {what}")
    if how.dry_run:
        say("a dry run: nothing was written")


def run_doctor(
    store: str, embedder: str | None, *, user: str | None, tenant: str | None, every_vector: bool, as_json: bool
) -> bool:
    """Print what is wrong with a store; returns whether anything is."""
    with open_where(store, embedder) as opened, _watching() as watch:
        addresses = [
            address
            for address in opened.addresses()
            if user in (None, address.user) and tenant in (None, address.tenant)
        ]
        if not addresses and (user or tenant):
            raise UnknownEntryError(
                f"nothing is known of {tenant or 'any tenant'}/{user or 'any user'}; check the names"
            )
        findings = list(examine(opened, addresses, every_vector=every_vector, watch=watch))
    if as_json:
        for finding in findings:
            print_json(_finding_json(finding))
    elif findings:
        rows = [(each.kind.value, str(each.address or ""), each.what, each.mend) for each in findings]
        print_rows(("finding", "memory", "what", "mend"), rows)
    else:
        say(f"{len(addresses)} {'memory' if len(addresses) == 1 else 'memories'}, nothing is wrong")
    return bool(findings)


@contextmanager
def _watching() -> Iterator[Watch]:
    """A bar on a terminal, once it has taken a while."""
    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    )
    task = bars.add_task("")
    begun = time.monotonic()
    shown = False

    def watch(what: str, done: int, total: int) -> None:
        nonlocal shown
        if not shown and console.is_terminal and time.monotonic() - begun > _SHOWN_AFTER_SECONDS:
            shown = True
            bars.start()
        if shown:
            bars.update(task, description=what, completed=done, total=total)

    try:
        yield watch
    finally:
        if shown:
            bars.stop()


def _sentence(brought: Brought) -> str:
    where = f"{brought.tenant}/{brought.user}"
    if brought.before:
        return f"{where}: this file was taken before; nothing was written"
    done = ", ".join(f"{count} {action}s" for action, count in brought.operations.items()) or "nothing to write"
    return f"{where}: {done}, from {brought.shape}"


def _brought_json(brought: Brought) -> dict[str, Any]:
    return {
        "shape": brought.shape.value,
        "tenant": brought.tenant,
        "user": brought.user,
        "operations": {action.value: count for action, count in brought.operations.items()},
        "left_out": dict(brought.left_out),
        "before": brought.before,
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    address = finding.address
    return {
        "kind": finding.kind.value,
        "tenant": address.tenant if address else None,
        "user": address.user if address else None,
        "entries": [{"kind": kind.value, "id": entry_id} for kind, entry_id in finding.places],
        "what": finding.what,
        "mend": finding.mend,
    }
