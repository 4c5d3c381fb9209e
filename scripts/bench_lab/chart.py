"""A chart of lines as SVG, for growths that a table does not show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 160, 40, 60
COLOURS = ("#1b6ca8", "#c8553d", "#4b8b3b", "#7d5ba6", "#8a6d3b")

Points = Sequence[tuple[float, float]]


def write_growth(path: Path, *, title: str, across: str, up: str, lines: Mapping[str, Points]) -> None:
    """Write `lines` with both scales logarithmic, where the slope of a line is the power it grows with.

    Raises:
        ValueError: there is no point, or one is not positive.
    """
    points = [point for line in lines.values() for point in line]
    if not points or min(min(point) for point in points) <= 0:
        raise ValueError("a logarithmic chart needs points, and positive ones")
    low_x, high_x = _decades([x for x, _ in points])
    low_y, high_y = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - low_x) / (high_x - low_x)
        upward = (math.log10(y) - low_y) / (high_y - low_y)
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - upward * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 24, title, "start", bold=True)]
    for decade in range(low_x, high_x + 1):
        x, y = at(10**decade, 10**low_y)
        parts += [_line([(x, y), (x, TOP)], "#ddd"), _text(x, y + 20, f"{10**decade:,}", "middle")]
    for decade in range(low_y, high_y + 1):
        x, y = at(10**low_x, 10**decade)
        parts += [_line([(x, y), (WIDTH - RIGHT, y)], "#ddd"), _text(x - 8, y + 4, f"{10**decade:g}", "end")]
    _write(path, parts, lines, at, across=across, up=up)


def write_lines(path: Path, *, title: str, across: str, up: str, lines: Mapping[str, Points]) -> None:
    """Write `lines` with even scales, the upward one from the least to the largest value there is.

    Raises:
        ValueError: there are no two points apart in both directions.
    """
    points = [point for line in lines.values() for point in line]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y, high_y = min(y for _, y in points), max(y for _, y in points)
    if low_x == high_x or low_y == high_y:
        raise ValueError("a chart needs points that are apart in both directions")

    def at(x: float, y: float) -> tuple[float, float]:
        along, upward = (x - low_x) / (high_x - low_x), (y - low_y) / (high_y - low_y)
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - upward * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 24, title, "start", bold=True)]
    for mark in sorted({x for x, _ in points}):
        x, y = at(mark, low_y)
        parts += [_line([(x, y), (x, TOP)], "#ddd"), _text(x, y + 20, f"{mark:g}", "middle")]
    for step in range(5):
        mark = low_y + step * (high_y - low_y) / 4
        x, y = at(low_x, mark)
        parts += [_line([(x, y), (WIDTH - RIGHT, y)], "#ddd"), _text(x - 8, y + 4, f"{mark:.4f}", "end")]
    _write(path, parts, lines, at, across=across, up=up)


def _write(
    path: Path,
    parts: list[str],
    lines: Mapping[str, Points],
    at: Callable[[float, float], tuple[float, float]],
    *,
    across: str,
    up: str,
) -> None:
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, across, "middle"))
    parts.append(_text(8, TOP - 4, up, "start"))
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        places = [at(*point) for point in sorted(line)]
        parts.append(_line(places, colour, width=2))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts.append(_text(places[-1][0] + 8, places[-1][1] + 4, name, "start", colour=colour))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        + "".join(parts)
        + "</svg>\n",
        "utf-8",
    )


def _decades(numbers: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    return low, max(high, low + 1)


def _line(places: Points, colour: str, *, width: int = 1) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False, colour: str = "#333") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'
    )
