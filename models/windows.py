"""Parts of a picture that are looked at by themselves: even, overlapping, and together all of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.results import Box

MOST: Final = 64
"""Windows over one picture; where more were needed, they are larger."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def cuts(self, box: Box, width: int, height: int, *, within: float) -> bool:
        """Whether a box, in shares of the `width` x `height` picture, ends `within` so many pixels of a side
        of the window that is none of the picture's: there the thing may go on."""
        return (
            (self.left > 0 and box.x * width < self.left + within)
            or (self.top > 0 and box.y * height < self.top + within)
            or (self.right < width and (box.x + box.width) * width > self.right - within)
            or (self.bottom < height and (box.y + box.height) * height > self.bottom - within)
        )

    def shared(self, other: Window) -> Window | None:
        """What two windows have in common; None: nothing."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        width, height = min(self.right, other.right) - left, min(self.bottom, other.bottom) - top
        return Window(left, top, width, height) if width > 0 and height > 0 else None

    def joined(self, other: Window) -> Window:
        """The smallest window that has both in it."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right, bottom = max(self.right, other.right), max(self.bottom, other.bottom)
        return Window(left, top, right - left, bottom - top)

    def placed(self, box: Box, width: int, height: int) -> Box:
        """A box in shares of the window as shares of the `width` x `height` picture."""
        return Box(
            x=(self.left + box.x * self.width) / width,
            y=(self.top + box.y * self.height) / height,
            width=box.width * self.width / width,
            height=box.height * self.height / height,
        )


def windows(width: int, height: int, *, side: float, overlap: float) -> tuple[Window, ...]:
    """Windows of one size over a `width` x `height` picture, row by row, neither side longer than `side`.

    Neighbours share `overlap` pixels at least, so that what is no larger lies wholly within one of them;
    never more than half of `side`.
    """
    side = max(side, 1.0)
    while True:
        columns, rows = (_starts(length, side, min(overlap + 1, side / 2)) for length in (width, height))
        if len(columns[0]) * len(rows[0]) <= MOST:
            break
        side *= 1.25
    return tuple(Window(left, top, columns[1], rows[1]) for top in rows[0] for left in columns[0])


def _starts(length: int, side: float, overlap: float) -> tuple[list[int], int]:
    """Where windows over a length begin, and how long each is: no longer than needed."""
    if length <= side:
        return [0], length
    count = -int(-(length - overlap) // (side - overlap))
    each = min(length, -int(-(length + (count - 1) * overlap) // count))
    return [round(i * (length - each) / (count - 1)) for i in range(count)], each
