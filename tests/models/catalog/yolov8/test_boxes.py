"""Rows of numbers become detected objects; test_yolov8 compares what is before that with the library."""

from __future__ import annotations

import pytest

from models.catalog.yolov8.boxes import thing_of
from models.coco import CLASSES
from models.frame import Frame
from models.results import Box

FRAME = Frame(width=200, height=100, data=b"")


@pytest.mark.parametrize(
    ("corners", "box", "why"),
    [
        ((20, 10, 120, 60), Box(x=0.1, y=0.1, width=0.5, height=0.5), "inside"),
        ((0, 0, 200, 100), Box(x=0, y=0, width=1, height=1), "all of it"),
        ((-5, -9, 100, 50), Box(x=0, y=0, width=0.5, height=0.5), "beyond the left and the top"),
        ((100, 50, 210, 130), Box(x=0.5, y=0.5, width=0.5, height=0.5), "beyond the right and the bottom"),
        ((210, 10, 220, 20), Box(x=1, y=0.1, width=0, height=0.1), "beside it"),
    ],
)
def test_a_box_is_shares_of_the_picture_and_inside_it(
    corners: tuple[float, float, float, float], box: Box, why: str
) -> None:
    thing = thing_of((*corners, 0.75, 16.0), FRAME)
    found = (thing.box.x, thing.box.y, thing.box.width, thing.box.height)
    assert found == pytest.approx((box.x, box.y, box.width, box.height)), why
    assert (thing.name, thing.class_id, thing.score) == ("dog", 16, 0.75)


def test_there_are_eighty_classes_each_of_one_name() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 80
    assert (CLASSES[0], CLASSES[9], CLASSES[36], CLASSES[79]) == (
        "person",
        "traffic light",
        "skateboard",
        "toothbrush",
    )
