"""What is told of what was found: nothing twice in a season, and no more than a day has room for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import pytest

from models.moments.moment import Moment, Settings
from models.moments.photos import Person
from tests.models.moments.shots import ALL, Shot, kinds, moments, of_kind, shots, told

ANNA = Person(contact_id="anna", name="Anna")
ROME = (41.9, 12.5)
TODAY = "2026-06-10"


def plain(found: list[Moment]) -> list[Moment]:
    """The same, whatever they update."""
    return [replace(moment, updates=None) for moment in found]


def test_of_two_stories_of_the_same_photos_the_one_that_says_more_is_told() -> None:
    library = shots("2026-06-03 10:00", 10, every_minutes=30, at=ROME, place="Rome", who=(0,))

    assert kinds(moments(library, TODAY, people=[ANNA])) == ["event"]
    assert kinds(moments(library, TODAY, people=[ANNA], settings=replace(ALL, events=False))) == ["people"]


@pytest.mark.parametrize(("shared", "stories"), [(6, ["event", "people"]), (7, ["event"])])
def test_stories_are_the_same_with_more_than_six_tenths_in_common(shared: int, stories: list[str]) -> None:
    event = shots("2026-06-03 10:00", 10, every_minutes=1)
    library = [replace(shot, who=(0,)) for shot in event[:shared]] + event[shared:]

    assert kinds(moments(library, TODAY, people=[ANNA])) == stories


def test_a_second_run_of_a_day_changes_nothing() -> None:
    library = [
        shot for month in range(1, 7) for shot in shots(f"2026-0{month}-03 10:00", 9, at=(month, 1), who=(0,))
    ]
    settings = Settings(most=4)

    first = moments(library, TODAY, people=[ANNA], settings=settings)
    again = moments(library, TODAY, people=[ANNA], settings=settings, earlier=told(first, TODAY))

    assert len(first) == 4
    assert plain(again) == plain(first)
    assert [moment.updates for moment in again] == [f"{TODAY}/{moment.key}" for moment in again]


def test_a_second_run_adds_nothing_for_what_was_dismissed() -> None:
    library = [shot for month in range(1, 7) for shot in shots(f"2026-0{month}-03 10:00", 9, at=(month, 1))]
    settings = Settings(most=4)
    first = moments(library, TODAY, settings=settings)

    assert moments(library, TODAY, settings=settings, earlier=told(first, TODAY, is_live=False)) == []


def test_new_photos_update_the_moment_of_the_day() -> None:
    party = shots("2026-06-09 18:00", 6, every_minutes=20)
    first = moments(party, TODAY)

    later = moments(
        [*party, *shots("2026-06-09 20:00", 2, every_minutes=20, start=6)], TODAY, earlier=told(first, TODAY)
    )

    assert [(len(moment.photos), moment.updates) for moment in later] == [(8, f"{TODAY}/{first[0].key}")]


def test_an_earlier_first_photo_changes_the_key_and_not_the_moment() -> None:
    party = shots("2026-06-09 18:00", 6, every_minutes=20)
    first = moments(party, TODAY)

    later = moments([*party, *shots("2026-06-09 17:30", 1)], TODAY, earlier=told(first, TODAY))

    assert later[0].key != first[0].key
    assert [moment.updates for moment in later] == [f"{TODAY}/{first[0].key}"]


def test_a_newly_named_person_updates_the_moment_of_the_day() -> None:
    library = [shot for month in range(1, 6) for shot in shots(f"2025-0{month}-03 10:00", 1, who=(0,))]
    first = moments(library, TODAY, people=[Person(cluster_id="c")])
    named = moments(library, TODAY, people=[ANNA], earlier=told(first, TODAY))

    assert kinds(first) == ["recent"]
    assert [(moment.title, moment.updates) for moment in named] == [
        ("Moments with Anna", f"{TODAY}/{first[0].key}")
    ]


def test_one_moment_is_updated_by_one_story() -> None:
    library = [
        replace(shot, who=(*[0] * (at < 16), *[1] * (at >= 4)))
        for at, shot in enumerate(shots("2026-06-09 18:00", 20, every_minutes=5))
    ]
    people = [ANNA, Person(contact_id="ben", name="Ben")]
    event = moments(library, TODAY, people=people)
    settings = replace(ALL, events=False)

    assert kinds(moments(library, TODAY, people=people, settings=settings)) == ["people", "people"]
    now = moments(library, TODAY, people=people, settings=settings, earlier=told(event, TODAY))
    assert [moment.updates for moment in now] == [f"{TODAY}/{event[0].key}"]


def test_a_live_moment_of_another_day_is_updated_by_its_own_kind_only() -> None:
    library = shots("2026-03-12 10:00", 8, every_minutes=20, at=ROME)
    event = moments(library, TODAY)

    next_day = moments(library, "2026-06-11", earlier=told(event, TODAY))

    assert kinds(event) == ["event"]
    assert next_day == []  # as a visit it would be the same story again
    assert kinds(moments(library, "2026-06-11")) == ["location"]


@pytest.mark.parametrize(("days", "found"), [(1, 0), (89, 0), (90, 1)])
def test_a_story_is_told_again_after_a_season(days: int, found: int) -> None:
    library = shots("2020-03-12 10:00", 8, at=ROME)
    first = of_kind(moments(library, TODAY), "location")
    again = date.fromisoformat(TODAY) + timedelta(days=days)

    later = moments(library, str(again), earlier=told(first, TODAY, is_live=False))

    assert len(of_kind(later, "location")) == found


def test_on_this_day_a_year_comes_again_with_other_photos_when_the_windows_are_apart() -> None:
    library = [shot for day in range(1, 31) for shot in shots(f"2024-06-{day:02} 10:00", 2)]
    history = told(of_kind(moments(library, "2026-06-05"), "on_this_day"), "2026-06-05")
    expired = [replace(story, is_live=False) for story in history]

    days = {
        day: of_kind(moments(library, f"2026-06-{day:02}", earlier=expired), "on_this_day")
        for day in (6, 11, 12)
    }

    assert {day: len(found) for day, found in days.items()} == {6: 0, 11: 0, 12: 1}
    assert not set(days[12][0].photos) & set(history[0].photos)
    assert of_kind(moments(library, "2026-06-06", earlier=history), "on_this_day") == []


def test_a_fallback_is_not_told_twice() -> None:
    library = [shot for month in range(1, 10) for shot in shots(f"2025-0{month}-03 10:00", 3)]
    first = moments(library, "2025-12-01")

    assert kinds(first) == ["recent"]
    assert moments(library, "2025-12-02", earlier=told(first, "2025-12-01", is_live=False)) == []


def test_a_day_has_room_for_so_many_new_stories_of_a_kind_and_at_all() -> None:
    library = [
        shot
        for at in range(12)
        for shot in [
            *shots(f"20{10 + at}-01-20 10:00", 9, at=(at, 5), place="A"),
            *shots(f"2026-05-{10 + at} 10:00", 9, every_minutes=5),
        ]
    ]

    told_ = moments(library, TODAY, settings=Settings(reviews=False))
    few = moments(library, TODAY, settings=Settings(most=3))

    assert Counter(moment.kind for moment in told_) == {"event": 5, "location": 5}
    assert len(few) == 3
    assert [moment.score for moment in told_] == sorted((moment.score for moment in told_), reverse=True)


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("location", "location"),
        ("people", "people"),
        ("events", "event"),
        ("on_this_day", "on_this_day"),
        ("then_and_now", "then_and_now"),
        ("birthdays", "birthday"),
        ("reviews", "season"),
    ],
)
def test_each_switch_turns_off_its_kind(switch: str, kind: str) -> None:
    anna = replace(ANNA, birth_date=date(2015, 6, 10))
    library = [
        *shots("2026-06-03 10:00", 6),
        *shots("2020-06-10 10:00", 6, who=(0,)),
        *shots("2018-02-03 10:00", 6, at=ROME),
        *[shot for day in range(1, 28, 3) for shot in shots(f"2026-04-{day:02} 10:00", 2, who=(0,))],
        *[shot for year in range(2000, 2020) for shot in shots(f"{year}-01-28 10:00", 3, who=(0,))],
    ]
    everything = set(kinds(moments(library, TODAY, people=[anna])))

    assert kind in everything
    without = moments(library, TODAY, people=[anna], settings=replace(ALL, **{switch: False}))
    assert set(kinds(without)) == everything - {kind}


def test_people_without_a_name_are_shown_to_who_wants_them() -> None:
    library = [shot for month in range(1, 6) for shot in shots(f"2025-0{month}-03 10:00", 1, who=(0,))]
    settings = replace(ALL, named_people_only=False)

    told_ = moments(library, TODAY, people=[Person(cluster_id="c")], settings=settings, language="de")

    assert [moment.title for moment in told_] == ["Momente mit Jemand"]


def test_moments_expire_after_as_many_days_as_the_user_says() -> None:
    found = moments(shots("2026-06-03 10:00", 6), TODAY, settings=Settings(auto_delete_days=30))

    assert found[0].expires_on == date(2026, 7, 10)


def test_a_face_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="a face is of person 1, and there are 1"):
        moments(shots("2026-06-03 10:00", 6, who=(1,)), TODAY, people=[ANNA])
    with pytest.raises(ValueError, match="a cluster or a contact"):
        Person(name="Anna")


def test_who_is_in_more_and_later_photos_of_more_people_comes_first() -> None:
    ben = Person(contact_id="ben", name="Ben")
    library = [
        *[Shot(id=f"a{at}", wall=f"2026-0{1 + at % 5}-03 1{at % 9}:00", who=(0,)) for at in range(20)],
        *[Shot(id=f"b{at}", wall=f"2019-0{1 + at % 5}-04 1{at % 9}:00", who=(1,)) for at in range(20)],
    ]

    assert [moment.people for moment in of_kind(moments(library, TODAY, people=[ben, ANNA]), "people")] == [
        ("ben",),
        ("anna",),
    ]
