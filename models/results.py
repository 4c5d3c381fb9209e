"""What models find. Everything here is plain and immutable, and travels between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Vector: TypeAlias = tuple[float, ...]
"""Of unit length; each number is a float32."""

Level: TypeAlias = Literal["brief", "medium", "detailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle as shares of the upright picture, 0 to 1; `x`, `y` is its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def inside(cls, corners: Sequence[float], width: int, height: int) -> Box:
        """The box of left, top, right and bottom in pixels, as much of it as the picture has."""
        left, top, right, bottom = corners
        x, y = share(left, width), share(top, height)
        return cls(x=x, y=y, width=share(right, width) - x, height=share(bottom, height) - y)


def share(pixels: float, side: int) -> float:
    """A distance in pixels as a share of a side of the picture, 0 to 1; beyond it the edge counts."""
    return min(max(pixels / side, 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face and who it looks like."""

    box: Box
    score: float
    """Of the detection, 0 to 1."""
    landmarks: tuple[tuple[float, float], ...]
    """Left eye, right eye, nose, left and right corner of the mouth, as seen; shares, 0 to 1."""
    embedding: Vector
    quality: float | None = None
    """How much `embedding` is worth, 0 to 1, by `models.people.quality`; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedObject:
    """One detected object."""

    name: str
    """Of its class, one of the 80 of COCO."""
    class_id: int
    score: float
    box: Box
    sure: bool = True
    """To be shown as what is in the picture; what is only likely is there to be searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRegion:
    """A line of text, or a piece of one."""

    text: str
    score: float
    box: Box
    angle: float = 0.0
    """The way it runs, in degrees clockwise from the picture's upper edge; -180 to 180."""
    block: int = 0
    """The number of its paragraph, column or table in the picture, in reading order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The text in a picture, in reading order; without any, `regions` is empty."""

    regions: tuple[TextRegion, ...]
    languages: tuple[str, ...]
    """The languages looked for, in the codes of the engine."""

    @property
    def text(self) -> str:
        return " ".join(region.text for region in self.regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What other models found in a picture that is to be described."""

    objects: tuple[DetectedObject, ...] = ()
    faces: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A sentence or more about a picture."""

    text: str
    level: Level
    seconds: float
    cut_short: bool
    """The time budget ended it."""
