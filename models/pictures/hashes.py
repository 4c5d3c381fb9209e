"""What a picture looks like as 64 bits: near-duplicates differ in few of them."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import mul
from statistics import median
from typing import Final

from PIL import Image

from models.pictures.blank import is_blank

BITS: Final = 64
_SIDE: Final = 32
_KEPT: Final = 8
# Pillow averages whole blocks first, down to this many times the target size: 2.6 ms instead of 12 for
# 3 megapixels, and at most 2 bits differ.
_REDUCING_GAP: Final = 4.0
# What is left of sums that cancel out is no frequency of the picture: without this, bits of one that changes
# in one direction alone would be noise. Luma is whole numbers, so real coefficients of 32 x 32 pixels are far
# larger.
_DIGITS: Final = 6


def perceptual_hash(image: Image.Image) -> int | None:
    """The pHash of an upright picture, 0 to 2**64 - 1; None if its luma is blank, which looks like nothing.

    Its luma at 32 x 32 pixels, of that the 8 x 8 lowest frequencies of the discrete cosine transform, and of
    each whether it is above their median; row by row, the lowest frequency in the highest bit. So described
    by Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), and computed by
    the library ImageHash (`phash`), with which this agrees within 2 bits. All blank pictures would share one
    hash, and pass for each other's duplicates.

    Scaled or compressed anew a picture keeps all but a few bits; two different ones share about 32.
    """
    luma = small_luma(image)
    return None if is_blank(luma) else lowest_frequencies(luma, _KEPT)


def small_luma(image: Image.Image) -> Image.Image:
    """The luma of a picture at 32 x 32 pixels."""
    return image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def lowest_frequencies(luma: Image.Image, kept: int) -> int:
    """Of each of `kept` x `kept` lowest frequencies of 32 x 32 pixels whether it is above their median."""
    pixels = luma.tobytes()
    cosines = _cosines(kept)
    rows = [pixels[start : start + _SIDE] for start in range(0, len(pixels), _SIDE)]
    across = [[sum(map(mul, row, wave)) for row in rows] for wave in cosines]
    frequencies = [round(sum(map(mul, column, wave)), _DIGITS) for wave in cosines for column in across]
    middle = median(frequencies)
    return int("".join("1" if frequency > middle else "0" for frequency in frequencies), 2)


@lru_cache(maxsize=2)
def _cosines(kept: int) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(math.cos(math.pi * frequency * (2 * place + 1) / (2 * _SIDE)) for place in range(_SIDE))
        for frequency in range(kept)
    )


def bit_string(value: int | None, bits: int = BITS) -> str | None:
    """`bits` characters 0 and 1, as Postgres reads a `bit(64)`; None stays what it is."""
    return None if value is None else f"{value:0{bits}b}"
