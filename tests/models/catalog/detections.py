"""What detectors found, beside what is there: overlap, and average precision as COCO has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.frame import Frame
from models.results import DetectedObject


class Found(NamedTuple):
    """In pixels."""

    corners: tuple[float, float, float, float]
    score: float
    number: int


def in_pixels(things: Sequence[DetectedObject], frame: Frame) -> list[Found]:
    return [
        Found(
            (
                thing.box.x * frame.width,
                thing.box.y * frame.height,
                (thing.box.x + thing.box.width) * frame.width,
                (thing.box.y + thing.box.height) * frame.height,
            ),
            thing.score,
            thing.class_id,
        )
        for thing in things
    ]


def overlap(one: Found, other: Found) -> float:
    """Intersection over union."""
    left, top = (max(a, b) for a, b in zip(one.corners[:2], other.corners[:2], strict=True))
    right, bottom = (min(a, b) for a, b in zip(one.corners[2:], other.corners[2:], strict=True))
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one.corners, other.corners)]
    return shared / (sum(areas) - shared) if shared else 0.0


def truth(label: Path, frame: Frame) -> list[Found]:
    """Lines of class, centre, width and height, as shares."""
    found = []
    for line in label.read_text().splitlines():
        number, x, y, width, height = (float(word) for word in line.split())
        corners = (
            (x - width / 2) * frame.width,
            (y - height / 2) * frame.height,
            (x + width / 2) * frame.width,
            (y + height / 2) * frame.height,
        )
        found.append(Found(corners, 1.0, int(number)))
    return found


def average_precision(found: Sequence[Sequence[Found]], expected: Sequence[Sequence[Found]]) -> float:
    """Of one class, at an IoU of 0.5: the mean of the precision at 101 levels of recall, as COCO has it.

    Per picture: what was found, and what is there.
    """
    ranked = sorted(
        ((one, i) for i, seen in enumerate(found) for one in seen), key=lambda pair: -pair[0].score
    )
    taken: set[tuple[int, int]] = set()
    hits = []
    for one, picture in ranked:
        free = [j for j in range(len(expected[picture])) if (picture, j) not in taken]
        best = max(free, key=lambda j: overlap(one, expected[picture][j]), default=None)
        hit = best is not None and overlap(one, expected[picture][best]) >= 0.5
        hits.append(hit)
        if hit and best is not None:
            taken.add((picture, best))
    total = sum(len(there) for there in expected)
    right = np.cumsum(hits)
    recall, precision = right / total, right / np.arange(1, len(hits) + 1)
    reached = [precision[recall >= level - 1e-9].max(initial=0.0) for level in np.linspace(0, 1, 101)]
    return float(np.mean(reached))


def mean_average_precision(found: Sequence[Sequence[Found]], expected: Sequence[Sequence[Found]]) -> float:
    """Over all classes that are there, each picture's findings beside what is in it."""
    numbers = {one.number for there in expected for one in there}
    precisions = [
        average_precision(
            [[one for one in seen if one.number == number] for seen in found],
            [[one for one in there if one.number == number] for there in expected],
        )
        for number in numbers
    ]
    return float(np.mean(precisions))
