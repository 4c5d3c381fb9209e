"""Stretches of days: of the calendar, of what comes every year, and parts of them."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, Literal

Span = tuple[date, date]
"""Days from the first to before the second."""
Yearly = Callable[[int], Span | None]
"""The days of something that comes every year, in a year; None if it does not come in that year."""
Hemisphere = Literal["north", "south"]

MOST_BACK: Final = {"day": 40_000, "week": 5_000, "month": 1_200, "year": 150, "decade": 15}
"""Further back, a length of time is no date."""
_YEARS_BETWEEN: Final = 9  # 29 February comes again after 8 years at most; with the present one that is 9
_SEASONS: Final = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}
"""The month that each begins with in the north, as meteorologists count."""


def days(first: date, count: int = 1) -> Span:
    """So many days from this one on."""
    return first, first + timedelta(days=count)


def months_from(year: int, month: int, count: int = 1) -> Span:
    """So many whole months from this one on."""
    last = month - 1 + count
    return date(year, month, 1), date(year + last // 12, last % 12 + 1, 1)


def season_months(season: str, hemisphere: Hemisphere) -> tuple[int, int, int]:
    """The three months of a season, the first of which gives it its year: winter 2020 ends in 2021."""
    first = _SEASONS[season] + (6 if hemisphere == "south" else 0)
    return (first - 1) % 12 + 1, first % 12 + 1, (first + 1) % 12 + 1


def period(day: date, unit: str) -> Span:
    """The day, week, month, year or decade of the calendar that the day is in."""
    match unit:
        case "week":
            return days(day - timedelta(days=day.weekday()), 7)
        case "month":
            return months_from(day.year, day.month)
        case "year":
            return date(day.year, 1, 1), date(day.year + 1, 1, 1)
        case "decade":
            first = day.year // 10 * 10
            return date(first, 1, 1), date(first + 10, 1, 1)
    return days(day)


def third_of(span: Span, which: int) -> Span:
    """The first, second or last third, of whole months or years if it has 3 of them at least."""
    since, before = span
    months = (before.year - since.year) * 12 + before.month - since.month
    if months >= 3:
        edges = [round(months * part / 3) for part in range(4)]
        first, last = edges[which], edges[which + 1]
        start = months_from(since.year, since.month, first)[1] if first else since
        return start, months_from(since.year, since.month, last)[1]
    lengths = (0, 10, 20, (before - since).days)
    return since + timedelta(days=lengths[which]), since + timedelta(days=lengths[which + 1])


def latest(yearly: Yearly | None, today: date, *, over: bool = False) -> Span | None:
    """The latest that has begun, or that is over, by a day."""
    for year in range(today.year + 1, today.year - _YEARS_BETWEEN, -1) if yearly else ():
        span = yearly(year) if yearly else None
        if span and (span[1] <= today if over else span[0] <= today):
            return span
    return None


def earliest(yearly: Yearly | None, since: date) -> Span | None:
    """The first of something yearly that begins on this day or later."""
    for year in range(since.year - 1, since.year + _YEARS_BETWEEN):
        span = yearly(year) if yearly else None
        if span and span[0] >= since:
            return span
    return None


def months_between(first: int, last: int) -> tuple[int, ...]:
    count = (last - first) % 12 + 1
    return tuple((first - 1 + step) % 12 + 1 for step in range(count))


def shifted(day: date, unit: str, back: int) -> date | None:
    """The day so many units before; the last of the month if there is none of that number."""
    if abs(back) > MOST_BACK[unit]:
        return None
    match unit:
        case "day" | "week":
            return day - timedelta(days=back * (7 if unit == "week" else 1))
        case "month":
            year, month = divmod(day.year * 12 + day.month - 1 - back, 12)
        case "year" | "decade":
            year, month = day.year - back * (10 if unit == "decade" else 1), day.month - 1
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
