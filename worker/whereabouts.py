"""Names and clocks of places where photos were taken, from data that is read when the first is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Final

import structlog

from models.places.naming import language_of
from models.places.places import Places
from models.places.zones import offset_at
from worker.core.errors import PackageMissing

log = structlog.get_logger(__name__)

_READING: Final = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """What is known of one place."""

    name: str
    """In the language asked for; empty where nobody has one."""
    zone: str
    """Of the time zone database; empty far out at sea."""
    data: str
    """In which data that was looked up, and the language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonedTime:
    """An instant, and how many minutes the clocks at its place were ahead of UTC."""

    at: datetime
    offset_minutes: int


def locate(points: Sequence[tuple[float, float]], language: str) -> list[Whereabouts]:
    """What is known of degrees north and east, in the language of a tag such as de-AT. Blocks.

    Raises:
        PackageMissing: the data is not installed.
    """
    places = _places()
    data = data_for(language)
    return [Whereabouts(name=spot.name(language), zone=spot.zone, data=data) for spot in places.at(points)]


def data_for(language: str) -> str:
    """What names of places in a language are made of now.

    Raises:
        PackageMissing: the data is not installed.
    """
    return f"{_places().version}/{language_of(language)}"


def zoned(at: datetime, zone: str) -> ZonedTime:
    """An instant, or what a clock of the zone showed if `at` is naive."""
    minutes = offset_at(zone, at)
    instant = at if at.tzinfo else (at - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    return ZonedTime(at=instant, offset_minutes=minutes)


def _places() -> Places:
    with _READING:  # not twice, where two threads come first
        return _load()


@cache
def _load() -> Places:
    try:
        return Places.load()
    except ModuleNotFoundError as error:
        raise PackageMissing(f"places have no names: {error}; the extra `places` brings it") from error
