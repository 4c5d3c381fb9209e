"""Positions on Earth as EXIF, XMP and sidecars write them."""

from __future__ import annotations

import math
import re
from typing import Final

from models.pictures.tiff_tags import Value

Place = tuple[float, float]
"""Degrees north, -90 to 90, and degrees east, -180 to 180."""

_LATITUDE, _LONGITUDE = ("NS", 90), ("EW", 180)
_LONGEST: Final = 64  # characters
# `41,24.5N`, `41 deg 24' 30.00" N`, `N 41° 24.5`, `-41.5`
_WRITTEN: Final = re.compile(
    r"""(?P<before>[NSEW])?\s*(?P<sign>[+-])?
        (?P<degrees>\d{1,3}(?:\.\d{1,20})?)\s*(?:°|deg|d|,|\s|$|(?=[NSEW]))\s*
        (?:(?P<minutes>\d{1,2}(?:\.\d{1,20})?)\s*(?:'|\u2032|\u2019|min|m|,|\s|$|(?=[NSEW]))\s*
        (?:(?P<seconds>\d{1,2}(?:\.\d{1,20})?)\s*(?:"|\u2033|\u201d|''|sec|s)?\s*)?)?
        (?P<after>[NSEW])?[a-z]*$""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)


def place_of(latitude: Value | None, north: str, longitude: Value | None, east: str) -> Place | None:
    """The position of two numbers or texts and the references that stand apart from them, which may be empty.

    A number that does not say which way it counts, by a reference or by a sign, is half a position and none.
    """
    return fix(_degrees(latitude, north, *_LATITUDE), _degrees(longitude, east, *_LONGITUDE))


def decimal_place(latitude: object, longitude: object) -> Place | None:
    """The position of two signed numbers of degrees."""
    numbers = [
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        for value in (latitude, longitude)
    ]
    north, east = numbers
    return fix(north if abs(north) <= 90 else None, east if abs(east) <= 180 else None)


def fix(latitude: float | None, longitude: float | None) -> Place | None:
    """A position; exactly (0, 0) is what receivers write that have none."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _degrees(value: Value | None, reference: str, letters: str, limit: int) -> float | None:
    """Signed degrees of a list of degrees, minutes and seconds, or of a text with or without a reference."""
    letter, sign = reference.strip()[:1].upper(), ""
    if isinstance(value, str):
        match = _WRITTEN.match(value.strip()) if len(value) <= _LONGEST else None
        if not match:
            return None
        sign = match["sign"] or ""
        letter = (match["before"] or match["after"] or letter).upper()
        if not letter and not match["minutes"] and (sign or "." in value):
            letter = letters[0]  # what counts with a sign has none where it counts up
        parts = tuple(float(match[name] or 0) for name in ("degrees", "minutes", "seconds"))
    elif isinstance(value, tuple) and 1 <= len(value) <= 3:
        parts = (*value, 0.0, 0.0)[:3]
        if parts[0] < 0:
            sign, parts = "-", (-parts[0], *parts[1:])
    else:
        return None
    if sign == "-":
        if letter == letters[0] and reference.strip():
            return None  # they contradict each other
        letter = letters[1]
    if not letter or letter not in letters:
        return None
    total = _sum(*parts)
    if total is None or total > limit:
        return None
    return -total if letter == letters[1] else total


def _sum(degrees: float, minutes: float, seconds: float) -> float | None:
    """Degrees; what is undefined (0/0) is nothing where a coarser part, being no whole number, has said all.

    Seconds may be undefined in any case: what is missing is less than two kilometres.
    """
    if math.isnan(seconds):
        seconds = 0.0
    if math.isnan(minutes) and degrees % 1 and not seconds:
        minutes = 0.0
    if not (degrees >= 0 and 0 <= minutes <= 60 and 0 <= seconds <= 60):  # also refuses NaN
        return None
    return degrees + minutes / 60 + seconds / 3600
