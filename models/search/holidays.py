"""The days of holidays in a year."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from models.search.spans import Span, Yearly, days


def easter_sunday(year: int) -> date:
    """Easter of the western churches, by the anonymous Gregorian algorithm (Nature, 1876)."""
    golden = year % 19
    century, in_century = divmod(year, 100)
    leap_centuries, rest = divmod(century, 4)
    moon_shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - moon_shift + 15) % 30
    leaps, in_leap = divmod(in_century, 4)
    weekday = (32 + 2 * rest + 2 * leaps - epact - in_leap) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def _fixed(month: int, day: int, count: int = 1) -> Yearly:
    return lambda year: days(date(year, month, day), count)


def _around_easter(offset: int, count: int = 1) -> Yearly:
    return lambda year: days(easter_sunday(year) + timedelta(days=offset), count)


def _nth(month: int, weekday: int, nth: int) -> Yearly:
    """The nth such weekday (Monday is 0) of a month, counted from 1."""

    def in_year(year: int) -> Span:
        first = date(year, month, 1)
        return days(first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1)))

    return in_year


def _last_monday_of_may(year: int) -> Span:
    last = date(year, 5, 31)
    return days(last - timedelta(days=last.weekday()))


def _advent(year: int) -> Span:
    """From the fourth Sunday before Christmas to Christmas Eve."""
    eve = date(year, 12, 24)
    fourth = eve - timedelta(days=(eve.weekday() + 1) % 7)
    return fourth - timedelta(weeks=3), date(year, 12, 25)


HOLIDAYS: Final[dict[str, Yearly]] = {
    "christmas": _fixed(12, 24, 3),
    "christmas_eve": _fixed(12, 24),
    "christmas_day": _fixed(12, 25),
    "boxing_day": _fixed(12, 26),
    # New Year 2024 is the night into 2024.
    "new_year": lambda year: days(date(year - 1, 12, 31), 2),
    "between_the_years": _fixed(12, 27, 4),
    "new_years_eve": _fixed(12, 31),
    "new_years_day": _fixed(1, 1),
    "epiphany": _fixed(1, 6),
    "valentines_day": _fixed(2, 14),
    "st_patricks_day": _fixed(3, 17),
    # From the Thursday before Shrove Tuesday.
    "carnival": _around_easter(-52, 6),
    "rose_monday": _around_easter(-48),
    "mardi_gras": _around_easter(-47),
    "ash_wednesday": _around_easter(-46),
    "palm_sunday": _around_easter(-7),
    "maundy_thursday": _around_easter(-3),
    "good_friday": _around_easter(-2),
    "easter": _around_easter(-2, 4),
    "easter_sunday": _around_easter(0),
    "easter_monday": _around_easter(1),
    "ascension": _around_easter(39),
    "pentecost": _around_easter(49, 2),
    "whit_sunday": _around_easter(49),
    "whit_monday": _around_easter(50),
    "corpus_christi": _around_easter(60),
    "walpurgis_night": _fixed(4, 30),
    "may_day": _fixed(5, 1),
    "mothers_day": _nth(5, 6, 2),
    "memorial_day": _last_monday_of_may,
    "fathers_day": _nth(6, 6, 3),
    "juneteenth": _fixed(6, 19),
    "independence_day": _fixed(7, 4),
    "swiss_national_day": _fixed(8, 1),
    "assumption": _fixed(8, 15),
    "labor_day": _nth(9, 0, 1),
    "german_unity_day": _fixed(10, 3),
    "austrian_national_day": _fixed(10, 26),
    "reformation_day": _fixed(10, 31),
    "halloween": _fixed(10, 31),
    "all_saints": _fixed(11, 1),
    "all_souls": _fixed(11, 2),
    "guy_fawkes": _fixed(11, 5),
    "veterans_day": _fixed(11, 11),
    "st_martins_day": _fixed(11, 11),
    "thanksgiving": _nth(11, 3, 4),
    "st_nicholas_day": _fixed(12, 6),
    "advent": _advent,
}
"""By the keys of the languages' tables. Thanksgiving and Father's Day are those of the United States."""
