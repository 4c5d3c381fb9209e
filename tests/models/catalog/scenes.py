"""Pictures made of the test photos in which a thing is very large, or small, or far from the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from models.frame import Frame
from models.pictures.detail import Detail
from models.pictures.picture import open_picture
from models.results import Box
from tests.paths import TESTDATA

FACES = Detail(long_side=1280, strip_side=1280)
OBJECTS = Detail(long_side=1280, strip_side=640)
PICTURES = Detail(long_side=512, strip_side=384)
MOST_PIXELS = 4096**2
FACE = (272, 163, 83, 117)
"""Of the girl in `portrait.jpg`: left, top, width and height in pixels."""
_AROUND = 0.6


def photo(name: str) -> Image.Image:
    path = TESTDATA / "photos" / name
    if not path.is_file():
        pytest.skip("test photos are not there (KIZU_TESTDATA names their folder)")
    return open_picture(path).upright()


def close_up(part: float, size: tuple[int, int]) -> tuple[Image.Image, Box]:
    """A face as tall as `part` of a picture of `size`, and where it is."""
    x, y, width, height = FACE
    tall = height / part
    wide = tall * size[0] / size[1]
    left, top = x + width / 2 - wide / 2, y + height / 2 - tall / 2
    corners = (round(left), round(top), round(left + wide), round(top + tall))
    image = photo("faces/portrait.jpg").crop(corners).resize(size, Image.Resampling.BICUBIC)
    share = width / wide
    return image, Box(x=0.5 - share / 2, y=0.5 - part / 2, width=share, height=part)


def crowd(
    size: tuple[int, int], wide: int, places: list[tuple[float, float]]
) -> tuple[Image.Image, list[Box]]:
    """The face, so many pixels wide, at places in shares of a landscape, and where it is then."""
    x, y, width, height = FACE
    image = photo("formats/tanners_ridge.jpg").resize(size, Image.Resampling.BICUBIC)
    margin, scale = _AROUND * width, wide / width
    around = (round(x - margin), round(y - margin), round(x + width + margin), round(y + height + margin))
    head = photo("faces/portrait.jpg").crop(around)
    head = head.resize((round(head.width * scale), round(head.height * scale)), Image.Resampling.LANCZOS)
    boxes = []
    for across, down in places:
        centre = round(across * size[0]), round(down * size[1])
        image.paste(head, (centre[0] - head.width // 2, centre[1] - head.height // 2))
        boxes.append(
            Box(
                x=(centre[0] - wide / 2) / size[0],
                y=(centre[1] - height * scale / 2) / size[1],
                width=wide / size[0],
                height=height * scale / size[1],
            )
        )
    return image, boxes


def example(name: str) -> Image.Image:
    """A picture that comes with scikit-image."""
    skimage = pytest.importorskip("skimage")
    return Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")


def strip_of(things: list[Image.Image], height: int = 700) -> tuple[Image.Image, list[Box]]:
    """A landscape of 9 to 1 with the things in turn at four places of it, and those places."""
    size = (9 * height, height)
    image = photo("formats/tanners_ridge.jpg")
    image = image.resize((image.width * height // image.height, height), Image.Resampling.BICUBIC)
    strip = Image.new("RGB", size)
    for left in range(0, size[0], image.width):
        strip.paste(image, (left, 0))
    boxes = []
    for i, place in enumerate((0.0, 0.3, 0.64, 1.0)):
        thing = things[i % len(things)]
        thing = thing.resize((thing.width * height // thing.height, height), Image.Resampling.BICUBIC)
        left = round(place * (size[0] - thing.width))
        strip.paste(thing, (left, 0))
        boxes.append(Box(x=left / size[0], y=0, width=thing.width / size[0], height=1))
    return strip, boxes


def within(one: Box, other: Box) -> bool:
    """Whether the middle of one box lies in the other."""
    return other.x < one.x + one.width / 2 < other.x + other.width


def seen(image: Image.Image, detail: Detail) -> Frame:
    """The frame that an operation with such a detail is given."""
    long = detail.long_side_of(image.width, image.height, most_pixels=MOST_PIXELS)
    scale = long / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return Frame.of(image if scale == 1 else image.resize(size, Image.Resampling.HAMMING))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.width * one.height + other.width * other.height - shared)
