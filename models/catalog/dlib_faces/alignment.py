"""Faces turned, scaled and cut out as dlib's recogniser was trained to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from models.catalog.dlib_faces.recogniser import SIDE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[Any]

PLACES: Final = ((46.9, 46.0), (102.8, 46.0), (74.9, 77.7), (50.4, 102.2), (99.5, 102.2))
"""Where the detector's five points lie in a face that dlib cut out itself, with a padding of 0.25.

dlib's own five points are others, the corners of the eyes and the base of the nose. These are the medians of
260 faces that both were asked about.
"""
_FINE: Final = 0.5
"""A face is shrunk by no less than this at once: linear interpolation would skip pixels."""


def face_chip(pixels: Pixels, points: Floats) -> Pixels:
    """The face with landmarks at `points`, (5, 2) in pixels: `SIDE` by `SIDE`, black beyond the picture."""
    import cv2
    import numpy as np

    matrix = similarity(points, np.array(PLACES))
    scale = float(np.hypot(*matrix[:, 0]))
    if 0 < scale < _FINE:
        pixels, matrix = _shrunk(pixels, matrix, scale / _FINE)
    chip: Any = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return chip  # type: ignore[no-any-return]


def similarity(points: Floats, places: Floats) -> Floats:
    """The turning, scaling and moving, (2, 3), that brings `points` closest to `places` (least squares)."""
    import numpy as np

    middle, target = points.mean(axis=0), places.mean(axis=0)
    # As complex numbers a turning and a scaling are one factor.
    one, other = ((rows - about) @ [1, 1j] for rows, about in ((points, middle), (places, target)))
    factor = np.vdot(one, other) / max(np.vdot(one, one).real, np.finfo(np.float64).tiny)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target - turn @ middle])


def _shrunk(pixels: Pixels, matrix: Floats, factor: float) -> tuple[Pixels, Floats]:
    """The part of a picture that a chip is cut from, scaled by `factor`, and the matrix from there."""
    import cv2
    import numpy as np

    ends = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]])
    corners = np.linalg.solve(matrix[:, :2], (ends - matrix[:, 2]).T).T
    size = np.array(pixels.shape[1::-1])
    left, top = np.floor(corners.min(axis=0) - 1).clip(0, size - 1).astype(int)
    right, bottom = np.ceil(corners.max(axis=0) + 1).clip((left + 1, top + 1), size).astype(int)
    part = pixels[top:bottom, left:right]
    width, height = (max(1, round(side * factor)) for side in (part.shape[1], part.shape[0]))
    small: Any = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    turn = matrix[:, :2] @ np.diag([part.shape[1] / width, part.shape[0] / height])
    return small, np.column_stack([turn, matrix[:, 2] + matrix[:, :2] @ [left, top]])
