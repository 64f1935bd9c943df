"""Addresses that a store takes, and times to numbers and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memalpha.errors import StoreError
from memalpha.memory.store.changes import Address, from_microseconds, storable, to_microseconds, zoned


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "\ud800", "x" * 501])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="as tenant"):
        Address(tenant=name, user="ana")
    with pytest.raises(StoreError, match="as user"):
        Address(tenant="acme", user=name)


def test_an_address_is_named_in_messages() -> None:
    assert str(Address(tenant="acme", user="ana")) == "acme/ana"


@given(st.datetimes(timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))))
def test_times_come_back(time: datetime) -> None:
    assert from_microseconds(to_microseconds(time)) == time


def test_times_are_counted_from_1970_in_utc() -> None:
    east = timezone(timedelta(hours=1))
    assert to_microseconds(datetime(1970, 1, 1, 1, 0, 2, 3, tzinfo=east)) == 2_000_003
    assert from_microseconds(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with pytest.raises(StoreError, match="has no time zone"):
        zoned(datetime(1970, 1, 1))


@given(st.text())
def test_what_is_storable_can_be_encoded(text: str) -> None:
    assert storable(text) == ("\0" not in text)  # hypothesis makes no half pairs
    assert not storable(text + "\udfff")
