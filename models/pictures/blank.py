"""What counts as a blank picture, for all who ask."""

from __future__ import annotations

from typing import Final

from PIL import Image

CONTRAST: Final = 4
"""Levels of 255 between a blank picture's brightest and darkest field, at most.

Noise makes no more: of a standard deviation of 10 in 640 x 480 pixels, of 20 in 1600 x 1200. A word on a
page, a lamp at night, the faintest haze make more.
"""
_SIDE: Final = 32  # fields across and down
_REDUCING_GAP: Final = 4.0


def is_blank(image: Image.Image) -> bool:
    """Whether an image without alpha has one colour, but for noise, in each of 32 x 32 fields."""
    fields = image.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=_REDUCING_GAP)
    return all(max(levels) - min(levels) <= CONTRAST for levels in map(Image.Image.tobytes, fields.split()))
