"""What is worth opening: more photos, more people, what is recent, and what is not all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.moments.photos import Person
from tests.models.moments.shots import Shot, moments, of_kind, shots

PEOPLE = [Person(contact_id="a", name="A"), Person(contact_id="b", name="B"), Person(contact_id="c")]
TODAY = "2026-06-10"


def score(library: list[Shot]) -> float:
    return of_kind(moments(library, TODAY, people=PEOPLE), "event")[0].score


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (shots("2026-06-03 10:00", 8), shots("2026-06-03 10:00", 16)),
        (shots("2026-04-03 10:00", 8), shots("2026-06-03 10:00", 8)),
        (shots("2026-06-03 10:00", 8, every_minutes=0.1), shots("2026-06-03 10:00", 8)),
        (shots("2026-06-03 10:00", 8), shots("2026-06-03 10:00", 8, who=(0,))),
        (shots("2026-06-03 10:00", 8, who=(0,)), shots("2026-06-03 10:00", 8, who=(0, 1))),
    ],
    ids=["photos", "recent", "different", "people", "more people"],
)
def test_what_is_better_scores_more(worse: list[Shot], better: list[Shot]) -> None:
    assert 0 < score(worse) < score(better) <= 1


def test_people_without_a_name_add_nothing() -> None:
    library = shots("2026-06-03 10:00", 8)

    assert score([replace(shot, who=(2,)) for shot in library]) == score(library)


def test_a_day_of_another_year_is_not_too_old_today() -> None:
    old = of_kind(moments(shots("2001-06-10 10:00", 8), TODAY), "on_this_day")[0]
    new = of_kind(moments(shots("2026-06-10 10:00", 8), TODAY), "event")[0]

    assert old.score == new.score
