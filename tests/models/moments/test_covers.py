"""Six covers that differ, the same every time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from models.moments.covers import TWIN, candidates_of, furthest_first, with_covers
from models.moments.photos import Person
from tests.models.moments.shots import moments, of_kind, shots


def event(count: int) -> list:
    return moments(shots("2026-06-03 10:00", count, every_minutes=3), "2026-06-10")


def test_the_first_is_likest_to_all_and_each_next_one_the_furthest() -> None:
    # On a circle, in degrees: what lies in the middle of most, then what is furthest.
    degrees = np.array([0, 10, 20, 90, 170, 60])
    vectors = np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]).astype(np.float32)

    assert furthest_first(vectors) == [5, 4, 0, 3, 2]  # 10 degrees from another are a twin


def test_there_are_six_of_many_and_no_twins() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(100, 32)).astype(np.float32)
    twins = np.concatenate([seen, seen + 0.01 * rng.normal(size=seen.shape).astype(np.float32)])

    chosen = furthest_first(twins)

    units = twins[chosen] / np.linalg.norm(twins[chosen], axis=1, keepdims=True)
    assert len(chosen) == len({at % 100 for at in chosen}) == 6
    assert min(1 - float(one @ other) for one, other in combinations(units, 2)) > TWIN


def test_all_the_same_has_one_cover() -> None:
    assert furthest_first(np.ones((20, 8), np.float32)) == [0]
    assert furthest_first(np.empty((0, 8), np.float32)) == []
    assert furthest_first(np.zeros((3, 8), np.float32))[0] == 0


def test_without_vectors_covers_are_spread_over_time() -> None:
    found = event(60)

    assert [found[0].photos.index(cover) for cover in found[0].covers] == [0, 10, 20, 30, 40, 50]
    assert with_covers(found, [], np.empty((0, 8), np.float32)) == found


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_photos_without_a_vector_fill_up(kind: type) -> None:
    found = event(60)
    known = found[0].photos[3:5]

    covered = with_covers(found, known, np.eye(2, 8).astype(kind))[0]

    assert set(known) <= set(covered.covers)
    assert covered.covers[2:] == found[0].covers[:4]


def test_vectors_of_half_the_photos_are_asked_for_once_and_in_order() -> None:
    found = event(60)

    assert candidates_of([*found, *found]) == sorted(found[0].photos)


def test_then_and_now_keeps_its_two_covers() -> None:
    library = [
        *shots("2021-06-10 12:00", 3, who=(0,)),
        *shots("2026-06-01 12:00", 9, every_minutes=999, who=(0,)),
    ]
    found = of_kind(moments(library, "2026-06-10", people=[Person(contact_id="a", name="A")]), "then_and_now")

    assert len(found[0].covers) == 2
    assert candidates_of(found) == []
    assert with_covers(found, found[0].photos, np.ones((len(found[0].photos), 4), np.float32)) == found


def test_vectors_and_ids_are_as_many() -> None:
    with pytest.raises(ValueError, match="3 ids"):
        with_covers(event(6), ["a", "b", "c"], np.ones((2, 4), np.float32))
