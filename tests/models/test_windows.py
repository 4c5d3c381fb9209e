"""Windows over pictures of every shape: all of it is covered, and small things are whole in one of them."""

from __future__ import annotations

import random

import pytest

from models.results import Box
from models.windows import MOST, Window, windows

SHAPES = [
    (1280, 960, 704, 56),
    (8000, 1000, 1000, 350),
    (1000, 8000, 1000, 350),
    (11520, 1280, 1280, 504),
    (5760, 640, 853, 288),
    (60_000, 300, 300, 2600),
    (400_000, 20, 20, 17_500),
    (7, 3, 1, 0.3),
    (2, 1, 4 / 3, 0.1),
]


@pytest.mark.parametrize(("width", "height", "side", "overlap"), SHAPES)
def test_all_of_a_picture_is_in_windows_of_one_size(
    width: int, height: int, side: float, overlap: float
) -> None:
    found = windows(width, height, side=side, overlap=overlap)
    assert 1 < len(found) <= MOST
    assert len({(one.width, one.height) for one in found}) == 1
    assert all(
        one.left >= 0 and one.top >= 0 and one.right <= width and one.bottom <= height for one in found
    )
    assert {(0, 0), (found[-1].left, found[-1].top)} <= {(one.left, one.top) for one in found}
    assert (found[-1].right, found[-1].bottom) == (width, height)
    for one in found:  # no gap to the next
        assert one.right == width or any(other.left in range(one.left + 1, one.right + 1) for other in found)
        assert one.bottom == height or any(other.top in range(one.top + 1, one.bottom + 1) for other in found)


@pytest.mark.parametrize(("width", "height", "side", "overlap"), SHAPES[:5])
def test_what_is_no_larger_than_the_overlap_is_whole_in_one(
    width: int, height: int, side: float, overlap: float
) -> None:
    found = windows(width, height, side=side, overlap=overlap)
    dice = random.Random(1)
    for _ in range(2000):
        left, top = dice.uniform(0, width - overlap), dice.uniform(0, height - overlap)
        assert any(
            one.left <= left
            and one.top <= top
            and left + overlap <= one.right
            and top + overlap <= one.bottom
            for one in found
        )
    assert max(found[0].width, found[0].height) <= side


def test_a_picture_that_fits_is_one_window() -> None:
    assert windows(640, 480, side=640, overlap=20) == (Window(0, 0, 640, 480),)
    assert windows(1, 1, side=1, overlap=0) == (Window(0, 0, 1, 1),)


def test_a_box_near_an_edge_is_cut_but_not_by_the_pictures_own_edge() -> None:
    window = Window(100, 0, 200, 100)

    def cut(left: int, top: int, right: int, bottom: int) -> bool:
        box = Box(x=left / 400, y=top / 100, width=(right - left) / 400, height=(bottom - top) / 100)
        return window.cuts(box, 400, 100, within=4)

    assert cut(101, 20, 150, 80)
    assert cut(200, 20, 298, 80)
    assert not cut(120, 0, 250, 100)
    assert not cut(110, 20, 290, 80)
    assert not Window(0, 0, 400, 100).cuts(Box(x=0, y=0, width=1, height=1), 400, 100, within=4)


def test_boxes_go_from_the_window_to_the_picture() -> None:
    box = Window(100, 50, 200, 100).placed(Box(x=0.5, y=0.5, width=0.25, height=0.5), 400, 200)
    assert box == Box(x=0.5, y=0.5, width=0.125, height=0.25)


def test_two_windows_share_a_part_or_nothing() -> None:
    one, other = Window(0, 0, 100, 50), Window(80, 0, 100, 50)
    assert one.shared(other) == Window(80, 0, 20, 50)
    assert one.joined(other) == Window(0, 0, 180, 50)
    assert one.shared(Window(100, 0, 100, 50)) is None
