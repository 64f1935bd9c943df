from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from memalpha.cli.opening import open_where, read_point, read_ref, read_time
from memalpha.errors import ConfigError, StoreError
from memalpha.memory.entry import MemoryKind


def test_a_reference_is_an_id_or_a_single_text() -> None:
    assert [read_ref(text) for text in ("3", "#3", "Core")] == [3, 3, MemoryKind.CORE]
    for text in ("", "#", "semantic", "-1", "³"):
        with pytest.raises(ConfigError, match="expected the id of an entry"):
            read_ref(text)


def test_a_day_has_a_beginning_and_an_end() -> None:
    assert read_time(None, "--since") is None
    assert read_time("2026-05-01", "--since") == datetime(2026, 5, 1, tzinfo=UTC)
    assert read_time("2026-05-01", "--until", end_of_day=True) == datetime(2026, 5, 1, 23, 59, 59, 999999, tzinfo=UTC)
    east = timezone(timedelta(hours=2))
    assert read_time("2026-05-01T10:00+02:00", "--until", end_of_day=True) == datetime(2026, 5, 1, 10, tzinfo=east)


def test_a_point_is_a_number_or_a_time() -> None:
    assert read_point("12") == 12
    assert read_point("20260501") == datetime(2026, 5, 1, 23, 59, 59, 999999, tzinfo=UTC)


def test_only_what_writes_makes_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "m.db")
    with pytest.raises(StoreError, match="is not there"), open_where(file, None):
        pass
    with open_where(file, None, new=True) as store:
        assert store.addresses() == ()
    with open_where(file, None) as store:
        assert store.addresses() == ()
