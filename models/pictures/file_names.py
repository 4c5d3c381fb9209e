"""The date in a file's name, as cameras, messengers and screenshots write it; other numbers are none."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC
from pathlib import PurePosixPath
from typing import Final

from models.pictures.moments import Moment, Precision, instant, moment_of

_LONGEST: Final = 255  # characters
_FIRST_YEAR: Final = 1990
"""Of numbers without separators: cameras that name files after the date are younger."""

# Ids that have dates in them by chance: UUIDs, what Facebook names pictures, and 32 hexadecimal digits.
_IDS: Final = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b\d+_\d+_\d+_[a-z](?=\.|$)|[0-9a-f]{32,}", re.IGNORECASE
)
# Milliseconds since 1970 that apps put behind these words when they save a picture.
_EPOCH: Final = re.compile(r"(?:FB_IMG_|mmexport|wx_camera_|LINE_)(1\d{12})(?!\d)", re.IGNORECASE)
# A Telegram desktop's day goes before the month: `photo_12@01-06-2024_12-34-56`.
_DAY_FIRST: Final = re.compile(r"@(\d{2})-(\d{2})-(\d{4})_(\d{2})-(\d{2})-(\d{2})(?!\d)")
# What may stand right before a date: nothing, a separator, or one of the words that cameras write.
_START: Final = r"(?:(?<![0-9A-Za-z])|(?<=IMG)|(?<=VID)|(?<=PANO)|(?<=BURST)|(?<=Screenshot)|(?<=PIC))"
# `20240601_123456789`, `20240601-123456`, `20240601T123456Z`, `20240601_12_34_56`, `20240601`
_PACKED: Final = re.compile(
    _START
    + r"(\d{4})(\d{2})(\d{2})"
    + r"(?:[-_ T]?(\d{2})(\d{2})(\d{2})(\d{3})?Z?|_(\d{2})_(\d{2})_(\d{2}))?(?![0-9A-Za-z])"
)
# `2024-06-01 at 12.34.56`, `2024-06-01-12-34-56-789`, `2024-06-01 123456`, `2024_06_01`
_SPELT: Final = re.compile(
    _START
    + r"(?<!\d\.)(\d{4})([-_.])(\d{2})\2(\d{2})(?!\d)"
    + r"(?:(?:[-_ T]|[^0-9\w]{1,2}[^\W\d.]{1,3}\.?(?: [^\W\d]{1,3})?[^0-9\w]{1,2})"
    + r"(?:(\d{1,2})([-_.:h])(\d{2})\6(\d{2})|(\d{2})(\d{2})(\d{2}))(?:[-.](\d{3}))?(?!\d)"
    + r"(?:[ \u202f\u00a0]?([AP])M\b|(Z)(?![0-9A-Za-z]))?)?",
    re.IGNORECASE,
)
_UTC_NAMES: Final = re.compile(r"PXL_\d{8}_\d{9}", re.IGNORECASE)
"""Google's camera names its files after the time in UTC."""


def moment_in_name(name: str) -> Moment | None:
    """When a file's name says that it was taken, by the clock on the wall unless such names tell UTC."""
    name = PurePosixPath(name[-_LONGEST:]).name
    name = _IDS.sub("", name)
    if match := _EPOCH.search(name):
        return instant(int(match[1]) / 1000)
    if match := _DAY_FIRST.search(name):
        day, month, year, *time = (int(part) for part in match.groups())
        return moment_of((year, month, day, *time))
    for match in _SPELT.finditer(name):
        if moment := _spelt(match):
            return moment
    for match in _PACKED.finditer(name):
        if moment := _packed(match, in_utc=_UTC_NAMES.match(name) is not None):
            return moment
    return None


def _spelt(match: re.Match[str]) -> Moment | None:
    year, month, day = (int(match[group]) for group in (1, 3, 4))
    clock = [text for text in match.group(5, 7, 8, 9, 10, 11) if text is not None]
    if clock:
        hour, minute, second = (int(text) for text in clock)
        if (half := (match[13] or "").upper()) and 1 <= hour <= 12:
            hour = hour % 12 + 12 * (half == "P")
        zone = UTC if match[14] else None
        if moment := moment_of(
            (year, month, day, hour, minute, second), microsecond=_micro(match[12]), zone=zone
        ):
            return _without_place(moment)
    return moment_of((year, month, day), precision=Precision.DAY)


def _packed(match: re.Match[str], *, in_utc: bool) -> Moment | None:
    date = tuple(int(match[group]) for group in (1, 2, 3))
    if date[0] < _FIRST_YEAR:
        return None
    clock = match.group(4, 5, 6) if match[4] else match.group(8, 9, 10)
    if clock[0]:
        time = tuple(int(text) for text in clock)
        zone = UTC if in_utc or match[0].endswith("Z") else None
        if moment := moment_of((*date, *time), microsecond=_micro(match[7]), zone=zone):
            return _without_place(moment)
    return moment_of(date, precision=Precision.DAY)


def _without_place(moment: Moment) -> Moment:
    """UTC is what a name is written in, and not where the camera was."""
    return replace(moment, offset_minutes=None)


def _micro(milliseconds: str | None) -> int:
    return int(milliseconds or 0) * 1000
