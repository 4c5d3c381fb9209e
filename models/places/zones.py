"""Time zones of points on Earth, the countries that keep them, and how far their clocks were ahead of UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

_MORE_COUNTRIES: Final = {"Asia/Bangkok": ("VN",), "Europe/Belgrade": ("XK",)}
"""Beside the country that the zone database has for a zone: since 1970 clocks in the north of Vietnam agree
with Bangkok's, and those in Kosovo with Belgrade's."""
_AT_SEA: Final = "Etc/"


def zones_at(latitude: float, longitude: float) -> tuple[str, ...]:
    """The zones of a point in degrees, in alphabetical order: one, but for places that two countries claim or
    where people live by two clocks. None on the open sea, further than about 22 km from any coast.
    """
    import tzfpy

    # The same meridian is a day apart for the package: -180 is Etc/GMT+12 to it, 180 is Etc/GMT-12.
    found = tzfpy.get_tzs(180.0 if longitude == -180 else longitude, latitude)
    return tuple(sorted(zone for zone in found if not zone.startswith(_AT_SEA)))


def countries_of(zones: tuple[str, ...]) -> tuple[str, ...]:
    """The countries where these zones are, by their codes of two letters, in alphabetical order."""
    own = {country for zone in zones if (country := _countries().get(zone))}
    return tuple(sorted(own.union(*(_MORE_COUNTRIES.get(zone, ()) for zone in zones))))


def offset_at(zone: str, at: datetime) -> int:
    """Minutes that a zone's clocks were ahead of UTC at an instant, or when they showed `at` if it is naive.

    A time that clocks showed twice, when summer ended, is the first of the two; one that they never showed,
    when it began, is read as if it had not begun yet. Offsets with seconds, of before zones, are rounded.
    """
    place = ZoneInfo(zone)
    there = at.astimezone(place) if at.tzinfo else at.replace(tzinfo=place, fold=0)
    return round((there.utcoffset() or timedelta()) / timedelta(minutes=1))


@cache
def _countries() -> dict[str, str]:
    text = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows}
