"""Visits and trips: where home is, what is far from it, and the seams of the globe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from models.moments.photos import Photos
from models.moments.scene import country, short
from tests.models.moments.shots import Shot, moments, of_kind, photos_of, shots

TODAY = "2026-06-10"
BERLIN, ROME, NAPLES, OSLO = (52.52, 13.405), (41.9, 12.5), (40.85, 14.27), (59.91, 10.75)


def living_at(
    place: tuple[float, float], name: str, since: str, until: str, *, but: tuple[str, str] | None = None
) -> Iterator[Shot]:
    """A photo every third day, except of some."""
    day = date.fromisoformat(since)
    while day < date.fromisoformat(until):
        if not but or not but[0] <= str(day) <= but[1]:
            yield from shots(f"{day} 12:00", 1, at=place, place=name)
        day += timedelta(days=3)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ((0.0, 0.0), "null island"),
        ((60.17, 24.94), "60 N"),
        ((-16.8, 180.0), "180"),
        ((-16.8, -180.0), "the same"),
        ((90.0, 0.0), "a pole"),
        ((-33.9, 0.0), "0 degrees of longitude only"),
    ],
)
def test_a_visit_is_found_anywhere(place: tuple[float, float], why: str) -> None:
    told = of_kind(moments(shots("2024-06-03 10:00", 5, at=place), "2026-01-20"), "location")

    assert [len(moment.photos) for moment in told] == [5], why
    assert told[0].title == "A Day Out"
    assert told[0].criteria["center_lat"] == pytest.approx(place[0])


def test_both_sides_of_180_are_one_visit() -> None:
    west, east = (-16.8, 179.99), (-16.8, -179.99)
    library = [*shots("2024-06-03 10:00", 3, at=west), *shots("2024-06-03 10:30", 3, at=east)]

    told = of_kind(moments(library, "2026-01-20"), "location")

    assert [len(moment.photos) for moment in told] == [6]


@pytest.mark.parametrize(("later", "visits"), [("2024-06-05 10:00", 1), ("2024-06-05 10:01", 2)])
def test_a_visit_ends_with_two_days_without_a_photo(later: str, visits: int) -> None:
    library = [*shots("2024-06-03 10:00", 5, every_minutes=0, at=ROME), *shots(later, 5, at=ROME)]

    assert len(of_kind(moments(library, "2026-01-20"), "location")) == visits


@pytest.mark.parametrize(("count", "found"), [(12, 1), (24, 0)])
def test_what_reaches_further_than_25_km_is_no_place(count: int, found: int) -> None:
    way = [
        Shot(id=f"{at:02}", wall=f"2024-06-03 {10 + at // 6}:{at % 6}0", at=(50, 10 + 0.033 * at))
        for at in range(count)
    ]  # 2.4 km apart

    assert len(of_kind(moments(way, "2026-01-20"), "location")) == found


def test_home_is_no_visit_and_a_trip_is_one_story() -> None:
    at_home = living_at(
        BERLIN, "Berlin, Germany", "2024-01-01", "2025-12-31", but=("2025-08-01", "2025-08-10")
    )
    trip = [
        *shots("2025-08-02 10:00", 20, every_minutes=180, at=ROME, place="Trastevere, Rome, Italy"),
        *shots("2025-08-05 10:00", 3, every_minutes=60),
        *shots("2025-08-06 10:00", 12, every_minutes=180, at=NAPLES, place="Naples, Italy"),
    ]

    told = moments([*at_home, *trip], "2026-03-20")

    assert [(moment.kind, moment.title, len(moment.photos)) for moment in of_kind(told, "trip")] == [
        ("trip", "Trip to Trastevere", 35)
    ]
    assert of_kind(told, "trip")[0].subtitle == "August 2\u20137, 2025 · 35 photos"
    assert {moment.place for moment in of_kind(told, "location")} == {
        "Trastevere, Rome, Italy",
        "Naples, Italy",
    }


@pytest.mark.parametrize(
    ("towns", "title"),
    [
        (["Rome, Italy"] * 8, "Trip to Rome"),
        (["Rome, Italy"] * 4 + ["Naples, Italy"] * 3 + ["Capri, Italy"] * 3, "Trip to Italy"),
        (["Rome, Italy"] * 4 + ["Nice, France"] * 3 + ["Monaco"] * 3, "Trip to Rome and Monaco"),
        (
            ["Cologne, Germany"] * 4 + ["Bonn, Germany"] * 3 + ["Essen, Germany"] * 3,
            "Trip to Cologne and Bonn",
        ),
        ([None] * 8, "Days Away"),
    ],
)
def test_a_trip_is_named_after_where_it_went(towns: list[str | None], title: str) -> None:
    at_home = living_at(
        BERLIN, "Berlin, Germany", "2024-01-01", "2025-12-31", but=("2025-08-01", "2025-08-06")
    )
    trip = [
        Shot(id=f"trip {at}", wall=f"2025-08-0{2 + at // 4} 1{at}:00", at=ROME, place=town)
        for at, town in enumerate(towns)
    ]

    assert [moment.title for moment in of_kind(moments([*at_home, *trip], "2026-03-20"), "trip")] == [title]


def test_a_day_away_and_six_photos_are_no_trip() -> None:
    at_home = [*living_at(BERLIN, "Berlin", "2024-01-01", "2025-12-31")]
    day = shots("2025-08-02 10:00", 9, every_minutes=30, at=ROME)
    six = shots("2025-09-02 10:00", 6, every_minutes=600, at=ROME)

    assert of_kind(moments([*at_home, *day, *six], "2026-03-20"), "trip") == []


def test_five_days_without_a_photo_end_a_trip() -> None:
    at_home = living_at(BERLIN, "Berlin", "2024-01-01", "2025-12-31", but=("2025-08-01", "2025-08-25"))
    trips = [
        *shots("2025-08-02 10:00", 8, every_minutes=300, at=ROME),
        *shots("2025-08-08 10:00", 8, every_minutes=300, at=ROME),
        *shots("2025-08-13 10:00", 8, every_minutes=300, at=NAPLES),
    ]

    told = of_kind(moments([*at_home, *trips], "2026-03-20"), "trip")

    assert sorted(len(moment.photos) for moment in told) == [8, 16]


@pytest.mark.parametrize(("days", "trips"), [(59, 1), (61, 0)])
def test_two_months_away_are_no_trip(days: int, trips: int) -> None:
    at_home = living_at(BERLIN, "Berlin", "2024-01-01", "2025-12-31", but=("2025-06-01", "2025-09-01"))
    journey = [
        replace(shot, at=(at / 2, 80))
        for at, shot in enumerate(shots("2025-06-02 10:00", days, every_minutes=24 * 60))
    ]

    assert len(of_kind(moments([*at_home, *journey], "2026-03-20"), "trip")) == trips


def test_the_same_two_weeks_every_year_are_trips_and_no_home() -> None:
    at_home = [
        shot
        for year in (2022, 2023, 2024, 2025)
        for shot in living_at(
            BERLIN, "Berlin", f"{year}-01-01", f"{year}-12-31", but=(f"{year}-08-01", f"{year}-08-16")
        )
    ]
    sea = [
        shot
        for year in (2022, 2023, 2024, 2025)
        for shot in shots(f"{year}-08-02 10:00", 28, every_minutes=720, at=OSLO)
    ]

    assert len(of_kind(moments([*at_home, *sea], "2026-03-20"), "trip")) == 4


def test_a_house_of_eight_weekends_is_no_home() -> None:
    weekends = [f"2025-0{month}-1{month}" for month in range(1, 9)]
    life = [
        shot
        for shot in living_at(BERLIN, "Berlin", "2025-01-01", "2025-12-31")
        if not any(weekend <= shot.wall[:10] <= f"{weekend[:-1]}9" for weekend in weekends)
    ]
    house = [shot for day in weekends for shot in shots(f"{day} 10:00", 8, every_minutes=200, at=OSLO)]

    assert len(of_kind(moments([*life, *house], "2026-03-20"), "trip")) == 8


def test_who_moves_has_two_homes_one_after_the_other() -> None:
    before = living_at(BERLIN, "Berlin", "2020-01-01", "2022-12-31")
    after = living_at(OSLO, "Oslo", "2023-01-01", "2025-12-31", but=("2025-08-01", "2025-08-06"))
    back = shots("2025-08-02 10:00", 12, every_minutes=400, at=BERLIN, place="Berlin, Germany")

    told = of_kind(moments([*before, *after, *back], "2026-03-20"), "trip")

    assert [(moment.title, len(moment.photos)) for moment in told] == [("Trip to Berlin", 12)]


def test_without_a_home_there_is_no_trip() -> None:
    library = shots("2025-08-02 10:00", 40, every_minutes=300, at=ROME)

    assert of_kind(moments(library, "2026-03-20"), "trip") == []


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Lisbon, Portugal", "Lisbon", "Portugal"),
        ("Alfama, Lisbon, Portugal", "Alfama", "Portugal"),
        ("Monaco", "Monaco", "Monaco"),
        (", Portugal", "Portugal", "Portugal"),
        ("{place}", "{place}", "{place}"),
        (" , ", " , ", " , "),
    ],
)
def test_parts_of_names(name: str, first: str, last: str) -> None:
    assert (short(name), country(name)) == (first, last)


def test_pages_are_joined_with_their_places_and_faces() -> None:
    one = photos_of([Shot(id="a", place="Rome", who=(1,)), Shot(id="b")])
    other = photos_of([Shot(id="c", place="Oslo"), Shot(id="d", place="Rome", who=(0, 1))])

    both = Photos.joined([one, other])

    assert both.ids.tolist() == ["a", "b", "c", "d"]
    assert [both.place_names[at] if at >= 0 else None for at in both.places] == ["Rome", None, "Oslo", "Rome"]
    assert both.faces.photos.tolist() == [0, 3, 3]
    assert both.faces.people.tolist() == [1, 0, 1]
