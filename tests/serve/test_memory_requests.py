"""What a request may say, and what it becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from memalpha.memory.entry import MemoryKind, Origin
from memalpha.memory.store.changes import storable
from memalpha.serve.memory_requests import MOST, AddRequest, SearchRequest, moment, point
from memalpha.service.worker import Addition


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert moment("2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)
    assert moment("2026-05-01T10:00+02:00") == datetime(2026, 5, 1, 10, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("text", ["", "may", "2026-13-01", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00"])
def test_what_is_no_time_that_can_be_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected ISO 8601 in the years 1 to 9999"):
        moment(text)


@given(st.datetimes(timezones=st.timezones()))
def test_whatever_time_is_taken_can_be_kept(time: datetime) -> None:
    try:
        taken = moment(time.isoformat())
    except ValueError:
        return
    assert 1 <= taken.astimezone(UTC).year <= 9999


def test_a_point_is_a_number_or_a_time() -> None:
    assert (point(7), point("7"), point("0")) == (7, 7, 0)
    assert point(str(MOST)) == MOST
    assert point("2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)
    for wrong in (-1, MOST + 1, str(MOST + 1), "9" * 5000):
        with pytest.raises(ValueError, match="as number of an operation, expected 0 to"):
            point(wrong)


def test_a_text_is_a_message_of_the_user() -> None:
    asked = AddRequest.model_validate({"text": "hello", "origin": "tool", "kind": "episodic", "infer": False})
    assert asked.addition() == Addition(
        messages=[{"role": "user", "content": "hello"}],
        at=None,
        infer=False,
        kind=MemoryKind.EPISODIC,
        origin=Origin.TOOL,
    )


def test_messages_keep_what_is_read_of_them() -> None:
    parts = [{"type": "text", "text": "one", "x": 1}, {"type": "image_url", "image_url": {"url": "data:"}}]
    sent = {"role": "user", "content": parts, "name": "Ann", "tool_calls": [1]}
    asked = AddRequest.model_validate({"messages": [sent], "at": "2026-05-01"})
    assert asked.addition().messages == [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image_url"}], "name": "Ann"}
    ]


@given(st.text(st.characters(), max_size=5))
def test_only_what_every_database_takes_is_taken(text: str) -> None:
    asked: Any
    for model, asked in ((AddRequest, {"text": text}), (SearchRequest, {"query": text})):
        if storable(text):
            model.model_validate(asked)
        else:
            with pytest.raises(ValidationError):
                model.model_validate(asked)
