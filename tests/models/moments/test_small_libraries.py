"""Libraries of hardly anything, or of all the same."""

from __future__ import annotations

import numpy as np
import pytest

from models.moments.photos import Flag, Person
from tests.models.moments.shots import Shot, kinds, moments, of_kind, shots

ANNA = Person(contact_id="anna", name="Anna")
TODAY = "2026-06-10"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_less_than_four_photos_are_no_story(count: int) -> None:
    library = shots("2026-06-03 10:00", count, at=(1, 1), place="Rome", who=(0,))

    assert moments(library, TODAY, people=[ANNA]) == []


def test_all_in_one_second_is_one_story() -> None:
    library = shots("2026-06-03 10:00", 50, every_minutes=0, at=(41.9, 12.5), place="Rome, Italy")

    told = moments(library, TODAY)

    assert [(moment.kind, len(moment.photos)) for moment in told] == [("event", 50)]
    assert len(set(told[0].covers)) == 6


def test_all_at_one_place_within_days_is_a_visit() -> None:
    library = shots("2024-07-01 10:00", 40, every_minutes=170, at=(41.9, 12.5), place="Rome, Italy")

    assert kinds(moments(library, TODAY)) == ["location"]


def test_all_at_one_place_for_years_is_home_and_its_common_place_is_told() -> None:
    library = [
        shot
        for week in range(100)
        for shot in shots(
            str(np.datetime64("2023-07-01T10:00") + np.timedelta64(week * 7, "D")).replace("T", " "),
            2,
            at=(41.9, 12.5),
            place="Rome, Italy",
        )
    ]

    told = moments(library, "2025-12-01")

    assert [(moment.kind, moment.key) for moment in told] == [("location", "location:Rome, Italy")]
    assert told[0].subtitle == "200 photos from Rome"
    assert told[0].criteria == {"location_name": "Rome, Italy", "fallback": True}


def test_what_has_neither_place_nor_occasion_is_recent() -> None:
    library = [shot for month in range(1, 10) for shot in shots(f"2025-0{month}-03 10:00", 3)]

    told = moments(library, "2025-12-01")

    assert [(moment.kind, moment.title, len(moment.photos)) for moment in told] == [
        ("recent", "Recent Photos", 20)
    ]
    assert told[0].photos == tuple(shot.id for shot in library[-20:])


def test_a_library_of_screenshots_documents_and_blur_has_no_story() -> None:
    library = [
        *shots("2026-06-03 10:00", 9, flags=Flag.SCREENSHOT),
        *shots("2026-06-04 10:00", 9, flags=Flag.DOCUMENT),
        *shots("2026-06-05 10:00", 9, sharpness=1.9),
    ]

    assert moments(library, TODAY) == []


def test_what_was_not_measured_is_shown() -> None:
    assert kinds(moments(shots("2026-06-05 10:00", 9, sharpness=float("nan")), TODAY)) == ["event"]


def test_of_a_burst_the_sharpest_is_shown() -> None:
    burst = [
        Shot(id="soft", wall="2026-06-03 10:00:00", hash=0b1111, sharpness=8),
        Shot(id="sharp", wall="2026-06-03 10:00:01", hash=0b1110, sharpness=12),
        Shot(id="soft again", wall="2026-06-03 10:00:02", hash=0b1111_1111, sharpness=9),
        Shot(id="other", wall="2026-06-03 10:00:03", hash=0xFF00_0000),
        Shot(id="later", wall="2026-06-03 12:00:03", hash=0b1111),
        *shots("2026-06-03 11:00", 3),
    ]

    told = moments(burst, TODAY)

    first, second, third = (shot.id for shot in burst[5:])
    assert told[0].photos == ("sharp", "other", first, second, "later", third)


def test_what_has_no_time_is_of_no_burst() -> None:
    library = [
        *shots("2026-06-03 10:00", 4, who=(0,)),
        Shot(id="last", wall="2026-06-03 14:00", who=(0,), hash=0b1111),
        Shot(id="undated", who=(0,), hash=0b1111, sharpness=20),
        Shot(id="undated, too", who=(0,), hash=0b1111),
    ]

    told = of_kind(moments(library, "2027-02-10", people=[ANNA]), "people")

    assert told[0].photos[4:] == ("last", "undated", "undated, too")


def test_videos_are_members_and_no_covers() -> None:
    library = [*shots("2026-06-03 10:00", 4), *shots("2026-06-03 10:30", 4, flags=Flag.VIDEO)]
    videos = shots("2026-06-05 20:00", 4, flags=Flag.VIDEO)

    newest, event = moments([*library, *videos], TODAY)[:2]
    if newest.photos[0] < event.photos[0]:
        newest, event = event, newest

    assert len(event.photos) == 8
    assert event.covers == event.candidates == tuple(shot.id for shot in library[:4])
    assert newest.covers == tuple(shot.id for shot in videos)


def test_a_story_shows_200_photos_from_its_first_to_its_last() -> None:
    library = shots("2024-06-03 10:00", 5_000, every_minutes=300, who=(0,))

    told = of_kind(moments(library, "2028-06-30", people=[ANNA]), "people")

    assert told[0].subtitle == "200 photos"
    steps = np.diff([int(photo.split("#")[1]) for photo in told[0].photos])
    assert (steps.min(), steps.max()) == (25, 25)
