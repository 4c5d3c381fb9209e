"""From a picture to what CenterNet sees, and from its maps to detected objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.coco import CLASSES
from models.frame import Frame
from models.results import Box, DetectedObject
from models.suppression import distinct

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

SIDE: Final = 512
"""Pixels of the long side of what the network sees, as it was trained."""
STRIDE: Final = 32
"""Sides of what it sees are multiples of it."""
CELL: Final = 4
"""Pixels between two places of its maps."""
OVERLAP: Final = 0.6
"""Boxes of one class that share more (IoU) are one object."""
MOST_OBJECTS: Final = 100
"""In one picture, as in the original graph."""


def letterboxed(frame: Frame) -> tuple[Floats, float]:
    """The picture scaled to `SIDE` and filled up with black at the right and below, and the scale.

    Shape (1, 3, height, width), as small as the picture and the strides allow.
    """
    import cv2
    import numpy as np

    scale = SIDE / max(frame.width, frame.height)
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((_filled(height), _filled(width), 3), np.float32)
    canvas[:height, :width] = cv2.resize(frame.array(), (width, height), interpolation=method)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1))[None], scale


def _filled(pixels: int) -> int:
    return -(-pixels // STRIDE) * STRIDE


def decode(
    scores: Floats, sides: Floats, scale: float, frame: Frame, threshold: float
) -> list[DetectedObject]:
    """The objects in a picture, highest score first, from (80, rows, columns) and (4, rows, columns)."""
    import numpy as np

    classes, rows, columns = _peaks(scores, threshold)
    likely = scores[classes, rows, columns]
    best = np.argsort(-likely, kind="stable")[: 2 * MOST_OBJECTS]
    classes, rows, columns, likely = classes[best], rows[best], columns[best], likely[best]
    x, y = (columns + 0.5) * CELL, (rows + 0.5) * CELL
    left, top, right, bottom = sides[:, rows, columns]
    limits = [frame.width, frame.height] * 2
    corners = np.stack([x - left, y - top, x + right, y + bottom], axis=1) / scale
    corners = corners.clip(0, limits).astype(np.float64)
    kept = distinct(corners, OVERLAP, classes)[:MOST_OBJECTS]
    return [
        _object(int(classes[i]), float(likely[i]), (corners[i] / limits).tolist())
        for i in kept
        if (corners[i, 2:] > corners[i, :2]).all()
    ]


def _peaks(scores: Floats, threshold: float) -> tuple[npt.NDArray[np.intp], ...]:
    """Where a class is likely, and nowhere around more so: its number, row and column."""
    import numpy as np

    classes, rows, columns = np.nonzero(scores > threshold)
    padded = np.pad(scores, ((0, 0), (1, 1), (1, 1)))
    around = np.max(
        [padded[classes, rows + down, columns + right] for down in range(3) for right in range(3)], axis=0
    )
    peak = scores[classes, rows, columns] == around
    return classes[peak], rows[peak], columns[peak]


def _object(number: int, score: float, corners: list[float]) -> DetectedObject:
    left, top, right, bottom = corners
    box = Box(x=left, y=top, width=right - left, height=bottom - top)
    return DetectedObject(name=CLASSES[number], class_id=number, score=score, box=box)
