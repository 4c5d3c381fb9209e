from __future__ import annotations

import pytest

from models.suppression import distinct

np = pytest.importorskip("numpy")

FIRST, SHIFTED, APART = (0, 0, 10, 10), (5, 0, 15, 10), (30, 0, 40, 10)


def test_of_boxes_that_share_much_the_best_is_left() -> None:
    corners = np.array([FIRST, SHIFTED, APART], float)  # the first two share a third of what they cover
    assert distinct(corners, 0.3) == [0, 2]
    assert distinct(corners, 0.34) == [0, 1, 2]
    assert distinct(corners[:0], 0.3) == []


def test_only_boxes_of_one_kind_are_compared() -> None:
    corners = np.array([FIRST, FIRST, FIRST], float)
    assert distinct(corners, 0.5, np.array([1, 2, 1])) == [0, 1]


def test_a_box_that_was_dropped_drops_no_other() -> None:
    corners = np.array([(0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10)], float)
    assert distinct(corners, 0.4) == [0, 2]


def test_boxes_without_an_inside_do_no_harm() -> None:
    assert distinct(np.array([(5, 5, 5, 5), (5, 5, 5, 5)], float), 0.5) == [0, 1]
