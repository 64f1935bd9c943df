"""What `memalpha data build` and `memalpha data check` do: sources by name, tests by path, tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.tokens import load_counter, nano_counter
from memalpha.data import build as building
from memalpha.data.build import Plan, known_source, sources_in, suites_in
from memalpha.data.card import COLUMNS, card, cells, leak_cells, refuse_filled, write_set
from memalpha.data.catalogue import SOURCES
from memalpha.data.contamination import find_leaks
from memalpha.data.files import load_episodes
from memalpha.data.hub import Place
from memalpha.data.leaks import LeakPolicy, Report
from memalpha.data.parquet import need_pyarrow
from memalpha.errors import ConfigError
from memalpha.records import Episode

_SERVER = "qwen3-32b=http://localhost:8000/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command was asked to read, in the words of the command line."""

    folder: Path | None
    """Of data sets: sources and tests are found in it by their names."""
    sources: Sequence[str]
    """Such as "squad=train.json" or "trec=hub"; they replace what was found."""
    against: Sequence[Path]
    """More tests."""
    seed: int

    def given(self) -> dict[str, list[Place]]:
        """Where each source is read from; raises `ConfigError` when there is none."""
        found = sources_in(self.folder) if self.folder else {}
        named: dict[str, list[Place]] = {}
        for text in self.sources:
            name, place = _pair(text, "--source", "squad=train.json")
            named.setdefault(known_source(name), []).append(_place(name, place))
        found |= named
        if not found:
            looked = (
                f"{self.folder} has no folder of a source" if self.folder else "no folder and no --source were given"
            )
            raise ConfigError(f"{looked}, expected at least one of {', '.join(SOURCES)}; name one with --source")
        return {name: found[name] for name in SOURCES if name in found}

    def tests(self, progress: building.Progress) -> dict[str, tuple[Episode, ...]]:
        """The suites in the folder, and the files that were named."""
        found = suites_in(self.folder, seed=self.seed, progress=progress) if self.folder else {}
        for number, path in enumerate(self.against):
            progress(f"reading the test {path.name}", number, len(self.against))
            found[str(path)] = load_episodes(path, seed=self.seed)
        return found


def run_build(
    asked: Asked,
    out: Path,
    *,
    limits: Sequence[str],
    leaks: LeakPolicy,
    tokenizer: Path | None,
    closed_book: str | None,
) -> None:
    """Build a set, print its tables and write its folder."""
    refuse_filled(out)
    need_pyarrow()
    count = load_counter(tokenizer) if tokenizer else nano_counter()
    plan = _plan(asked.seed, limits, leaks)
    model = EndpointModel(*reversed(_pair(closed_book, "--closed-book", _SERVER))) if closed_book else None
    given = asked.given()
    console = Console()
    with _bar(console) as progress:
        tests = asked.tests(progress)
        built = building.build(given, tests, plan, count_tokens=count, closed_book=model, progress=progress)
        progress("writing", 1, 1)
        write_set(out, built, card(built, given, plan, count, f"the tokenizer {count.name}"))
    console.print(_table(COLUMNS, cells(built, count)))
    _print_leaks(console, built.report)
    if built.report.leaks:
        console.print("All of it was left out." if leaks is LeakPolicy.DROP else "All of it is in the set.")
    console.print(f"Written to {out}: train on it with memalpha train --data {out / 'train.parquet'}")


def run_check(path: Path, asked: Asked) -> int:
    """Print what the episodes of a file give away of tests; gives the number of leaks."""
    console = Console()
    with _bar(console) as progress:
        tests = asked.tests(progress)
        if not tests:
            raise ConfigError("got no test to compare with, expected --against or a folder of data sets; name one")
        training = load_episodes(path, seed=asked.seed)
        progress(f"comparing with {len(tests)} tests", 0, 1)
        report = find_leaks(training, tests)
    _print_leaks(console, report)
    return len(report.leaks)


def _plan(seed: int, limits: Sequence[str], leaks: LeakPolicy) -> Plan:
    general: int | None = Plan().limit
    named: dict[str, int] = {}
    for text in limits:
        name, equals, number = text.rpartition("=")
        if not number.isdecimal():
            raise ConfigError(f"got --limit {text}, expected a number, such as 50 or squad=50")
        if equals:
            named[known_source(name)] = int(number)
        else:
            general = int(number)
    return Plan(seed=seed, limit=general, limits=named, leaks=leaks)


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"got {option} {text}, expected a name and a path, such as {example}")
    return name, value


def _place(name: str, text: str) -> Place:
    if text != "hub":
        if not Path(text).exists():
            raise ConfigError(
                f"got --source {name}={text}, which is not there, expected a file or folder; check the path"
            )
        return Path(text)
    hub = SOURCES[name].hub
    if hub is None:
        raise ConfigError(
            f"got --source {name}=hub, but {name} is not on the hub in a shape that is read; give its file"
        )
    return hub


def _print_leaks(console: Console, report: Report) -> None:
    if not report.tests:
        console.print("Compared with no test: give a folder of data sets, or --against.")
        return
    found = f"{len(report.leaks)} leaks" if report.leaks else "no leak"
    console.print(f"Compared with {len(report.tests)} tests of {sum(report.tests.values())} questions: {found}.")
    if report.leaks:
        console.print(_table(("Source", "Test", "Found", "Times"), leak_cells(report)))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < 3 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar with what is being done; plain lines where there is no terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task("starting")

        def show(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)
            if not console.is_terminal:
                console.print(what, highlight=False)

        yield show
