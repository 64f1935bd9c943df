"""Files that are there whole or not at all, and one clear error for a file system that fails."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from memalpha.errors import OutputError

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def write_whole(file: Path, text: str) -> None:
    """Write a file by one rename, so that no reader ever sees half of it."""
    with whole_file(file) as draft:
        draft.write(text)


@contextmanager
def whole_file(file: Path) -> Iterator[TextIO]:
    """A file to write bit by bit, which is there once the block ends; nothing is left of it when the block raises."""
    draft = file.with_name(f".{file.name}.writing")
    try:
        with draft.open("w", encoding="utf-8") as opened:
            yield opened
        sync(draft)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure of the file system into one clear `OutputError`, whatever a library makes of it."""
    try:
        yield
    except Exception as error:
        reason = _file_system_error(error)
        if reason is None:
            raise
        full = reason.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some space and start the same command again" if full else "check the path and its rights"
        raise OutputError(
            f"{path} could not be written ({reason.strerror or reason}); nothing earlier was lost, {mend}"
        ) from error


def _file_system_error(error: BaseException | None) -> OSError | None:
    """What the system said, which torch hides behind an error of its own and the libraries in Rust tell by number."""
    while error is not None and not isinstance(error, OSError):
        number = _OS_ERROR.search(str(error))
        if number:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        error = error.__context__
    return error


def replace_file(file: Path, text: str) -> None:
    """Write a whole file, and the folder where it is missing; raises `OutputError`."""
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
