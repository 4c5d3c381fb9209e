"""Photos drawn by chance whose bytes cost what a camera's cost.

Clouds of noise at every scale, as nature has them, over a gradient, with the grain of a sensor on top: about
4 MB for 12 megapixels, as from a phone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops

TWELVE_MEGAPIXELS = (4000, 3000)
TWENTY_FOUR_MEGAPIXELS = (6000, 4000)
QUALITY = 88
LIGHT = ((400, 70), (100, 50), (25, 35), (6, 25), (2, 14), (1, 6))
"""Pixels per cell of a cloud, and its strength in grey levels."""
COLOUR = ((300, 40), (150, 40), (40, 40))
EXIF_ORIENTATION = 0x0112
EXIF_MAKE = 0x010F
TURNED = 6
"""How a camera held upright says so; every third photo is such a one."""

Size = tuple[int, int]


def write_photos(
    folder: Path,
    count: int,
    size: Size,
    *,
    distinct: int,
    add: Callable[[Image.Image], None] | None = None,
) -> list[Path]:
    """`count` files, of which every `distinct`-th is the same picture again.

    `add` draws something into each picture as one sees it.
    """
    folder.mkdir(parents=True)
    drawn = [_draw(size) for _ in range(min(distinct, count))]
    paths = []
    for number in range(count):
        exif = Image.Exif()
        exif[EXIF_MAKE] = f"camera {number}"
        is_turned = number % 3 == 2
        exif[EXIF_ORIENTATION] = TURNED if is_turned else 1
        picture = drawn[number % len(drawn)]
        if add is not None:
            upright = picture.transpose(Image.Transpose.ROTATE_270) if is_turned else picture.copy()
            add(upright)
            picture = upright.transpose(Image.Transpose.ROTATE_90) if is_turned else upright
        paths.append(folder / f"{number:03}.jpg")
        picture.save(paths[-1], quality=QUALITY, exif=exif)
    return paths


def _draw(size: Size) -> Image.Image:
    light = Image.linear_gradient("L").resize(size)
    for cell, strength in LIGHT:
        light = ImageChops.add(light, _cloud(size, cell, strength), offset=-128)
    bands = [ImageChops.add(light, _cloud(size, cell, strength), offset=-128) for cell, strength in COLOUR]
    return Image.merge("RGB", bands)


def _cloud(size: Size, cell: int, strength: int) -> Image.Image:
    cells = (max(2, size[0] // cell), max(2, size[1] // cell))
    return Image.effect_noise(cells, strength).resize(size, Image.Resampling.BICUBIC)
