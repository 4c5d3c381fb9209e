from __future__ import annotations

import random

import pytest

from models.reading_order import in_reading_order
from models.results import Box, TextRegion


def words(*placed: tuple[str, float, float], height: float = 0.1) -> list[TextRegion]:
    """Words by their left top corner."""
    return [
        TextRegion(text=text, score=1, box=Box(x=x, y=y, width=0.1, height=height)) for text, x, y in placed
    ]


def read(regions: list[TextRegion], *, leftwards: bool = False) -> str:
    return " ".join(region.text for region in in_reading_order(regions, leftwards=leftwards))


@pytest.mark.parametrize("seed", range(5))
def test_lines_are_read_from_the_top_and_each_from_the_left(seed: int) -> None:
    regions = words(("A", 0.1, 0.1), ("B", 0.4, 0.12), ("C", 0.7, 0.09), ("D", 0.1, 0.3), ("E", 0.5, 0.3))
    random.Random(seed).shuffle(regions)
    assert read(regions) == "A B C D E"


def test_some_scripts_are_read_from_the_right() -> None:
    assert read(words(("B", 0.1, 0.1), ("A", 0.5, 0.12), ("C", 0.5, 0.4)), leftwards=True) == "A B C"


def test_lines_close_to_each_other_stay_apart() -> None:
    lines = [(str(n), 0.5 - 0.04 * n, 0.1 + 0.06 * n) for n in range(8)]
    assert read(words(*lines, height=0.06)) == "0 1 2 3 4 5 6 7"


def test_of_no_text_the_order_is_empty() -> None:
    assert in_reading_order([]) == ()
