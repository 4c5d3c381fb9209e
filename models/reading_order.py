"""The order in which a person reads the text in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from models.results import TextRegion

_ONE_LINE: Final = 0.5
"""Regions whose middles are less than this share of their height apart stand on one line, as in EasyOCR."""


def in_reading_order(regions: Iterable[TextRegion], *, leftwards: bool = False) -> tuple[TextRegion, ...]:
    """Line after line from the top; within a line from the left, or from the right where one reads so.

    Columns are not told apart: their lines alternate.
    """
    lines: list[list[TextRegion]] = []
    for region in sorted(regions, key=_middle):
        if lines and _continues(lines[-1], region):
            lines[-1].append(region)
        else:
            lines.append([region])

    def place(region: TextRegion) -> float:
        return -(region.box.x + region.box.width) if leftwards else region.box.x

    return tuple(region for line in lines for region in sorted(line, key=place))


def _continues(line: Sequence[TextRegion], region: TextRegion) -> bool:
    height = sum(one.box.height for one in line) / len(line)
    middle = sum(map(_middle, line)) / len(line)
    return abs(_middle(region) - middle) < _ONE_LINE * height


def _middle(region: TextRegion) -> float:
    return region.box.y + region.box.height / 2
