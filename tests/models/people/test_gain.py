"""What an answer is expected to settle."""

from __future__ import annotations

import pytest

from models.people.gain import SURE, chance, gain
from models.people.scale import Scale

SCALE = Scale(same=0.5, maybe=0.3, margin=0.05)


@pytest.mark.parametrize(
    ("likeness", "expected"),
    [(-1, 0), (0.3, 0), (0.35, 0.25), (0.4, 0.5), (0.49, SURE), (0.5, SURE), (1, SURE)],
)
def test_chance_rises_evenly_from_maybe_to_same(likeness: float, expected: float) -> None:
    assert chance(likeness, SCALE) == pytest.approx(expected)


def test_chance_is_a_step_where_maybe_is_the_same_as_same() -> None:
    scale = Scale(same=0.5, maybe=0.5, margin=0)
    assert (chance(0.499, scale), chance(0.501, scale)) == (0, SURE)


@pytest.mark.parametrize(
    ("faces", "others", "named", "settled"),
    [(1, 1, 0, 1), (1, 99, 0, 1.98), (50, 50, 0, 50), (1, 99, 1, 2.98), (3, 2, 2, 4.4)],
)
def test_gain_is_what_is_settled_as_far_as_it_is_likely(
    faces: int, others: int, named: int, settled: float
) -> None:
    assert gain(0.4, SCALE, faces=faces, others=others, named=named) == pytest.approx(settled / 2)


def test_gain_is_the_rise_of_recalls_when_two_clusters_are_all_of_one_person() -> None:
    """Each of 6 faces finds 4 more of 10, and each of 4 finds 6 more."""
    assert gain(1, SCALE, faces=6, others=4) == pytest.approx(SURE * (6 * 4 / 10 + 4 * 6 / 10))
