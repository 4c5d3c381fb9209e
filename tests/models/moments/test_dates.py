"""Every trap of dates: leap days, New Year, clocks that change, zones, and times that are none."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.moments import clock
from models.moments.photos import Flag, Person
from tests.models.moments.shots import Shot, kinds, moments, of_kind, photos_of, shots

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("today", "taken", "found", "why"),
    [
        ("2024-02-29", "2020-02-29", "4 years ago today", "both are leap years"),
        ("2024-02-29", "2023-02-28", "1 year ago today", "the 28th stands for the 29th"),
        ("2024-02-29", "2023-03-01", "This week, 1 year ago", "and the day after is one day off"),
        ("2024-02-29", "2023-03-03", "This week, 1 year ago", "three days off"),
        ("2024-02-29", "2023-03-04", None, "four days off"),
        ("2025-02-28", "2024-02-29", "This week, 1 year ago", "the leap day is one day off"),
        ("2025-03-03", "2024-02-29", "This week, 1 year ago", "1 March, 2 March, 3 March"),
        ("2025-03-04", "2024-02-29", None, "four days off"),
        ("2026-06-10", "2025-06-07", "This week, 1 year ago", "the window's first day"),
        (
            "2026-06-10",
            "2025-06-13",
            "This week, 1 year ago",
            "the window's last day: a year less three days",
        ),
        ("2026-06-10", "2025-06-14", None, "younger than that"),
        ("2026-06-10", "2025-06-06", None, "before the window"),
        ("2026-06-10", "1926-06-10", "100 years ago today", "a scan"),
        ("2025-12-31", "2023-01-02", "This week, 3 years ago", "two days after the 31st of 2022"),
        ("2026-01-01", "2019-12-31", "This week, 6 years ago", "a day before the first of 2020"),
    ],
)
def test_this_day_of_another_year(today: str, taken: str, found: str | None, why: str) -> None:
    told = of_kind(moments(shots(f"{taken} 12:00", 4, every_minutes=1), today), "on_this_day")

    assert [moment.title for moment in told] == ([found] if found else []), why


def test_two_photos_of_a_year_are_no_story_and_three_are() -> None:
    others = shots("2016-01-01 12:00", 2)

    assert not of_kind(moments([*others, *shots("2020-06-09 12:00", 2)], "2026-06-10"), "on_this_day")
    assert of_kind(moments([*others, *shots("2020-06-09 12:00", 3)], "2026-06-10"), "on_this_day")


@pytest.mark.parametrize(
    ("born", "today", "old"),
    [
        ("2015-06-10", "2026-06-10", "11 years old"),
        ("2025-06-10", "2026-06-10", "1 year old"),
        ("2016-02-29", "2024-02-29", "8 years old"),
        ("2016-02-29", "2023-02-28", "7 years old"),
        ("2016-02-29", "2023-03-01", None),
        ("2016-02-28", "2024-02-28", "8 years old"),
        ("2016-02-28", "2024-02-29", None),
        ("2026-06-10", "2026-06-10", None),
        ("2030-06-10", "2026-06-10", None),
    ],
)
def test_birthdays(born: str, today: str, old: str | None) -> None:
    anna = Person(contact_id="anna", name="Anna", birth_date=date.fromisoformat(born))
    library = shots("2022-11-01 12:00", 4, who=(0,))

    told = of_kind(moments(library, today, people=[anna]), "birthday")

    assert [moment.subtitle for moment in told] == ([f"{old} · 4 photos"] if old else [])


def test_who_was_born_centuries_ago_is_not_told_the_age() -> None:
    anna = Person(contact_id="anna", name="Anna", birth_date=date(1800, 6, 10))

    told = of_kind(moments(shots("2022-11-01 12:00", 4, who=(0,)), "2026-06-10", people=[anna]), "birthday")

    assert [moment.subtitle for moment in told] == ["4 photos"]


def test_one_minute_before_midnight_in_another_zone_is_that_day() -> None:
    tokyo = shots("2025-06-10 23:58", 3, every_minutes=0.5, offset=9 * 60)
    honolulu = shots("2024-06-10 23:58", 3, every_minutes=0.5, offset=-10 * 60)

    told = of_kind(moments([*tokyo, *honolulu], "2026-06-10", zone=BERLIN), "on_this_day")

    assert sorted(moment.title for moment in told) == ["1 year ago today", "2 years ago today"]


def test_a_zone_that_changes_amid_a_trip_changes_no_order() -> None:
    # New York 21:00 (01:00 UTC), then London 08:00 (07:00 UTC) of the next day, then 10 minutes in UTC.
    library = [
        Shot(id="one", wall="2026-06-03 21:00", offset=-240),
        Shot(id="two", wall="2026-06-04 03:30", offset=60),
        Shot(id="three", wall="2026-06-04 05:00", offset=60),
        Shot(id="four", wall="2026-06-04 00:30", offset=-240),
    ]

    told = of_kind(moments(library, "2026-06-10", zone=BERLIN), "event")

    assert [moment.photos for moment in told] == [("one", "two", "three", "four")]
    assert told[0].title == "Wednesday evening, June 3"


@pytest.mark.parametrize(
    ("wall", "utc", "why"),
    [
        ("2026-03-29 01:59", "2026-03-29 00:59", "winter"),
        ("2026-03-29 02:30", "2026-03-29 01:30", "an hour that is left out"),
        ("2026-03-29 03:00", "2026-03-29 01:00", "summer"),
        ("2026-10-25 02:30", "2026-10-25 00:30", "an hour that comes twice is the first"),
        ("2026-10-25 03:00", "2026-10-25 02:00", "winter again"),
        ("1978-07-01 12:00", "1978-07-01 11:00", "there was no summer time then"),
    ],
)
def test_a_clock_without_a_zone_is_read_in_the_users(wall: str, utc: str, why: str) -> None:
    real = clock.instants(photos_of([Shot(id="a", wall=wall)]), BERLIN)

    assert np.datetime64(int(real[0]), "s") == np.datetime64(utc.replace(" ", "T")), why


def test_days_that_clocks_change_in_split_no_event() -> None:
    spring = shots("2026-03-28 23:00", 4, every_minutes=100)

    assert [
        len(moment.photos) for moment in of_kind(moments(spring, "2026-04-10", zone=BERLIN), "event")
    ] == [4]


def test_what_is_of_the_future_is_left_out_and_what_is_ahead_by_its_zone_is_not() -> None:
    future = shots("2027-06-03 10:00", 6)
    ahead = shots("2026-06-11 06:00", 6, every_minutes=5, offset=12 * 60)  # 18:00 of 10 June in UTC

    assert moments(future, "2026-06-10") == []
    assert kinds(moments(ahead, "2026-06-10")) == ["event"]


def test_photos_without_a_date_are_only_in_what_needs_none() -> None:
    anna = Person(contact_id="anna", name="Anna")
    library = [Shot(id=str(at), at=(1, 1), place="Rome, Italy", who=(0,)) for at in range(5)]

    told = moments(library, "2026-06-10", people=[anna])

    assert [(moment.kind, moment.first, moment.last) for moment in told] == [("people", None, None)]
    assert [moment.kind for moment in moments(library, "2026-06-10", people=[Person(cluster_id="c")])] == [
        "location"
    ]


@pytest.mark.parametrize("wall", ["0001-01-01 00:00", "1700-01-01 00:00", "9999-12-31 23:59"])
def test_a_clock_that_was_never_set_is_no_date(wall: str) -> None:
    library = [Shot(id=str(at), wall=wall) for at in range(5)]

    assert moments(library, "2026-06-10") == []


def test_a_month_is_no_day_and_a_day_is_no_hour() -> None:
    months = shots("2025-06-10 00:00", 5, every_minutes=0, flags=Flag.COARSE_TIME)
    days = shots("2026-06-09 00:00", 5, every_minutes=0, flags=Flag.DAY_ONLY)

    assert moments(months, "2026-06-10") == []
    assert kinds(moments(days, "2026-06-10")) == ["recent"]


@pytest.mark.parametrize(
    ("today", "latitude", "title"),
    [
        ("2026-03-01", 50, "Winter 2025/26"),
        ("2026-03-14", 50, "Winter 2025/26"),
        ("2026-03-15", 50, None),
        ("2026-02-28", 50, None),
        ("2026-03-01", -30, "Summer 2025/26"),
        ("2026-06-01", -30, "Fall 2026"),
        ("2026-06-05", 50, "Spring 2026"),
    ],
)
def test_seasons_are_told_when_they_are_over(today: str, latitude: float, title: str | None) -> None:
    library = [
        shot
        for month in ("2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05")
        for day in (3, 9, 15, 27)
        for shot in shots(f"{month}-{day:02} 12:00", 2, at=(latitude, day))
    ]

    told = of_kind(moments(library, today), "season")

    assert [moment.title for moment in told] == ([title] if title else [])


@pytest.mark.parametrize(
    ("today", "year"),
    [
        ("2025-12-25", None),
        ("2025-12-26", 2025),
        ("2025-12-31", 2025),
        ("2026-01-14", 2025),
        ("2026-01-15", None),
    ],
)
def test_a_year_is_told_about_its_end(today: str, year: int | None) -> None:
    library = [shot for month in range(1, 12) for shot in shots(f"2025-{month:02}-05 12:00", 2)]

    told = of_kind(moments(library, today), "year_in_review")

    assert [moment.title for moment in told] == ([f"{year} in Review"] if year else [])


@pytest.mark.parametrize(
    ("hour", "part"), [(0, "morning"), (11, "morning"), (12, "afternoon"), (16, "afternoon"), (17, "evening")]
)
def test_parts_of_a_day(hour: int, part: str) -> None:
    told = moments(shots(f"2026-06-03 {hour:02}:59", 4, every_minutes=0), "2026-06-10")

    assert told[0].title == f"Wednesday {part}, June 3"


def test_events_end_after_three_days_and_with_a_gap_of_more_than_four_hours() -> None:
    gap = [*shots("2026-06-03 10:00", 4, every_minutes=240), *shots("2026-06-04 02:01", 4, every_minutes=60)]
    long = shots("2026-05-01 10:00", 50, every_minutes=120)  # 98 hours

    assert [len(moment.photos) for moment in reversed(of_kind(moments(gap, "2026-06-10"), "event"))] == [4, 4]
    assert sorted(len(moment.photos) for moment in of_kind(moments(long, "2026-06-10"), "event")) == [13, 37]


@pytest.mark.parametrize(("today", "count"), [("2026-06-10", 1), ("2026-06-11", 0)])
def test_events_are_90_days_old_at_most(today: str, count: int) -> None:
    assert len(of_kind(moments(shots("2026-03-12 10:00", 4), today), "event")) == count
