"""Records and lines of a file, plain or gzipped, each with its place for error messages; and checks of fields.

Left out: what the records mean; that is for `memalpha.data.sources` and `memalpha.data.files`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from memalpha.data.parquet import read_rows
from memalpha.errors import EpisodeError

_T = TypeVar("_T")

_NAMES: dict[type[Any], str] = {str: "text", list: "a list", dict: "a JSON object"}


def read_records(path: Path, *, lists: bool = True) -> Iterator[tuple[str, object]]:
    """The records of JSON Lines, a JSON array or a JSON document, each with its place ("file:line", "file:1: item 3").

    A name that ends with .gz is unpacked on the way; one that ends with .parquet is read as Parquet ("file: row 3").
    Raises `EpisodeError` that names the file, and the line where the text is not JSON.

    Args:
        path: The file.
        lists: Whether a list is many records; False makes it one, for lines such as ["text", "label"].
    """
    if path.suffix == ".parquet":
        yield from read_rows(path)
        return
    with _reading(path), _open(path) as file:
        yield from _records(file, path, lists)


def read_lines(path: Path, *, encoding: str = "utf-8-sig") -> Iterator[tuple[str, str]]:
    """The lines of a text that are not blank, without their ends, each with its place ("file:line"); .gz is unpacked.

    Raises `EpisodeError` that names the file.
    """
    with _reading(path), _open(path, encoding) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"{path}:{number}", line.rstrip("\n")


def field(record: object, key: str, kind: type[_T], where: str) -> _T:
    """The value of `key`, which must be there and of this kind; raises `EpisodeError` that names place and key."""
    if not isinstance(record, dict):
        raise EpisodeError(f"{where}: got {name_of(record)}, expected a JSON object with the key {key!r}")
    if key not in record:
        raise EpisodeError(f"{where}: the key {key!r} is missing; add it")
    return checked(record[key], kind, f"{where}: {key}")


def checked(value: object, kind: type[_T], where: str) -> _T:
    """The value itself when it is of this kind; raises `EpisodeError` that names the place."""
    if not isinstance(value, kind):
        raise EpisodeError(f"{where}: got {name_of(value)}, expected {_NAMES.get(kind, kind.__name__)}")
    return value


def name_of(value: object) -> str:
    """What a JSON value is, in words for an error message."""
    return _NAMES.get(type(value), "null" if value is None else type(value).__name__)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        kind = "gzipped UTF-8 text" if path.suffix == ".gz" else "UTF-8 text"
        raise EpisodeError(
            f"{path}: got a file that cannot be read ({error}), expected {kind}; check the path or fetch the file again"
        ) from error


def _open(path: Path, encoding: str = "utf-8-sig") -> TextIO:
    # A byte order mark, as some editors write it, is not part of the first record.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding)
    return path.open(encoding=encoding)


def _records(file: TextIO, path: Path, lists: bool) -> Iterator[tuple[str, object]]:
    # Any other name than .jsonl may hold one document over many lines, whose first line is no JSON by itself.
    may_span_lines = ".jsonl" not in path.suffixes
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        text = line.rstrip()
        try:
            data = _parse(text, path, number)
        except EpisodeError:
            if not may_span_lines:
                raise
            text = (line + file.read()).rstrip()
            data = _parse(text, path, number)
        may_span_lines = False
        where = f"{path}:{number}"
        _refuse_half_characters(text, data, where)
        if lists and isinstance(data, list):
            yield from ((f"{where}: item {index}", item) for index, item in enumerate(data))
        else:
            yield where, data


def _parse(text: str, path: Path, first_line: int) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        reason = f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:
        line, reason = first_line, str(error)
    raise EpisodeError(f"{path}:{line}: got text that is not JSON ({reason}); mend that line or leave it out")


def _refuse_half_characters(text: str, data: object, where: str) -> None:
    """Half a surrogate pair can be escaped in JSON, but neither tokenised nor written again."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise EpisodeError(f"{where}: got text that cannot be written as UTF-8 ({error}); mend the record") from error
