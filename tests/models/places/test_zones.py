"""How far clocks were ahead of UTC, in summer, in winter, in between and long ago."""

from __future__ import annotations

from datetime import datetime

import pytest

from models.places.zones import countries_of, offset_at, zones_at


@pytest.mark.parametrize(
    ("zone", "at", "minutes", "why"),
    [
        ("Europe/Berlin", "2024-01-01T12:00:00", 60, "winter"),
        ("Europe/Berlin", "2024-07-01T12:00:00", 120, "summer"),
        ("Australia/Sydney", "2024-01-01T12:00:00", 660, "summer in the south"),
        ("Europe/Berlin", "2024-03-31T01:59:59", 60, "the last second of winter"),
        ("Europe/Berlin", "2024-03-31T02:30:00", 60, "never shown: as if it were winter"),
        ("Europe/Berlin", "2024-03-31T03:00:00", 120, "the first second of summer"),
        ("Europe/Berlin", "2024-10-27T02:30:00", 120, "shown twice: the first"),
        ("Europe/Berlin", "2024-10-27T03:00:00", 60, "winter again"),
        ("Europe/Berlin", "2024-10-27T01:30:00+00:00", 60, "an instant is never shown twice"),
        ("Europe/Berlin", "2024-10-27T00:30:00+00:00", 120, "nor is the one before"),
        ("Europe/Berlin", "1979-07-01T12:00:00", 60, "no summer time yet"),
        ("Europe/Berlin", "1947-06-01T12:00:00", 180, "double summer time"),
        ("Europe/Moscow", "2012-01-01T12:00:00", 240, "summer all year"),
        ("Europe/Istanbul", "2015-01-01T12:00:00", 120, "before it stayed with summer"),
        ("Europe/Istanbul", "2024-01-01T12:00:00", 180, "since it does"),
        ("Pacific/Apia", "2011-12-29T12:00:00", -600, "the day before Samoa left one out"),
        ("Pacific/Apia", "2011-12-31T12:00:00", 840, "the day after"),
        ("Asia/Pyongyang", "2017-01-01T12:00:00", 510, "three years of its own time"),
        ("America/Caracas", "2010-01-01T12:00:00", -270, "half an hour of its own"),
        ("Asia/Kathmandu", "2024-01-01T00:00:00", 345, "a quarter of an hour"),
        ("Australia/Lord_Howe", "2024-01-01T00:00:00", 660, "half an hour of summer"),
        ("Africa/Monrovia", "1971-06-01T12:00:00", -44, "44 minutes and 30 seconds"),
    ],
)
def test_offsets_are_those_of_their_day(zone: str, at: str, minutes: int, why: str) -> None:
    assert offset_at(zone, datetime.fromisoformat(at)) == minutes, why


def test_a_meridian_is_the_same_from_both_sides() -> None:
    """tzfpy 2.1.1 has (0, -180) in Etc/GMT+12 and (0, 180) in Etc/GMT-12, which are a day apart."""
    assert zones_at(-16.9, 180) == zones_at(-16.9, -180) == ("Pacific/Fiji",)
    assert zones_at(0, 180) == zones_at(0, -180) == ()


def test_the_countries_of_zones() -> None:
    assert countries_of(("Europe/Belgrade",)) == ("RS", "XK")
    assert countries_of(("Asia/Bangkok",)) == ("TH", "VN")
    assert countries_of(("Africa/Juba", "Africa/Khartoum")) == ("SD", "SS")
    assert countries_of(("Mars/Crater",)) == ()
    assert countries_of(()) == ()
