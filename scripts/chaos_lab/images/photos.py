"""Photos of which everything is known: the faces on them, the digests of their files, their looks."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFilter

from models.pictures.hashes import bit_string, perceptual_hash

WIDTH, HEIGHT = 640, 480
PLACES = tuple((x, y) for y in (140, 340) for x in (120, 320, 520))
"""Middles of the faces, far enough apart that each is one of its own."""
FACE, FRAME = 64, 152
"""Sides of the square that the tiny detector takes for a face, and of the colour around: whose face it is."""
MAGENTA = (255, 0, 255)
GRAIN, LIGHTER = 2, (255, 24, 255)
"""Pixels of a side of the fields that a face is chequered with, and the colour of every other: an even square
has no detail, so that it would be a face of no quality, and those are nobody by themselves."""
Colour: TypeAlias = tuple[int, int, int]
PEOPLE: tuple[Colour, ...] = ((200, 30, 30), (30, 60, 200), (220, 200, 40), (20, 20, 20), (240, 240, 240))


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """`faces` are the middles of the faces, as shares of width and height."""

    data: bytes
    faces: Sequence[tuple[float, float]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def perceptual_hash(self) -> str:
        with Image.open(io.BytesIO(self.data)) as image:
            return bit_string(perceptual_hash(image))


def draw_photo(faces: int, dice: random.Random) -> Photo:
    """Soft blobs without any red, and 0 to 6 faces before them, of anybody."""
    return draw_people(dice.choices(PEOPLE, k=faces), dice)


def draw_people(people: Sequence[Colour], dice: random.Random) -> Photo:
    """The same with a face of each of these people, at most 6."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (0, dice.randrange(80, 160), dice.randrange(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, radius = dice.randrange(WIDTH), dice.randrange(HEIGHT), dice.randrange(50, 200)
        colour = (0, dice.randrange(256), dice.randrange(256))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    image = image.filter(ImageFilter.GaussianBlur(6))
    draw = ImageDraw.Draw(image)
    places = dice.sample(PLACES, len(people))
    for (x, y), colour in zip(places, people, strict=True):
        _square(draw, x, y, FRAME, colour)
        _square(draw, x, y, FACE, MAGENTA)
        _chequer(draw, x, y)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return Photo(data=out.getvalue(), faces=[(x / WIDTH, y / HEIGHT) for x, y in places])


def _square(draw: ImageDraw.ImageDraw, x: int, y: int, side: int, colour: Colour) -> None:
    draw.rectangle((x - side // 2, y - side // 2, x + side // 2, y + side // 2), fill=colour)


def _chequer(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    left, top = x - FACE // 2, y - FACE // 2
    for row in range(FACE // GRAIN):
        for column in range(row % 2, FACE // GRAIN, 2):
            at = left + column * GRAIN, top + row * GRAIN
            draw.rectangle((*at, at[0] + GRAIN - 1, at[1] + GRAIN - 1), fill=LIGHTER)
