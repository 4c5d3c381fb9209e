"""Moments as files write them: down to the second, or only a day, a month or a year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

# The oldest surviving photograph; a scan may rightly carry an old date, a camera with an empty clock says
# year 0 or 1.
_FIRST_YEAR: Final = 1826
_LONGEST: Final = 64  # characters


class Precision(StrEnum):
    """How much of a moment is known."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


_FINEST_FIRST: Final = tuple(Precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time; of a day, a month or a year it is the first moment."""

    at: datetime  # aware if the instant is known, else naive: what a clock on the wall showed
    precision: Precision = Precision.SECOND
    offset_minutes: int | None = None  # minutes east of UTC at the place; None if unknown, also of an instant

    @property
    def wall(self) -> datetime:
        """What the clock showed, without a zone."""
        return self.at.replace(tzinfo=None)

    @property
    def is_believable(self) -> bool:
        """Whether there was photography by then; whether it is over, the database's clock decides."""
        return self.at.year >= _FIRST_YEAR

    def sharpens(self, other: Moment) -> bool:
        """Whether this one says more of the same day, month or year."""
        if _FINEST_FIRST.index(self.precision) >= _FINEST_FIRST.index(other.precision):
            return False
        known = {Precision.YEAR: 1, Precision.MONTH: 2, Precision.DAY: 3}.get(other.precision, 5)
        return self.wall.timetuple()[:known] == other.wall.timetuple()[:known]


# EXIF's `2024:06:01 12:00:00`, where blanks and zeros stand for what is unknown, and the ISO forms of XMP.
_WRITTEN: Final = re.compile(
    r"(\d{4})(?:[:/.-](\d{1,2}|  )(?:[:/.-](\d{1,2}|  ))?)?"
    r"(?:[T ]\s*(?:(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,](\d+))?|[ :]+)\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?\s*$",
    re.ASCII,
)
_ZONE: Final = re.compile(r"([+-])(\d{2})(?::?(\d{2}))?$", re.ASCII)


def read_moment(text: str, fraction: str = "", zone: str = "") -> Moment | None:
    """The moment that `text` says; `fraction` are the digits after its second, `zone` is its offset.

    None for what is no date, or not of this calendar, or not to be believed.
    """
    text = text.strip(" \0")
    match = _WRITTEN.match(text) if len(text) <= _LONGEST else None
    if not match:
        return None
    year, month, day, hour, minute, second, digits, own_zone = match.groups()
    numbers = [int(part) if part and part.strip() else 0 for part in (month, day, hour, minute, second)]
    if 0 in numbers[:2]:
        if any(numbers[numbers.index(0) :]):  # a day of no month, or a time of no day
            return None
        precision = Precision.MONTH if numbers[0] else Precision.YEAR
    elif hour is None:
        precision = Precision.DAY
    else:
        precision = Precision.MINUTE if second is None else Precision.SECOND
    digits = digits or (fraction if fraction.isascii() and fraction.isdecimal() else "")
    return moment_of(
        (int(year), numbers[0] or 1, numbers[1] or 1, *numbers[2:]),
        microsecond=int(digits[:6].ljust(6, "0")) if precision is Precision.SECOND else 0,
        zone=read_zone(own_zone or zone) if hour is not None else None,
        precision=precision,
    )


def read_mail_date(text: str) -> Moment | None:
    """The moment of `Sat, 1 Jun 2024 12:00:00 +0200` (RFC 5322), as the PNG standard has it."""
    try:
        at = parsedate_to_datetime(text[:_LONGEST])
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    offset = at.utcoffset()
    moment = Moment(at=at, offset_minutes=None if offset is None else round(offset / timedelta(minutes=1)))
    return moment if moment.is_believable else None


def moment_of(
    numbers: tuple[int, ...],
    *,
    microsecond: int = 0,
    zone: timezone | None = None,
    precision: Precision = Precision.SECOND,
) -> Moment | None:
    """The moment of year, month, day, hour, minute and second; None if there is none such."""
    year, month, day, hour, minute, second = (*numbers, 0, 0, 0)[:6]
    try:
        at = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
    except ValueError:
        return None
    offset = at.utcoffset()
    moment = Moment(
        at=at,
        precision=precision,
        offset_minutes=None if offset is None else round(offset / timedelta(minutes=1)),
    )
    return moment if moment.is_believable else None


def instant(seconds: float) -> Moment | None:
    """The moment so many seconds after 1970 began in UTC, at a place whose clocks nobody tells of."""
    try:
        moment = Moment(at=datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.is_believable else None


def read_zone(text: str) -> timezone | None:
    """The zone of `+02:00`, `+0200`, `+02` or `Z`; None if there is none such."""
    if text == "Z":
        return UTC
    if not (match := _ZONE.match(text)):
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    if int(match[3] or 0) > 59 or minutes > 14 * 60:  # Kiribati lives at +14:00, nobody further out
        return None
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
