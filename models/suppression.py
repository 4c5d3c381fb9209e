"""Which of the boxes that a detector proposes are of one and the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


def distinct(
    corners: npt.NDArray[Any],
    overlap: float,
    kinds: npt.NDArray[Any] | None = None,
    parts: npt.NDArray[Any] | None = None,
) -> list[int]:
    """The indices of the boxes to keep: no better one among them shares more than `overlap` (IoU) with any.

    `corners` are (boxes, 4): left, top, right, bottom, the best first. With `kinds`, a number per box, only
    boxes of one kind are compared. `parts` says which are perhaps only a part of a thing: of these none is
    kept that lies by more than half within a better one.
    """
    import numpy as np

    kept: list[int] = []
    areas = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    for i, box in enumerate(corners):
        rivals = kept if kinds is None else [j for j in kept if kinds[j] == kinds[i]]
        others = corners[rivals]
        sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
        shared = sides.clip(0).prod(axis=1)
        alike = shared > overlap * (areas[i] + areas[rivals] - shared)
        if parts is not None and parts[i]:
            alike |= shared > areas[i] / 2
        if not alike.any():
            kept.append(i)
    return kept
