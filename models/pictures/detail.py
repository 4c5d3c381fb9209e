"""How large a picture is looked at, by whom: several sizes come of one decoding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

STRIP: Final = 2
"""A picture more than so many times as long as it is wide is a strip: a panorama, a long screenshot."""
_CLOSE: Final = 2.5
"""A view with at most so many times the long side that is needed serves as well as one made for the need."""
_SMALL: Final = 1280
"""Pixels of the long side of a view that serves all smaller needs: to make another would spare nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The size at which a picture is looked at; of a smaller picture, its own."""

    long_side: int
    """Pixels."""
    strip_side: int = 0
    """Pixels of the short side of a strip, at least: scaled by its long side it would be too thin to see."""

    def long_side_of(self, width: int, height: int, *, most_pixels: int) -> int:
        """Pixels of the long side of a `width` x `height` picture so looked at; `most_pixels` goes before."""
        long, short = max(width, height), min(width, height)
        scale = min(1.0, self.long_side / long, math.sqrt(most_pixels / (width * height)))
        if is_strip(width, height):
            scale = max(scale, min(1.0, self.strip_side / short, math.sqrt(most_pixels / (width * height))))
        return max(1, round(long * scale))


def is_strip(width: int, height: int) -> bool:
    return max(width, height) > STRIP * min(width, height)


def shared_views(needs: Mapping[str, int]) -> dict[str, int]:
    """The long side of the view that serves each need, given as pixels of the long side.

    Needs that are close to each other share the largest one's view.
    """
    views: dict[str, int] = {}
    view = 0
    for name, need in sorted(needs.items(), key=lambda item: -item[1]):
        if not view or view > max(_CLOSE * need, _SMALL):
            view = need
        views[name] = view
    return views
