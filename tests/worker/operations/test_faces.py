"""The crop of a face; what becomes of it is in tests/worker/handlers/test_image_ai.py."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from models.frame import Frame
from models.results import Box
from worker.operations.faces import CROP_SIDE, crop, crop_all


def read(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    return image


def test_a_crop_at_the_edge_stays_inside() -> None:
    image = Image.new("RGB", (400, 300), "blue")
    for box in (
        Box(x=0.0, y=0.0, width=0.2, height=0.3),
        Box(x=0.9, y=0.8, width=0.1, height=0.2),
        Box(x=0.0, y=0.0, width=1.0, height=1.0),
    ):
        side = read(crop(image, box))
        assert side.width == side.height <= 150
        red, green, blue = side.convert("RGB").resize((1, 1)).getpixel((0, 0))
        assert (red < 10, green < 10, blue > 240) == (True, True, True)


@pytest.mark.parametrize(
    ("box", "side", "why"),
    [
        (Box(x=0.4, y=0.4, width=0.2, height=0.1), CROP_SIDE, "200 pixels and a margin, made smaller"),
        (Box(x=0.4, y=0.4, width=0.05, height=0.1), 128, "80 pixels high and a margin, never made larger"),
        (Box(x=0.4, y=0.4, width=0.05, height=0.05), 80, "50 pixels wide and a margin"),
        (Box(x=0.4, y=0.4, width=0.0001, height=0.0001), 1, "next to nothing"),
        (Box(x=0.0, y=0.0, width=1.0, height=1.0), CROP_SIDE, "as much as the picture is high"),
    ],
)
def test_a_crop_is_a_square_as_large_as_the_face_is_seen(box: Box, side: int, why: str) -> None:
    assert read(crop(Image.new("RGB", (1000, 800)), box)).size == (side, side), why


def test_the_face_is_in_the_middle_with_a_margin_around_it() -> None:
    image = Image.new("RGB", (1000, 1000), "white")
    ImageDraw.Draw(image).rectangle((400, 500, 499, 599), fill="black")
    found = read(crop(image, Box(x=0.4, y=0.5, width=0.1, height=0.1))).convert("L")
    edges = found.point(lambda level: 255 if level < 128 else 0).getbbox()
    assert edges is not None
    margin = 0.3 / 1.6 * found.width  # of the face's side, which is 1 of 1.6
    assert edges == pytest.approx((margin, margin, found.width - margin, found.width - margin), abs=1.5)


def test_each_face_has_a_crop_by_its_name() -> None:
    box = Box(x=0.4, y=0.4, width=0.1, height=0.1)
    assert list(crop_all(Frame.of(Image.new("RGB", (400, 300))), {"a": box, "b": box})) == ["a", "b"]
