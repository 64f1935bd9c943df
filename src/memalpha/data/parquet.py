"""Rows of Parquet files: read a few at a time, each with its place, and written by one rename. Needs the extra `data`.

Left out: what the rows mean; that is for `memalpha.data.release` and `memalpha.data.sources`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from memalpha.errors import EpisodeError, MissingExtraError, OutputError

_ROWS = 64
"""Rows held at once; one row may be a stream of half a million tokens."""
_POINTER = b"version https://git-lfs"


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file as plain values, each with its place ("file: row 3", counted from 0).

    Raises `EpisodeError` that names the file, and the row from which on it cannot be read.
    """
    need_pyarrow()
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        _refuse_pointer(path)
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    yield f"{path}: row {number}", row
                    number += 1
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise EpisodeError(
            f"{path}: row {number}: got a file that cannot be read from there on ({reason}), expected whole Parquet; "
            "fetch it again"
        ) from error


def write_rows(path: Path, columns: Mapping[str, type], rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows of text and whole numbers; the file is there whole or not at all. Gives the number of rows.

    Args:
        path: Replaced if it is there.
        columns: Name and kind of each column in order, `str` or `int`; each is in every row.
        rows: Taken a few at a time.

    Raises:
        OutputError: When the file system refuses.
    """
    need_pyarrow()
    import pyarrow
    from pyarrow import parquet

    kinds = {str: pyarrow.string(), int: pyarrow.int64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    draft = path.with_name(f".{path.name}.writing")
    count = 0
    try:
        with draft.open("wb") as out:
            with parquet.ParquetWriter(out, schema) as writer:
                left = iter(rows)
                while some := list(islice(left, _ROWS)):
                    writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))
                    count += len(some)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}); check the path, its rights and the free space"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def need_pyarrow() -> None:
    """Raise `MissingExtraError` where pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet needs pyarrow, which is not installed; run: pip install 'memalpha[data]'")


def _refuse_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise EpisodeError(f"{path}: got a Git LFS pointer, expected the data it stands for; run: git lfs pull")
