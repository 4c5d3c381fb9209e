"""What a language must have to name moments in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

Plural = tuple[str, str]
"""What is said of one, and of any other number `{n}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Texts with places for `{name}`, `{place}` and so on, as people read them."""

    code: str
    photos: Plural
    years_old: Plural
    years_ago_today: Plural
    years_ago_this_week: Plural
    years_apart: Plural
    """After a name: `{name}`."""
    from_place: str
    """After `{photos}`."""
    in_place: str
    at_place: str
    and_so: str
    """Two that belong together, `{one}` and `{other}`."""
    visits: tuple[str, ...]
    """Titles of a visit to `{place}`; the story decides which."""
    day_out: str
    with_person: str
    someone: str
    then_and_now: str
    trip: str
    trip_anywhere: str
    birthday: str
    seasons: dict[str, str]
    """Titles with `{year}`, by `models.search.spans`' names."""
    year_in_review: str
    recent: str
    parts_of_day: tuple[str, str, str]
    """Morning, afternoon and evening of a `{weekday}`."""
    event_at: str
    """An `{event}` at a `{place}`."""
    event_on: str
    """An `{event}` on a `{day}`."""
    weekdays: tuple[str, ...]
    """From Monday on."""
    day: Callable[[date], str]
    """A day of this year or of any."""
    days: Callable[[date, date], str]
    """The first and the last of some days, with the year."""
    new_moments: Plural
    """The title of a notification."""
    moments_wait: Plural
    """Its text, with a place for the `{count}`."""

    def counted(self, texts: Plural, n: int, **named: str) -> str:
        return texts[n != 1].format(n=n, **named)
