"""How much the vector of a face is worth, 0 to 1: its size by its sharpness by how far it looks ahead.

One number orders the faces of a person, to show the best and to let only good ones speak for them. It is of
the pixels that the recogniser had: looked at again in a larger picture, a face may get a better one.

Of two faces of one person in two pictures EdgeFace takes 96 % for one (`Scale.same`) where the worse has 0.8
or more, 85 % where it has 0.6 to 0.8, 76 % down to 0.45 and 41 % down to 0.3 (511, 125, 82 and 34 pairs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from models.results import Box

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.floating[Any]]

FULL_SIDE: Final = 112
"""Pixels of a face's shorter side, beyond which more are worth nothing: what recognisers are given."""
SHARP: Final = 0.25
"""Of `detail` in a face that is in focus: three quarters of 300 faces in published photos have more.

Blurred by a Gaussian of 1, 2 and 3 pixels, a face of 87 keeps 0.16, 0.08 and 0.05 of its 0.27.
"""
GRID: Final = 64
"""Pixels of the side that a larger face is averaged down to, which takes out most of a camera's noise."""
INNER: Final = 0.7
"""The share of a box's sides, about its middle, that is face whatever is behind it."""
FLAT: Final = 4.0
"""Grey levels: what deviates by less than this is noise, or too dark to tell."""
NOSE: Final = 0.6
"""How far the nose stands out before the eyes, in distances of the eyes: about 38 of 63 mm in adults."""
EYES_TO_MOUTH: Final = 1.15
"""From the eyes down to the mouth, in distances of the eyes: 40.6 of 35.2 in ArcFace's template."""
NOSE_DOWN: Final = 0.5
"""How far down the nose is from the eyes to the mouth, in a face that looks ahead: 0.494 there."""


def quality(pixels: Pixels, box: Box, landmarks: Sequence[tuple[float, float]]) -> float:
    """Of a face, as in `Face`, found in a picture of `pixels`, (height, width, 3) in RGB; 0 to 1."""
    height, width = pixels.shape[:2]
    points = [(x * width, y * height) for x, y in landmarks]
    return size(box, width, height) * sharpness(inner(pixels, box)) * frontality(points)


def size(box: Box, width: int, height: int) -> float:
    """The shorter side of a box in a picture of so many pixels as a share of `FULL_SIDE`, 1 at most."""
    return min(1.0, box.width * width / FULL_SIDE, box.height * height / FULL_SIDE)


def inner(pixels: Pixels, box: Box) -> Pixels:
    """The middle of a box, as much of it as the picture has, one pixel at least."""
    height, width = pixels.shape[:2]
    rows = _inside(box.y * height, box.height * height, height)
    columns = _inside(box.x * width, box.width * width, width)
    return pixels[rows, columns]


def _inside(start: float, length: float, whole: int) -> slice:
    middle, half = start + length / 2, length * INNER / 2
    first = min(max(0, round(middle - half)), whole - 1)
    return slice(first, max(first + 1, min(whole, round(middle + half))))


def sharpness(pixels: Pixels) -> float:
    """Of a face's middle, (height, width, 3) in RGB: its `detail` as a share of `SHARP`, 1 at most."""
    import numpy as np

    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return min(1.0, detail(_averaged(_averaged(grey).T)) / SHARP)


def detail(grey: Floats) -> float:
    """How much neighbours of neighbours differ, by how much all do: 0 where nothing does, about 2 for noise.

    The variance of both gradients as a share of that of the picture, (height, width): contrast and brightness
    do not enter. Blocks of JPEG at a quality of 20 raise it by 7 % in a face that is blurred by 3 pixels, the
    variance of a Laplacian fivefold.
    """
    if min(grey.shape) < 3:
        return 0.0
    across, down = grey[:, 2:] - grey[:, :-2], grey[2:] - grey[:-2]
    return float((across.var() + down.var()) / 2 / (grey.var() + FLAT**2))


def _averaged(grey: Floats) -> Floats:
    """The rows averaged down to `GRID`, each pixel by how much of it falls where; fewer stay as they are."""
    import numpy as np

    rows = len(grey)
    if rows <= GRID:
        return grey
    sums = np.concatenate([np.zeros((1, grey.shape[1])), np.cumsum(grey, axis=0, dtype=np.float64)])
    places = np.linspace(0, rows, GRID + 1)
    before = np.minimum(places.astype(int), rows - 1)
    part = (places - before)[:, None]
    averaged: Floats = np.diff(sums[before] * (1 - part) + sums[before + 1] * part, axis=0) * (GRID / rows)
    return averaged


def frontality(points: Sequence[tuple[float, float]]) -> float:
    """The share of a face that is turned to the camera, squared: 1 ahead, 0.5 at 45° and 0 from the side.

    Of five landmarks in pixels, as in `Face`. Turned to a side, the nose leaves the middle between the eyes;
    up or down, that between eyes and mouth, by how far it stands out (`NOSE`) and the tangent of the angle.
    A head that is tilted in the picture costs nothing: faces are turned upright before they are recognised.
    """
    left, right, nose, *mouth = (complex(x, y) for x, y in points)
    eyes, lips = (left + right) / 2, sum(mouth) / len(mouth)
    if left == right or lips == eyes:
        return 0.0
    # In distances of the eyes, with the line through them level.
    tip, chin = ((point - eyes) / (right - left) for point in (nose, lips))
    if chin.imag <= 0:
        return 0.0
    across = tip.real / NOSE
    down = (tip.imag / chin.imag - NOSE_DOWN) * EYES_TO_MOUTH / NOSE
    return math.cos(math.atan(across)) ** 2 * math.cos(math.atan(down)) ** 2
