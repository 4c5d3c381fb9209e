"""Layouts of pages, posters and screens as boxes: what a person reads first, and what belongs together."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import pytest

from models.reading_order import Corners, Line, as_read, in_reading_order
from models.results import TextRegion

SIZE = 1000


def line(text: str, left: float, top: float, width: float, height: float = 20) -> Line:
    right, bottom = left + width, top + height
    return Line(text=text, score=1, corners=((left, top), (right, top), (right, bottom), (left, bottom)))


def words(*placed: tuple[str, float, float], height: float = 20) -> list[Line]:
    return [line(text, x, y, 100, height) for text, x, y in placed]


def column(name: str, left: float, top: float, width: float, lines: int, pitch: float = 30) -> list[Line]:
    return [line(f"{name}{n}", left, top + n * pitch, width) for n in range(lines)]


def names(name: str, lines: int) -> list[str]:
    return [f"{name}{n}" for n in range(lines)]


def ordered(lines: Iterable[Line], *, leftwards: bool = False) -> tuple[TextRegion, ...]:
    shuffled = list(lines)
    random.Random(7).shuffle(shuffled)
    return in_reading_order(shuffled, width=SIZE, height=SIZE, leftwards=leftwards)


def read(lines: Iterable[Line], *, leftwards: bool = False) -> list[str]:
    return [region.text for region in ordered(lines, leftwards=leftwards)]


def blocks(lines: Iterable[Line]) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for region in ordered(lines):
        found.setdefault(region.block, []).append(region.text)
    assert list(found) == list(range(len(found)))
    return list(found.values())


def turned(lines: Sequence[Line], degrees: float) -> list[Line]:
    """Lines on a page that is turned clockwise about the middle of the picture."""
    cos, sin, middle = math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), SIZE / 2

    def point(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - middle, y - middle
        return middle + dx * cos - dy * sin, middle + dx * sin + dy * cos

    def corners(one: Line) -> Corners:
        a, b, c, d = (point(x, y) for x, y in one.corners)
        return a, b, c, d

    return [Line(text=one.text, score=1, corners=corners(one)) for one in lines]


def test_lines_are_read_from_the_top_and_each_from_the_left() -> None:
    lines = words(("A", 100, 100), ("B", 210, 104), ("C", 320, 97), ("D", 100, 140), ("E", 215, 140))
    assert read(lines) == ["A", "B", "C", "D", "E"]


def test_some_scripts_are_read_from_the_right() -> None:
    assert read(words(("B", 100, 100), ("A", 210, 104), ("C", 210, 140)), leftwards=True) == ["A", "B", "C"]
    columns = [*column("l", 100, 100, 300, 4), *column("r", 500, 100, 300, 4)]
    assert read(columns, leftwards=True) == names("r", 4) + names("l", 4)


def test_lines_close_to_each_other_stay_apart() -> None:
    lines = [line(str(n), 500 - 40 * n, 100 + 60 * n, 100, 60) for n in range(8)]
    assert read(lines) == [str(n) for n in range(8)]


def test_of_no_text_the_order_is_empty() -> None:
    assert ordered([]) == ()


@pytest.mark.parametrize("shift", [0, 3, 11])
@pytest.mark.parametrize("degrees", [0, 4, -8, 90, 180, -90])
def test_columns_are_read_one_after_the_other(shift: float, degrees: float) -> None:
    page = [*column("l", 100, 100, 350, 9), *column("r", 520, 100 + shift, 350, 8)]
    assert read(turned(page, degrees)) == names("l", 9) + names("r", 8)


def test_a_heading_and_a_footer_stand_around_their_columns() -> None:
    page = [
        line("heading", 100, 40, 770, 40),
        *column("a", 100, 120, 230, 6),
        *column("b", 370, 120, 230, 6),
        *column("c", 640, 120, 230, 5),
        line("between", 100, 330, 770),
        *column("d", 100, 380, 360, 4),
        *column("e", 510, 380, 360, 4),
        line("footer", 100, 540, 770),
    ]
    above, below = [*names("a", 6), *names("b", 6), *names("c", 5)], [*names("d", 4), *names("e", 4)]
    assert read(page) == ["heading", *above, "between", *below, "footer"]


def test_a_table_is_read_across() -> None:
    rows = [("Espresso", 180, "2.20"), ("Cappuccino grande", 360, "3.90"), ("Tea", 70, "2.50")]
    table = []
    for number, (name, width, price) in enumerate(rows):
        table += [line(name, 100, 100 + 40 * number, width), line(price, 700, 102 + 40 * number, 60)]
    assert read(table) == ["Espresso", "2.20", "Cappuccino grande", "3.90", "Tea", "2.50"]
    grid = [
        line(f"{row}{cell}", 100 + 250 * cell, 100 + 60 * row, 90 + 50 * ((row + cell) % 3))
        for row in range(4)
        for cell in range(3)
    ]
    assert read(grid) == [f"{row}{cell}" for row in range(4) for cell in range(3)]


def test_what_alternates_is_read_downwards() -> None:
    bubbles = [line(str(n), 60 if n % 2 else 520, 100 + 60 * n, 400) for n in range(8)]
    assert read(bubbles) == [str(n) for n in range(8)]


def test_vertical_writing_is_read_from_the_right() -> None:
    def vertical(text: str, left: float) -> Line:
        return Line(
            text=text,
            score=1,
            corners=as_read(((left, 100), (left + 30, 100), (left + 30, 400), (left, 400))),
        )

    page = [vertical("三行目の文", 500), vertical("一行目の文", 600), vertical("二行目の文", 550)]
    found = ordered([*page, line("題名", 100, 20, 60)])
    assert [region.text for region in found] == ["一行目の文", "二行目の文", "三行目の文", "題名"]
    assert {region.angle for region in found} == {0.0}
    assert len({region.block for region in found}) == 2


def test_paragraphs_are_blocks_of_their_own() -> None:
    page = [*column("a", 100, 100, 600, 3), *column("b", 100, 240, 600, 2), line("c", 100, 400, 300)]
    assert blocks(page) == [names("a", 3), names("b", 2), ["c"]]


@pytest.mark.parametrize("degrees", [0, 7, 90, 135, 180, -90, -30])
def test_a_region_says_how_it_runs(degrees: float) -> None:
    (region,) = in_reading_order(turned([line("A", 400, 480, 200)], degrees), width=SIZE, height=SIZE)
    assert region.angle == pytest.approx(degrees)


def test_a_note_along_the_margin_comes_after_the_page() -> None:
    margin = turned([line("note", 400, 60, 200)], -90)
    assert read([*margin, *column("p", 200, 100, 600, 8)]) == [*names("p", 8), "note"]


def test_a_crop_is_read_as_it_was_turned() -> None:
    wide: Corners = ((0, 0), (90, 0), (90, 10), (0, 10))
    tall: Corners = ((0, 0), (10, 0), (10, 90), (0, 90))

    def angle(corners: Corners) -> float:
        return Line(text="", score=1, corners=corners).angle

    assert angle(as_read(wide)) == 0
    assert angle(as_read(wide, upside_down=True)) == 180
    assert angle(as_read(tall)) == 90
    assert angle(as_read(tall, upside_down=True)) == -90
