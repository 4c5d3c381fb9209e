"""Times of photos as instants, days of a wall's calendar, and days that come back every year."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from models.moments.photos import NO_OFFSET, NO_TIME

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.moments.photos import Photos

    Ints = npt.NDArray[np.int64]

DAY: Final = 86_400
HOUR: Final = 3_600
_EPOCH: Final = date(1970, 1, 1)
_YEARS: Final = range(1800, 2200)
"""Of a photo; another time is a clock that was never set."""


def walls(photos: Photos) -> Ints:
    """What a clock on the wall showed where each photo was taken, in seconds, as if it had been UTC."""
    import numpy as np

    offsets = np.where(photos.offsets == NO_OFFSET, 0, photos.offsets).astype(np.int64)
    known = photos.times != NO_TIME
    shown = np.where(known, photos.times, 0) + offsets * 60
    return np.where(known & _is_plausible(shown), shown, NO_TIME)


def instants(photos: Photos, zone: ZoneInfo) -> Ints:
    """When each photo was taken, in seconds since 1970; `zone` says it of those that have no offset."""
    import numpy as np

    found = walls(photos)
    bare = np.flatnonzero((photos.offsets == NO_OFFSET) & (found != NO_TIME))
    real = np.where(found == NO_TIME, NO_TIME, photos.times)
    real[bare] = found[bare] - _offsets(found[bare], zone)
    return real


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    return _EPOCH + timedelta(days=int(number))


def years_of(days: Ints) -> Ints:
    """The calendar years of numbers of days."""
    years: Ints = days.astype("datetime64[D]").astype("datetime64[Y]").astype("int64") + _EPOCH.year
    return years


def end_of(day: date, zone: ZoneInfo) -> int:
    """The instant in which a day is over in a zone, in seconds since 1970."""
    next_day = day + timedelta(days=1)
    return int(datetime(next_day.year, next_day.month, next_day.day, tzinfo=zone).timestamp())


def years_before(day: date, years: int) -> date:
    """The same day so many years before; 28 February where there is no 29th."""
    year = day.year - years
    return day.replace(year=year, day=min(day.day, calendar.monthrange(year, day.month)[1]))


def anniversaries(day: date, since: date) -> Iterator[tuple[int, date]]:
    """How many years ago each former one of a day was, and when; from the latest back to `since`."""
    for years in range(1, day.year - max(since.year, _YEARS.start) + 1):
        yield years, years_before(day, years)


def _is_plausible(shown: Ints) -> npt.NDArray[np.bool_]:
    first, last = (day_number(date(year, 1, 1)) * DAY for year in (_YEARS.start, _YEARS.stop))
    plausible: npt.NDArray[np.bool_] = (shown >= first) & (shown < last)
    return plausible


def _offsets(shown: Ints, zone: ZoneInfo) -> Ints:
    """Seconds east of UTC in a zone, when its clocks show this."""
    import numpy as np

    days, place = np.unique(shown // DAY, return_inverse=True)
    # One a day, unless the clocks change on it or on the next; then every photo is asked for.
    edges = np.array([_offset(int(day) * DAY, zone) for day in np.union1d(days, days + 1)], np.int64)
    at = np.searchsorted(np.union1d(days, days + 1), days)
    found = edges[at][place]
    for photo in np.flatnonzero((edges[at] != edges[at + 1])[place]):
        found[photo] = _offset(int(shown[photo]), zone)
    return found


def _offset(shown: int, zone: ZoneInfo) -> int:
    # Of an hour that comes twice it is the first; one that is left out is counted on from before.
    clock = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=shown)
    offset = clock.replace(tzinfo=zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0
