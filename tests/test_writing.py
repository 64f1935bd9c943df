"""Whole files and one error, whatever a library makes of a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from memalpha import writing as module
from memalpha.errors import OutputError
from memalpha.writing import replace_file, write_whole, writing

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(path: Path) -> None:
        raise NO_SPACE

    file = tmp_path / "a.json"
    write_whole(file, "before")
    monkeypatch.setattr(module, "sync", fails)
    with pytest.raises(OSError, match="No space"):
        write_whole(file, "after")
    assert file.read_text() == "before"
    monkeypatch.undo()
    write_whole(file, "ä")
    assert file.read_bytes() == "ä".encode()
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_nothing_but_the_file_is_left_behind(tmp_path: Path) -> None:
    replace_file(tmp_path / "new" / "a.txt", "one")
    replace_file(tmp_path / "new" / "a.txt", "two")
    assert [(path.name, path.read_text()) for path in (tmp_path / "new").iterdir()] == [("a.txt", "two")]


SPACE = "nothing earlier was lost, free some space and start the same command again"
RIGHTS = "nothing earlier was lost, check the path and its rights"


@pytest.mark.parametrize(
    ("error", "reason", "mend"),
    [
        (NO_SPACE, "No space left on device", SPACE),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), os.strerror(errno.EDQUOT), SPACE),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied", RIGHTS),
        (RuntimeError("while serializing (os error 28)"), "No space left on device", SPACE),
    ],
)
def test_a_failure_of_the_file_system_is_one_sentence(error: Exception, reason: str, mend: str) -> None:
    with pytest.raises(OutputError) as found, writing(Path("here")):
        raise error
    assert str(found.value) == f"here could not be written ({reason}); {mend}"


def test_what_hides_a_failure_of_the_file_system_is_looked_behind() -> None:
    with pytest.raises(OutputError, match="No space"), writing(Path("here")):
        try:
            raise NO_SPACE
        except OSError:
            raise RuntimeError("unexpected pos 64 vs 0") from None


def test_other_errors_pass_through_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        raise ZeroDivisionError
