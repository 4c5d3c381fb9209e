"""English."""

from __future__ import annotations

from datetime import date
from typing import Final

from models.moments.languages.words import Words

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _day(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.day}"


def _days(first: date, last: date) -> str:
    month, day = _MONTHS[first.month - 1], first.day
    if first == last:
        return f"{month} {day}, {first.year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{month} {day}\u2013{last.day}, {first.year}"
    until = f"{_MONTHS[last.month - 1]} {last.day}, {last.year}"
    since = f"{month} {day}" if first.year == last.year else f"{month} {day}, {first.year}"
    return f"{since} \u2013 {until}"


ENGLISH: Final = Words(
    code="en",
    photos=("{n} photo", "{n} photos"),
    years_old=("{n} year old", "{n} years old"),
    years_ago_today=("{n} year ago today", "{n} years ago today"),
    years_ago_this_week=("This week, {n} year ago", "This week, {n} years ago"),
    years_apart=("{name} \u2014 {n} year apart", "{name} \u2014 {n} years apart"),
    from_place="{photos} from {place}",
    in_place="{photos} in {place}",
    at_place="{photos} at {place}",
    and_so="{one} and {other}",
    visits=("Adventures in {place}", "Memories from {place}", "Time in {place}", "Days in {place}"),
    day_out="A Day Out",
    with_person="Moments with {name}",
    someone="Someone",
    then_and_now="Then and Now",
    trip="Trip to {place}",
    trip_anywhere="Days Away",
    birthday="Happy birthday, {name}!",
    seasons={
        "spring": "Spring {year}",
        "summer": "Summer {year}",
        "autumn": "Fall {year}",
        "winter": "Winter {year}",
    },
    year_in_review="{year} in Review",
    recent="Recent Photos",
    parts_of_day=("{weekday} morning", "{weekday} afternoon", "{weekday} evening"),
    event_at="{event} at {place}",
    event_on="{event}, {day}",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    day=_day,
    days=_days,
    new_moments=("New Moment Available", "New Moments Available"),
    moments_wait=("1 new moment is waiting for you.", "{count} new moments are waiting for you."),
)
