"""The folder of an evaluation: its settings, a line for each finished memory, a line for each answered question.

A line is there whole or not at all: what a kill cut off is taken away when the folder is opened, any other damage is
named by file and line. Rows are keyed by what was asked, so that an evaluation that is started again asks the rest.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_type_hints

from memalpha.errors import CheckpointError
from memalpha.records import Competency, Episode, Metric, episode_to_json
from memalpha.writing import replace_file, writing

Settings = Mapping[str, Any]
"""What decides the rows, as JSON values: another value makes another evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """One finished memory."""

    system: str
    """The name in `SYSTEMS`."""
    suite: str
    seed: int
    episode: str
    """Its id."""
    digest: str
    """Of the whole episode: a row of another one is not taken for it."""
    raw_tokens: int
    memory_tokens: int
    written_tokens: int
    seconds: float
    """Writing took this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """One answered question."""

    system: str
    suite: str
    seed: int
    episode: str
    number: int
    """Of the question in its episode, 0 is the first."""
    competency: Competency
    metric: Metric
    answer: str
    score: float
    """In [0, 1], by the metric."""
    judged: bool | None
    """What a judge held of the answer; None when none was asked."""
    sufficient: bool
    """Whether a gold answer stood in what was read."""
    read_tokens: int
    seconds: float
    """Its share of the time in which it was read and answered together with others."""


Row = TypeVar("Row", MemoryRow, QuestionRow)
MemoryKey = tuple[str, str, int, str]
"""System, suite, seed, episode."""
QuestionKey = tuple[str, str, int, str, int]
"""The same and the number of the question."""


class Ledger:
    """The folder while it is open; rows may be added from several threads."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Start the evaluation or go on with it.

        Raises `CheckpointError` when the folder holds one of other settings or is damaged, and `OutputError`.
        """
        self.folder = folder
        self._lock = threading.Lock()
        _open(folder / "run.json", settings)
        self.memories: dict[MemoryKey, MemoryRow] = {}
        self.questions: dict[QuestionKey, QuestionRow] = {}
        for memory in read_rows(folder / "memories.jsonl", MemoryRow):
            self.memories[memory.system, memory.suite, memory.seed, memory.episode] = memory
        for row in read_rows(folder / "questions.jsonl", QuestionRow):
            self.questions[row.system, row.suite, row.seed, row.episode, row.number] = row

    def add_memory(self, row: MemoryRow) -> None:
        """Keep a memory; one that was kept before stays as it was. Raises `OutputError`."""
        key = (row.system, row.suite, row.seed, row.episode)
        with self._lock:
            if key not in self.memories:
                append_line(self.folder / "memories.jsonl", asdict(row))
                self.memories[key] = row

    def add_question(self, row: QuestionRow) -> None:
        """Keep an answer. Raises `OutputError`."""
        with self._lock:
            append_line(self.folder / "questions.jsonl", asdict(row))
            self.questions[row.system, row.suite, row.seed, row.episode, row.number] = row


def digest(episode: Episode) -> str:
    """The same for the same chunks and questions, 16 hex digits; the id counts as well."""
    text = json.dumps(episode_to_json(episode), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def append_line(file: Path, row: Mapping[str, Any]) -> None:
    """Add one line at once; raises `OutputError`."""
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as out:
            out.write(json.dumps(row, ensure_ascii=True).encode() + b"\n")


def read_lines(file: Path, *, mend: bool = True) -> list[tuple[str, Any]]:
    """Place and value of each line; a last line that a kill cut is taken away. Raises `CheckpointError`.

    Without `mend` the file stays as it is, for those who look at an evaluation that goes on.
    """
    if not file.exists():
        return []
    whole, end, cut = file.read_bytes().rpartition(b"\n")
    if cut and mend:
        with file.open("r+b") as opened:
            opened.truncate(len(whole) + len(end))
    found = []
    for number, line in enumerate(whole.split(b"\n") if end else [], start=1):
        try:
            found.append((f"{file}:{number}", json.loads(line)))
        except ValueError as error:
            raise _damaged(f"{file}:{number}", str(error)) from error
    return found


def read_rows(file: Path, kind: type[Row], *, mend: bool = True) -> list[Row]:
    """The rows of a file, read as `read_lines` does; raises `CheckpointError` that names file and line."""
    hints = get_type_hints(kind)
    names = {each.name for each in fields(kind)}
    rows = []
    for where, data in read_lines(file, mend=mend):
        if not isinstance(data, dict) or set(data) != names:
            raise _damaged(where, f"expected the keys {', '.join(sorted(names))}")
        try:
            rows.append(kind(**{name: _value(data[name], hints[name], name) for name in names}))
        except ValueError as error:
            raise _damaged(where, str(error)) from error
    return rows


def _value(value: Any, hint: Any, name: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, Competency | Metric):
        return hint(value)
    number = hint is float and isinstance(value, int) and not isinstance(value, bool)
    plain = isinstance(value, hint) if isinstance(hint, UnionType) else type(value) is hint
    if not (plain or number):
        raise ValueError(f"got {name} {value!r}")
    return float(value) if number else value


def _damaged(where: str, what: str) -> CheckpointError:
    return CheckpointError(f"{where} is damaged ({what}); take the line out to ask it again, or use another folder")


def _open(file: Path, settings: Settings) -> None:
    wanted = json.loads(json.dumps(settings))
    if not file.exists():
        replace_file(file, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read ({error}); use another folder") from error
    if found == wanted:
        return
    known = found if isinstance(found, dict) else {}
    key = next(key for key in {**wanted, **known} if known.get(key) != wanted.get(key))
    raise CheckpointError(
        f"{file.parent} holds an evaluation with {key} {json.dumps(known.get(key))}, "
        f"got {json.dumps(wanted.get(key))}; give the same to go on with it, or another folder to start anew"
    )
