"""Then and now: who, when, which photos and how good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.moments.photos import Person
from tests.models.moments.shots import Shot, moments, of_kind, shots

ANNA = Person(contact_id="anna", cluster_id="c0", name="Anna")
TODAY = "2026-06-10"
LATELY = Shot(id="now", wall="2026-05-01 10:00", who=(0,), size=0.2)
OTHERS = shots("2010-01-01 10:00", 4)


def then(day: str, name: str = "then", size: float = 0.1) -> Shot:
    return Shot(id=name, wall=f"{day} 12:00", who=(0,), size=size)


@pytest.mark.parametrize(
    ("today", "day", "found", "why"),
    [
        (TODAY, "2023-06-10", True, "three years"),
        (TODAY, "2024-06-10", False, "two years"),
        (TODAY, "2023-06-09", False, "another day"),
        (TODAY, "1990-06-10", True, "long ago"),
        ("2027-02-28", "2020-02-29", True, "a leap day where there is none"),
        ("2028-02-28", "2020-02-29", True, "and in a leap year the day before, too"),
        ("2028-02-29", "2020-02-29", True, "a leap day"),
        ("2028-02-29", "2021-02-28", True, "where there was none"),
        ("2027-03-01", "2020-02-29", False, "the day after"),
    ],
)
def test_somebody_on_this_day_three_years_ago_or_earlier(today: str, day: str, found: bool, why: str) -> None:
    year = int(today[:4])
    lately = replace(LATELY, wall=f"{year - 1}-10-01 10:00")

    told = of_kind(moments([then(day), lately, *OTHERS], today, people=[ANNA]), "then_and_now")

    assert bool(told) is found, why
    assert [moment.criteria["years_ago"] for moment in told] == [year - int(day[:4])] * found


def test_the_largest_faces_are_the_covers_and_each_year_is_between() -> None:
    library = [
        then("2020-06-10", "small", 0.1),
        then("2020-06-10", "large", 0.3),
        Shot(id="2021", wall="2021-01-01 10:00", who=(0,), size=0.2),
        Shot(id="2021 small", wall="2021-03-01 10:00", who=(0,), size=0.1),
        Shot(id="2024", wall="2024-03-01 10:00", who=(0,), size=0.1),
        LATELY,
        Shot(id="now small", wall="2026-06-01 10:00", who=(0,), size=0.1),
    ]

    told = of_kind(moments(library, TODAY, people=[ANNA]), "then_and_now")[0]

    assert told.covers == ("large", "now")
    assert told.photos == ("large", "2021", "2024", "now")
    assert told.criteria == {
        "cluster_id": "c0",
        "contact_id": "anna",
        "person_name": "Anna",
        "years_ago": 6,
        "then_asset_id": "large",
        "now_asset_id": "now",
        "timeline_asset_ids": ["large", "2021", "2024", "now"],
    }


def test_now_is_of_the_last_year_and_else_the_largest_three_years_later() -> None:
    large = Shot(id="large", wall="2024-01-01 10:00", who=(0,), size=0.9)
    soon = Shot(id="soon", wall="2020-09-01 10:00", who=(0,), size=0.9)
    library = [then("2018-06-10"), soon, large, LATELY, *OTHERS]

    lately = of_kind(moments(library, TODAY, people=[ANNA]), "then_and_now")
    before = of_kind(
        moments([then("2018-06-10"), soon, large, *OTHERS], TODAY, people=[ANNA]), "then_and_now"
    )
    never = of_kind(moments([then("2018-06-10"), soon, *OTHERS], TODAY, people=[ANNA]), "then_and_now")

    assert [moment.covers[1] for moment in lately] == ["now"]
    assert [moment.covers[1] for moment in before] == ["large"]
    assert never == []


def test_the_three_best_pairs_are_told() -> None:
    people = [Person(contact_id=str(at), name=f"N{at}") for at in range(5)]
    library = [
        shot
        for at in range(5)
        for shot in (
            Shot(id=f"then {at}", wall="2020-06-10 10:00", who=(at,), size=0.1 + at / 100),
            Shot(id=f"now {at}", wall="2026-05-10 10:00", who=(at,), size=0.9),
        )
    ]

    told = of_kind(moments(library, TODAY, people=people), "then_and_now")

    assert {moment.people for moment in told} == {("4",), ("3",), ("2",)}


def test_it_is_told_rather_than_all_photos_of_the_same_person() -> None:
    library = [
        then("2020-06-10"),
        *[Shot(id=str(year), wall=f"{year}-01-10 10:00", who=(0,)) for year in (2021, 2022, 2026)],
    ]

    told = moments(library, TODAY, people=[ANNA])

    assert [moment.kind for moment in told] == ["then_and_now"]
