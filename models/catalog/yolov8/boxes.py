"""From the numbers of YOLOv8's head to boxes, and from boxes to detected objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from models.coco import CLASSES
from models.frame import Frame
from models.results import Box, DetectedObject

if TYPE_CHECKING:
    from torch import Tensor

STRIDES: Final = (8, 16, 32)
BINS: Final = 16
"""A distance is the mean of 0 to 15 strides, weighted by as many numbers."""
_MISTAKEN: Final = 6


def decode(distances: Tensor, scores: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
    """What Ultralytics' head makes of its numbers, for the places where a score reaches `threshold`.

    Shape (1, 84, places): centre, width and height in pixels, and the score of each class, 0 to 1.
    """
    import torch
    from ultralytics.utils.tal import dist2bbox, make_anchors

    likely = scores.amax(dim=0).sigmoid() > threshold
    levels = torch.tensor([[size[0] // stride, size[1] // stride] for stride in STRIDES], dtype=torch.float32)
    grid = make_anchors(levels, STRIDES, 0.5)  # type: ignore[no-untyped-call]
    centres, strides = (rows.T.to(scores.device)[:, likely] for rows in grid)
    weights = distances[:, likely].view(4, BINS, -1).softmax(dim=1)
    sides = torch.einsum("sbp,b->sp", weights, torch.arange(BINS, dtype=torch.float32, device=scores.device))
    boxes = dist2bbox(sides, centres, xywh=True, dim=0) * strides  # type: ignore[no-untyped-call]
    places = torch.cat([boxes, scores[:, likely].sigmoid()])
    # Six would be taken for the answer of a model that needs no suppression: a seventh, of nothing, helps.
    return torch.nn.functional.pad(places, (0, 1 if places.shape[1] == _MISTAKEN else 0))[None]


def thing_of(row: Sequence[float], frame: Frame) -> DetectedObject:
    """The object in a row of left, top, right, bottom in pixels of the frame, score, class."""
    *corners, score, number = row
    box = Box.inside(corners, frame.width, frame.height)
    return DetectedObject(name=CLASSES[int(number)], class_id=int(number), score=score, box=box)
