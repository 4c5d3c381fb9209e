from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from models.catalog.centernet.boxes import MOST_OBJECTS, decode, letterboxed
from models.frame import Frame

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")

FRAME = Frame.of(Image.new("RGB", (1024, 768), "white"))
SCALE = 0.5
ROWS, COLUMNS = 96, 128
APPLE, CAR = 47, 2


def maps(*seen: tuple[int, int, int, float, tuple[float, float, float, float]]) -> tuple[Any, Any]:
    """What the network says: class, row, column, score, and distances to left, top, right and bottom."""
    scores = np.full((80, ROWS, COLUMNS), 0.001, np.float32)
    sides = np.zeros((4, ROWS, COLUMNS), np.float32)
    for number, row, column, score, distances in seen:
        scores[number, row, column] = score
        sides[:, row, column] = distances
    return scores, sides


SQUARE = (40.0, 40.0, 40.0, 40.0)


@pytest.mark.parametrize(
    ("size", "seen", "scale"),
    [
        ((1024, 768), (384, 512), 0.5),
        ((768, 1024), (512, 384), 0.5),
        ((640, 427), (352, 512), 0.8),
        ((256, 256), (512, 512), 2.0),
        ((2000, 1), (32, 512), 0.256),
        ((1, 1), (512, 512), 512.0),
    ],
)
def test_a_picture_fills_as_little_as_its_shape_needs(
    size: tuple[int, int], seen: tuple[int, int], scale: float
) -> None:
    pixels, found = letterboxed(Frame.of(Image.new("RGB", size, (10, 20, 30))))
    assert pixels.shape == (1, 3, *seen)
    assert found == pytest.approx(scale)
    assert pixels[0, :, 0, 0].tolist() == [10, 20, 30]


def test_what_is_beyond_the_picture_is_black() -> None:
    pixels, _ = letterboxed(Frame.of(Image.new("RGB", (640, 427), "white")))
    assert (pixels[0, :, :342] == 255).all()
    assert (pixels[0, :, 342:] == 0).all()


def test_an_object_is_where_the_maps_say() -> None:
    [found] = decode(*maps((APPLE, 50, 30, 0.9, (10, 20, 30, 40))), SCALE, FRAME, 0.3)
    assert (found.name, found.class_id) == ("apple", APPLE)
    assert found.score == pytest.approx(0.9)
    # The middle of a place of 4 by 4 pixels, and the picture is twice as large.
    assert found.box.x * 1024 == pytest.approx(2 * (30.5 * 4 - 10))
    assert found.box.y * 768 == pytest.approx(2 * (50.5 * 4 - 20))
    assert found.box.width * 1024 == pytest.approx(2 * 40)
    assert found.box.height * 768 == pytest.approx(2 * 60)


def test_the_best_comes_first_and_what_is_unlikely_not_at_all() -> None:
    seen = [(CAR, 10, 10, 0.4, SQUARE), (APPLE, 50, 30, 0.8, SQUARE), (APPLE, 80, 100, 0.29, SQUARE)]
    found = decode(*maps(*seen), SCALE, FRAME, 0.3)
    assert [thing.name for thing in found] == ["apple", "car"]


def test_beside_a_likelier_place_there_is_no_other_object() -> None:
    for row, column in ((50, 31), (51, 31), (49, 30)):
        seen = maps((APPLE, 50, 30, 0.8, SQUARE), (APPLE, row, column, 0.7, (1, 1, 1, 1)))
        assert len(decode(*seen, SCALE, FRAME, 0.3)) == 1
    apart = maps((APPLE, 50, 30, 0.8, SQUARE), (APPLE, 50, 32, 0.7, (1, 1, 1, 1)))
    assert len(decode(*apart, SCALE, FRAME, 0.3)) == 2


def test_one_object_is_not_found_twice_but_two_classes_may_share_a_place() -> None:
    for number, count in ((APPLE, 1), (CAR, 2)):
        seen = maps((APPLE, 50, 30, 0.8, SQUARE), (number, 50, 33, 0.7, SQUARE))
        assert len(decode(*seen, SCALE, FRAME, 0.3)) == count


def test_boxes_end_at_the_edge_and_those_beyond_it_are_dropped() -> None:
    seen = maps(
        (APPLE, 0, 0, 0.8, SQUARE), (CAR, 20, 20, 0.7, (-5, 3, 2, 3)), (CAR, 5, 127, 0.6, (-60, 9, 80, 9))
    )
    [found] = decode(*seen, SCALE, FRAME, 0.3)
    assert (found.box.x, found.box.y) == (0, 0)
    assert found.name == "apple"


def test_there_are_no_more_than_so_many() -> None:
    scores = np.full((80, ROWS, COLUMNS), 0.001, np.float32)
    scores[APPLE, ::2, ::2] = 0.9
    found = decode(scores, np.ones((4, ROWS, COLUMNS), np.float32), SCALE, FRAME, 0.3)
    assert len(found) == MOST_OBJECTS


def test_an_empty_picture_has_none() -> None:
    assert decode(*maps(), SCALE, FRAME, 0.3) == []
