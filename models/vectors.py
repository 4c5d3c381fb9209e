"""Vectors of unit length, as indexes store them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.errors import ModelFailed
from models.results import Vector

if TYPE_CHECKING:
    import numpy.typing as npt


def unit_rows(rows: npt.NDArray[Any]) -> tuple[Vector, ...]:
    """Each row of `rows`, shape (inputs, dimension), scaled to length 1 in fp32.

    Raises:
        ModelFailed: a row has no direction, as happens where a number overflowed.
    """
    import numpy as np

    exact = rows.astype(np.float32, copy=False)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise ModelFailed("a vector came out without a direction: its numbers are all zero, infinite or none")
    return tuple(tuple(row) for row in (exact / lengths).tolist())


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors of unit length: 1 is the same direction."""
    return sum(a * b for a, b in zip(one, other, strict=True))
