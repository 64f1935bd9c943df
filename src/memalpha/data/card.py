"""A built set as a folder: training.parquet, validation.parquet and README.md, the card that says what is in them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from memalpha.data.build import Built, Plan, Row, table
from memalpha.data.catalogue import SOURCES
from memalpha.data.hub import Place
from memalpha.data.leaks import LeakPolicy, Report
from memalpha.data.release import write_release
from memalpha.errors import OutputError

TRAINING, VALIDATION, CARD = "train.parquet", "validation.parquet", "README.md"


def refuse_filled(folder: Path) -> None:
    """Raise `OutputError` where something lies already: a set is never written over another one."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} is there and not empty, expected a new folder; name another one or take it away")


def write_set(folder: Path, built: Built, text: str) -> None:
    """Write both parts and the card; the folder is there whole or not at all. Raises `OutputError`."""
    refuse_filled(folder)
    draft = folder.with_name(f".{folder.name}.writing")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_release(draft / TRAINING, built.training)
        write_release(draft / VALIDATION, built.validation)
        (draft / CARD).write_text(text, encoding="utf-8")
        # An empty folder gives way to a full one.
        draft.replace(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be written ({error.strerror or error}); check the path, its rights and the free space"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def card(
    built: Built, given: Mapping[str, Sequence[Place]], plan: Plan, count_tokens: Callable[[str], int], counter: str
) -> str:
    """The card in Markdown; `counter` names the tokenizer that tokens were counted with."""
    parts = [
        "# A training set for memory",
        f"Built by `memalpha data build` with seed {plan.seed} in the table of Mem-α's published data: `{TRAINING}` "
        f"({len(built.training)} episodes) and `{VALIDATION}` ({len(built.validation)} episodes). Tokens are those of "
        f"{counter}. Questions left out of training because validation asks them: {built.asked_twice}.",
        "## What is in it",
        _markdown(COLUMNS, cells(built, count_tokens)),
        "## Where it is from",
        _markdown(("Source", "Licence", "Paper", "Stands in for", "File", "SHA-256"), list(_origins(given))),
        "A score on a source that stands in for another one is no score on that one. The licences are those that the "
        "authors or carriers of the data state; the texts of a set remain under them.",
        "## What it gives away of tests",
        *_leaks(built, plan),
    ]
    return "\n\n".join(parts) + "\n"


COLUMNS = (
    "Source",
    "Competency",
    "Metric",
    "Training episodes",
    "Tokens a chunk",
    "Chunks an episode",
    "Questions an episode",
    "Validation episodes",
    "Tokens a chunk",
    "Chunks an episode",
    "Questions an episode",
)
"""As in Table 6 of arXiv:2509.25911."""


def cells(built: Built, count_tokens: Callable[[str], int]) -> list[tuple[str, ...]]:
    """The table of both parts under `COLUMNS`, a row a source and one for all."""
    parts = [{row.source: row for row in table(part, count_tokens)} for part in (built.training, built.validation)]
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys([*parts[0], *parts[1]]):
        source = SOURCES[name]
        rows.append((source.title, source.competency.value, source.metric.value, *_of(name, *parts)))
    return [*rows, ("All", "", "", str(len(built.training)), "", "", "", str(len(built.validation)), "", "", "")]


def leak_cells(report: Report) -> list[tuple[str, ...]]:
    """Source, test, kind and number of what was found, most first."""
    return [(source, test, str(kind), str(count)) for (source, test, kind), count in report.counts().most_common()]


def _of(name: str, *parts: Mapping[str, Row]) -> Iterable[str]:
    for part in parts:
        row = part.get(name)
        if row is None:
            yield from ("0", "", "", "")
        else:
            yield from (str(row.episodes), f"{row.tokens:,.0f}", f"{row.chunks:.1f}", f"{row.questions:.1f}")


def _origins(given: Mapping[str, Sequence[Place]]) -> Iterable[tuple[str, ...]]:
    for name, places in given.items():
        source = SOURCES[name]
        for place in places:
            stands_in = SOURCES[source.stands_in_for].title if source.stands_in_for else ""
            file, sums = (place.name, _checksum(place)) if isinstance(place, Path) else (str(place), "")
            yield source.title, source.licence, source.paper, stands_in, file, sums


def _checksum(path: Path) -> str:
    """Of a file; a folder has none."""
    if path.is_dir():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _leaks(built: Built, plan: Plan) -> Iterable[str]:
    report = built.report
    if not report.tests:
        yield "It was compared with no test."
        return
    tests = ", ".join(f"{name} ({questions} questions)" for name, questions in report.tests.items())
    yield f"Every question and line was compared with {tests}."
    if not report.leaks:
        yield "Nothing was found: no equal or nearly equal question, no sample that a test asks about, no known stream."
    else:
        done = "was left out" if plan.leaks is LeakPolicy.DROP else "is still in it"
        yield f"What was found {done}:"
        yield _markdown(("Source", "Test", "Found", "Times"), leak_cells(report))
    shared = [
        (source, test, f"{share:.1%}") for (source, test), share in sorted(report.shares.items()) if share >= 0.001
    ]
    if shared:
        yield "Lines that training streams share with streams of tests, nearly equal ones included:"
        yield _markdown(("Source", "Test", "Mean share of the lines of an episode"), shared)


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
