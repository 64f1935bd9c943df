"""What the commands on one memory do."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import typer
from rich.console import Console

from memalpha.cli.opening import Whose, open_memory, read_point, read_ref, read_time
from memalpha.cli.printing import (
    change_json,
    change_line,
    change_row,
    entry_json,
    entry_row,
    found_json,
    print_json,
    print_rows,
    say,
)
from memalpha.errors import ConfigError, NotAllowedError, UnknownEntryError
from memalpha.memory.entry import Entry, MemoryKind, Origin
from memalpha.memory.find import Found
from memalpha.service.records import Added

_ENTRY = ("", "kind", "time", "text")
_CHANGE = ("", "learned", "action", "entry", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What `add` was given."""

    text: str | None
    at: str | None
    kind: MemoryKind | None
    """Keep it as it is, as this kind; None asks the writer."""
    origin: Origin
    key: str | None
    writer: str
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What `search` was given."""

    query: str
    limit: int
    kinds: tuple[MemoryKind, ...]
    since: str | None
    until: str | None
    explain: bool
    as_of: str | None


def run_add(whose: Whose, said: Said, *, as_json: bool) -> None:
    """Read a text into a memory and print what was written."""
    text = _standard_input() if said.text in (None, "-") else said.text
    with open_memory(whose, new=not said.dry_run, writer=said.writer) as memory:
        added = memory.add(
            text or "",
            at=said.at,
            infer=said.kind is None,
            dry_run=said.dry_run,
            key=said.key,
            kind=said.kind or MemoryKind.SEMANTIC,
            origin=said.origin,
        )
    if said.kind is not None and added.refused and not added.changes:
        raise NotAllowedError(added.refused[0].message)
    _print_added(added, as_json)


def run_search(whose: Whose, sought: Sought, *, as_json: bool) -> None:
    """Print what is found, the best first."""
    since, until = read_time(sought.since, "--since"), read_time(sought.until, "--until", end_of_day=True)
    with open_memory(whose) as memory:
        within = memory if sought.as_of is None else memory.as_of(read_point(sought.as_of))
        found = within.search(
            sought.query, limit=sought.limit, kinds=sought.kinds, since=since, until=until, explain=sought.explain
        )
    if as_json:
        print_json([found_json(each) for each in found])
    elif found:
        columns = ("score", *_ENTRY, *(("found by",) if sought.explain else ()))
        print_rows(columns, [_found_row(each, explain=sought.explain) for each in found])
    else:
        typer.echo("nothing is found", err=True)


def run_show(whose: Whose, ref: str | None, kinds: tuple[MemoryKind, ...], as_of: str | None, *, as_json: bool) -> None:
    """Print every entry, or one with its earlier texts."""
    named = None if ref is None else read_ref(ref)
    with open_memory(whose) as memory:
        within = memory if as_of is None else memory.as_of(read_point(as_of))
        entries = within.get_all(kinds) if named is None else [within.get(named)]
    if entries == [None]:
        raise UnknownEntryError(f"got {ref}, which is not in memory; memalpha show lists what is there")
    found: list[Entry] = [entry for entry in entries if entry is not None]
    if as_json:
        print_json(entry_json(found[0]) if named is not None else [entry_json(entry) for entry in found])
    elif not found:
        typer.echo("nothing is in memory", err=True)
    else:
        print_rows(_ENTRY, [entry_row(entry) for entry in found])
        if named is not None:
            for version in reversed(found[0].versions):
                say(f"before: {version.text}")


def run_history(whose: Whose, ref: str | None, *, as_json: bool) -> None:
    """Print what was done, the oldest first."""
    with open_memory(whose) as memory:
        changes = memory.history(None if ref is None else read_ref(ref))
    if as_json:
        print_json([change_json(change) for change in changes])
    elif changes:
        print_rows(_CHANGE, [change_row(change) for change in changes])
    else:
        typer.echo("nothing was written yet", err=True)


def run_undo(whose: Whose, number: int, *, as_json: bool) -> None:
    """Take an operation back and print what that did."""
    with open_memory(whose) as memory:
        change = memory.undo(number)
    if as_json:
        print_json(change_json(change))
    else:
        Console(soft_wrap=True).print(change_line(change))


def run_erase(whose: Whose, ref: str | None, *, yes: bool, as_json: bool) -> None:
    """Erase an entry or everything, once that is confirmed, and print the receipt."""
    named = None if ref is None else read_ref(ref)
    with open_memory(whose) as memory:
        count = len(memory.history(named))
        if not count:
            raise UnknownEntryError(f"nothing is known of {whose.tenant}/{whose.user} that could be erased")
        what = f"all of {whose.tenant}/{whose.user}" if named is None else f"{ref} of {whose.tenant}/{whose.user}"
        if not yes:
            if not sys.stdin.isatty():
                raise ConfigError(f"got {what} to erase and no terminal to ask at; add --yes")
            typer.confirm(f"Erase {what} with its history ({count} operations), for good?", abort=True)
        erasure = memory.erase(named)
    others = [kind.value if kind.single else f"#{entry_id}" for kind, entry_id in erasure.also_in]
    if as_json:
        receipt = {"receipt": erasure.receipt.number, "operations": erasure.receipt.operations, "also_in": others}
        print_json(receipt)
        return
    say(f"erased {what}: {erasure.receipt.operations} operations, receipt {erasure.receipt.number}")
    if others:
        say(f"the erased text stands in {', '.join(others)} as well; look at them")


def _standard_input() -> str:
    if sys.stdin.isatty():
        raise ConfigError("got no text, expected one as an argument or on the standard input")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"got a standard input that is not UTF-8 ({error.reason}); convert it") from error


def _print_added(added: Added, as_json: bool) -> None:
    if as_json:
        refused = [
            {"asked": each.asked, "status": each.status.value, "message": each.message} for each in added.refused
        ]
        changes = [change_json(change) for change in added.changes]
        print_json({"operations": changes, "refused": refused, "written": added.written})
        return
    console = Console(soft_wrap=True)
    for change in added.changes:
        console.print(change_line(change))
    for each in added.refused:
        say(f"refused: {each.message}")
    if not added.changes and not added.refused:
        say("nothing of it was worth keeping")
    if not added.written:
        say("a dry run: nothing was written")


def _found_row(found: Found, *, explain: bool) -> tuple[str, ...]:
    row = (f"{found.score:.3f}", *entry_row(found.entry))
    if not explain:
        return row
    ranks = [f"{signal.name} {signal.rank}" for signal in found.signals if signal.rank is not None]
    return (*row, ", ".join(ranks))
