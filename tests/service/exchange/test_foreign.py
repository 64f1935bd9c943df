from __future__ import annotations

import pytest

from memalpha.errors import ArchiveError
from memalpha.memory.entry import Origin
from memalpha.service.exchange.foreign import origin_of, rows_of, text_of, time_of


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("2026-05-01", "2026-05-01"),
        ("2026-05-01T10:30:00Z", "2026-05-01T10:30:00"),
        ("2024-07-20T01:30:36.275141-07:00", "2024-07-20T08:30:36"),
        ("2026-05-01T10:30:00", "2026-05-01T10:30:00"),
        ("last week", None),
        ("", None),
        (1714557600, None),
        (None, None),
    ],
)
def test_a_time_is_in_utc_to_the_second(told: object, time: str | None) -> None:
    assert time_of({"at": told}, "absent", "at") == time


def test_the_first_value_that_says_something_counts() -> None:
    row = {"a": " ", "b": 3, "c": "tea", "d": "cider"}
    assert text_of(row, "a", "b", "c", "d") == "tea"
    assert text_of(row, "a", "b") is None
    assert time_of({"a": "soon", "b": "2026-05-01"}, "a", "b") == "2026-05-01"


def test_roles_stand_for_origins() -> None:
    assert [origin_of(role) for role in ("Human", "assistant", "function", "norole", None)] == [
        Origin.USER,
        Origin.ASSISTANT,
        Origin.TOOL,
        None,
        None,
    ]


@pytest.mark.parametrize("data", [3, "rows", {"a": 1}, [{"a": 1}, 2]])
def test_rows_are_a_list_of_objects(data: object) -> None:
    with pytest.raises(ArchiveError, match=r"f\.json: got .*, expected a list of JSON objects"):
        rows_of(data, "f.json")
