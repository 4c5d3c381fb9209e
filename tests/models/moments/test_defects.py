"""What finders of moments have got wrong before: a test each."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.moments.covers import with_covers
from models.moments.moment import Earlier, Settings
from models.moments.photos import Person
from tests.models.moments.shots import Shot, moments, of_kind, photos_of, shots, told

ANNA = Person(contact_id="anna", name="Anna")
BERLIN, POTSDAM = (52.52, 13.405), (52.40, 13.065)


def test_photos_without_coordinates_have_moments() -> None:
    found = moments(shots("2026-06-03 10:00", 5), "2026-06-10")

    assert [moment.title for moment in found] == ["Wednesday morning, June 3"]


def test_covers_are_chosen_by_what_vectors_say() -> None:
    event = moments(shots("2026-06-03 10:00", 20, every_minutes=20), "2026-06-10")[0]
    vectors = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)

    covered = with_covers([event], event.photos, vectors)[0]
    turned = with_covers([event], event.photos, np.roll(vectors, 3, axis=0))[0]

    assert {event.photos.index(cover) // 5 for cover in covered.covers} == {0, 1, 2, 3}
    assert len(covered.covers) == 4
    assert turned.covers != covered.covers


def test_a_month_of_daily_runs_repeats_no_story() -> None:
    library = [
        *shots("2024-07-01 10:00", 40, every_minutes=300, at=BERLIN, place="Berlin", who=(0,)),
        *shots("2026-05-20 10:00", 12, at=POTSDAM, place="Potsdam"),
        *shots("2025-06-08 10:00", 6, who=(0,)),
    ]
    history: list[Earlier] = []
    stories: list[frozenset[str]] = []
    for day in range(1, 31):
        today = date(2026, 6, day)
        history = [replace(story, is_live=(today - story.made_on).days < 7) for story in history]
        found = moments(library, str(today), people=[ANNA], earlier=history)
        new = told([moment for moment in found if not moment.updates], str(today))
        history += new
        stories += [frozenset(story.photos) for story in new]

    assert len(stories) > 3
    assert all(
        len(one & other) <= 0.6 * len(one | other) for at, one in enumerate(stories) for other in stories[:at]
    )


def test_then_and_now_is_found_beside_a_moment_of_the_same_person() -> None:
    library = [
        *shots("2021-06-10 12:00", 3, who=(0,), size=0.3),
        *shots("2026-06-01 12:00", 3, every_minutes=3000, who=(0,), size=0.2),
    ]

    found = moments(library, "2026-06-10", people=[ANNA])
    pair = of_kind(found, "then_and_now")[0]

    assert of_kind(found, "people")
    assert pair.subtitle == "Anna — 5 years apart"
    # Of equal faces the newest.
    assert pair.covers == ("2021-06-10 12:00#000", "2026-06-01 12:00#002")


def test_events_are_the_best_and_of_equals_the_newest() -> None:
    days = [f"2026-05-{day:02} 10:00" for day in range(1, 30, 3)]
    library = [shot for day in days for shot in shots(day, 5)]

    found = of_kind(moments(library, "2026-06-10", settings=Settings(most=None)), "event")

    assert [moment.photos[0][:10] for moment in found] == [day[:10] for day in days[:-6:-1]]


def test_of_two_equal_events_of_a_day_the_later_is_told() -> None:
    library = [
        *shots("2026-06-03 06:00", 5, every_minutes=20),
        *shots("2026-06-03 16:00", 5, every_minutes=20),
    ]

    told_ = moments(library, "2026-06-10", settings=Settings(most=1))

    assert [moment.key for moment in told_] == ["event:2026-06-03T16:00"]


@pytest.mark.parametrize(
    ("today", "taken", "years"),
    [
        ("2026-01-02", "2025-12-31", None),
        ("2026-01-02", "2024-12-31", 1),
        ("2025-12-31", "2025-01-02", 1),
        ("2025-12-31", "2024-01-02", 2),
        ("2026-01-02", "2026-01-01", None),
    ],
)
def test_photos_about_new_year_are_whole_years_old(today: str, taken: str, years: int | None) -> None:
    found = of_kind(moments(shots(f"{taken} 12:00", 4, every_minutes=1), today), "on_this_day")

    assert [moment.criteria["years_ago"] for moment in found] == ([years] if years else [])


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_person_without_a_name_ends_nothing(name: str | None) -> None:
    library = shots("2026-06-03 10:00", 6, who=(0, 1))
    nobody = Person(contact_id="x", name=name, birth_date=date(2000, 6, 10))

    found = moments(library, "2026-06-10", people=[nobody, ANNA])

    assert [moment.kind for moment in found] == ["event"]
    more = moments([*library, *shots("2020-01-01 10:00", 9, who=(1,))], "2026-06-10", people=[nobody, ANNA])
    assert [moment.title for moment in of_kind(more, "people")] == ["Moments with Anna"]


@pytest.mark.parametrize(("latitude", "sizes"), [(60.17, [10]), (0.17, [4, 4])])
def test_places_are_round_at_60_north(latitude: float, sizes: list[int]) -> None:
    # 0.07 degrees east are 3.9 km in Helsinki, and 7.8 km at the equator.
    east = [24.9 + 0.07 * at for at in range(4)]
    row = [shot for degrees in east for shot in shots("2020-06-03 10:00", 1, at=(latitude, degrees))]
    ends = [shot for end in (0, -1) for shot in shots("2020-06-03 09:00", 3, at=(latitude, east[end]))]
    library = [replace(shot, id=str(at)) for at, shot in enumerate([*row, *ends])]

    assert [len(moment.photos) for moment in of_kind(moments(library, "2026-01-20"), "location")] == sizes


def test_photos_of_other_years_do_not_make_one_place_of_two_towns() -> None:
    way = [(50.0, 10.0 + 0.05 * at) for at in range(9)]  # 3.6 km apart
    visit = [*shots("2020-06-03 10:00", 6, at=way[0]), *shots("2020-06-03 10:30", 6, at=way[8])]
    other = [shot for at, place in enumerate(way) for shot in shots(f"2021-0{at + 1}-03 10:00", 3, at=place)]

    found = of_kind(moments([*visit, *other], "2026-01-20"), "location")

    assert [len(moment.photos) for moment in found if moment.photos[0] < "2021"] == [6, 6]


def test_two_visits_to_a_place_are_two_stories() -> None:
    library = [*shots("2020-06-03 10:00", 5, at=BERLIN), *shots("2022-06-03 10:00", 5, at=BERLIN)]

    assert [len(moment.photos) for moment in of_kind(moments(library, "2026-01-20"), "location")] == [5, 5]


def test_places_need_no_package() -> None:
    code = (
        "import sys; sys.modules.update(sklearn=None, scipy=None)\n"
        "from tests.models.moments.shots import *\n"
        "print(kinds(moments(shots('2020-06-03 10:00', 5, at=(0, 0)), '2026-01-20')))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "['location']"


def test_today_is_that_of_the_user_and_days_are_those_of_the_place() -> None:
    # 23:30 of 9 June in Auckland is 11:30 of 9 June in UTC and 9 June 01:30 in Honolulu.
    library = shots("2025-06-09 23:30", 4, every_minutes=1, offset=12 * 60)

    for zone in ("Pacific/Auckland", "UTC", "Pacific/Honolulu"):
        found = moments(library, "2026-06-09", zone=ZoneInfo(zone))
        assert [moment.title for moment in found] == ["1 year ago today"], zone


def test_every_moment_has_photos_and_covers_of_them() -> None:
    library = [*shots("2026-06-03 10:00", 9, who=(0,)), *shots("2020-06-10 10:00", 9, at=BERLIN, who=(0,))]

    for moment in moments(library, "2026-06-10", people=[ANNA]):
        assert len(moment.photos) >= 2, moment
        assert 0 < len(moment.covers) <= 6, moment
        assert set(moment.covers) <= set(moment.photos), moment
        assert len(set(moment.photos)) == len(moment.photos), moment


@pytest.mark.parametrize("seed", range(3))
def test_the_same_photos_in_another_order_have_the_same_moments(seed: int) -> None:
    library = [
        *shots("2026-06-03 10:00", 30, every_minutes=2, at=BERLIN, place="Berlin", who=(0,)),
        *shots("2020-06-10 10:00", 9, every_minutes=0, at=POTSDAM, place="Potsdam", who=(0,)),
        *[Shot(id=f"undated {at}", who=(0,)) for at in range(3)],
    ]
    turned = [library[at] for at in np.random.default_rng(seed).permutation(len(library))]

    assert moments(turned, "2026-06-10", people=[ANNA]) == moments(library, "2026-06-10", people=[ANNA])
    assert len(photos_of(turned)) == 42
