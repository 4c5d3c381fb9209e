from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from models.pictures.offsets import proven_offset

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


def proven(minutes: int, longitude: float, *, off: timedelta = timedelta()) -> int | None:
    wall = NOON.replace(tzinfo=None) + timedelta(minutes=minutes) + off
    return proven_offset(wall, NOON, longitude)


@pytest.mark.parametrize(
    ("place", "hours", "longitude"),
    [
        ("Shanghai", 8, 121.5),
        ("Kashgar", 8, 76.0),
        ("the far west of China", 8, 73.6),
        ("Mumbai", 5.5, 72.9),
        ("the east of India", 5.5, 97.0),
        ("Kathmandu", 5.75, 85.3),
        ("Galicia in summer", 2, -9.3),
        ("Kiritimati", 14, -157.4),
        ("Samoa in summer", 14, -172.0),
        ("Attu", -9, 172.9),
        ("Nome in summer", -8, -165.4),
        ("Anadyr", 12, 177.5),
        ("Newfoundland in summer", -2.5, -52.7),
        ("the Chatham Islands in summer", 13.75, -176.5),
        ("Eucla", 8.75, 128.9),
        ("Recife", -3, -34.9),
        ("Baker Island", -12, -176.5),
        ("Fiji", 12, 178.0),
    ],
)
def test_clocks_run_so_there(place: str, hours: float, longitude: float) -> None:
    assert proven(round(hours * 60), longitude) == hours * 60, place


@pytest.mark.parametrize(
    ("why", "hours", "longitude"),
    [
        ("a clock from Berlin in New York", 2, -74.0),
        ("a clock from New York in Berlin", -4, 13.4),
        ("a clock from Berlin in Tokyo", 2, 139.7),
        ("a clock from Tokyo in Berlin", 9, 13.4),
        ("a clock that ran in UTC in Sydney", 0, 151.2),
        ("no place has a quarter past", 2.25, 13.4),
        ("nor a quarter to, here", 1.75, 13.4),
        ("nobody lives so far ahead", 14.5, -157.4),
        ("nor so far behind", -13, 172.9),
        ("a day off", 26, 13.4),
    ],
)
def test_clocks_do_not_run_so_there(why: str, hours: float, longitude: float) -> None:
    assert proven(round(hours * 60), longitude) is None, why


def test_clocks_may_disagree_a_little() -> None:
    assert proven(120, 13.4, off=timedelta(minutes=2)) == 120
    assert proven(120, 13.4, off=timedelta(minutes=-2)) == 120
    assert proven(120, 13.4, off=timedelta(minutes=3)) is None


def test_every_offset_of_the_time_zone_database_exists() -> None:
    """Those since cameras had receivers; at the longitude where the sun agrees."""
    offsets = set()
    for name in zoneinfo.available_timezones():
        zone = zoneinfo.ZoneInfo(name)
        for year in range(1995, 2027):
            for month in (1, 7):
                offset = datetime(year, month, 1, tzinfo=UTC).astimezone(zone).utcoffset()
                assert offset is not None
                offsets.add(round(offset / timedelta(minutes=1)))
    assert len(offsets) > 35
    refused = [offset for offset in sorted(offsets) if proven(offset, (offset / 4 + 180) % 360 - 180) is None]
    assert refused == []
