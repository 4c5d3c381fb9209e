"""The order in which a person reads the text in a picture: columns, tables, headings, vertical writing.

Lines that run the same way are one layout. It is turned so that they run to the right, and taken apart from
the top: where lines stand beside each other with a gutter between them, either columns are read one after the
other, or the rows of a table across.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Final, TypeAlias

from models.results import Box, TextRegion

Point: TypeAlias = tuple[float, float]
Corners: TypeAlias = tuple[Point, Point, Point, Point]

_GUTTER: Final = 0.8
"""Least width of the gap between columns, in heights of a line; what is closer is one line in pieces."""
_BESIDE: Final = 0.5
"""The share of a column's lines, at least, that have something of the next column beside them: what merely
alternates, as the bubbles of a conversation do, is read downwards."""
_CELL: Final = 6.0
"""Columns whose lines are no longer than so many heights are cells of a table: numbers, prices, labels."""
_MANY: Final = 3
_CELL_OF_MANY: Final = 12.0
"""The same, where there are at least `_MANY` columns and one is not `_FULL`."""
_FULL: Final = 0.8
"""The share of a column's width that half of its lines fill at least, if it is a column of text."""
_IN_LINE: Final = 0.5
"""Of two heights, how much at least is shared by what stands on one line."""
_PARAGRAPH: Final = 1.0
"""Least height of the blank between two blocks of text below each other, in heights of a line."""
_NEW_TEXT: Final = 2.0
"""The blank below columns, in heights of a line, after which a single column is none of them."""
_TALL: Final = 1.5
"""A line at least so many times as high as it is wide runs downwards or upwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text, or a piece of one, as a model found it."""

    text: str
    score: float
    corners: Corners
    """In pixels, y downwards, as one reads it: above start and end, then below end and start."""

    @property
    def angle(self) -> float:
        """The way it runs, in degrees clockwise from the picture's upper edge, above -180 and up to 180."""
        (x, y), (to_x, to_y), *_ = self.corners
        return math.degrees(math.atan2(to_y - y, to_x - x)) or 0.0  # no -0


def as_read(corners: Corners, *, upside_down: bool = False) -> Corners:
    """The corners as `Line` wants them, of those of its crop: from the upper left one, clockwise.

    A tall crop is read with its upper side to the right, as engines turn it; `upside_down` says that the crop
    had to be turned by half before it was read.
    """
    first = 1 if is_tall(corners) else 0
    start = (first + (2 if upside_down else 0)) % 4
    a, b, c, d = corners[start:] + corners[:start]
    return a, b, c, d


def is_tall(corners: Corners) -> bool:
    return math.dist(corners[0], corners[3]) >= _TALL * math.dist(corners[0], corners[1])


def in_reading_order(
    lines: Iterable[Line], *, width: int, height: int, leftwards: bool = False
) -> tuple[TextRegion, ...]:
    """The lines of a picture of `width` x `height` pixels as regions in reading order, told apart by block.

    `leftwards` is how the lines of some scripts are read. Lines that run another way than most come last;
    blocks count from 0.
    """
    layouts: dict[tuple[int, bool], list[Line]] = {}
    for line in lines:
        layouts.setdefault((round(line.angle / 90) % 4, _is_vertical(line)), []).append(line)
    regions: list[TextRegion] = []
    block = 0
    for (_, vertical), layout in sorted(layouts.items(), key=lambda item: -_extent(item[1])):
        for number, one in _read(layout, leftwards=leftwards, vertical=vertical):
            region = TextRegion(
                text=one.text,
                score=one.score,
                box=_around(one.corners, width, height),
                angle=0.0 if vertical else one.angle,
                block=block + number,
            )
            regions.append(region)
        block = regions[-1].block + 1
    return tuple(regions)


def _is_vertical(line: Line) -> bool:
    """Whether it is a column of Chinese, Japanese or Korean: signs that stand upright below each other."""
    signs = [sign for sign in line.text if not sign.isspace()]
    east = sum("\u2e80" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af" for sign in signs)
    return abs(abs(line.angle) - 90) < 45 and len(signs) > 1 and 2 * east > len(signs)


def _extent(lines: Sequence[Line]) -> float:
    return sum(math.dist(line.corners[0], line.corners[1]) for line in lines)


def _around(corners: Corners, width: int, height: int) -> Box:
    xs, ys = zip(*corners, strict=True)
    return Box.inside((min(xs), min(ys), max(xs), max(ys)), width, height)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A line as it lies in its layout, turned so that all run to the right."""

    line: Line
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


_Row: TypeAlias = list[_Piece]


def _read(lines: Sequence[Line], *, leftwards: bool, vertical: bool) -> list[tuple[int, Line]]:
    """The lines of one layout in reading order, each with the number of its block."""
    pieces = _turned(lines, vertical=vertical)
    if leftwards and not vertical:
        pieces = [replace(piece, left=-piece.right, right=-piece.left) for piece in pieces]
    read: list[tuple[int, Line]] = []
    for number, block in enumerate(_blocks(pieces)):
        read += [(number, piece.line) for piece in block]
    return read


def _turned(lines: Sequence[Line], *, vertical: bool) -> list[_Piece]:
    """Each line as an upright box after all are turned by the way that most of the text runs.

    Columns of vertical writing go down, and the next one is to the left: turned by a quarter they are lines
    that go to the right, and the next one is below.
    """
    if vertical:
        lines = [replace(line, corners=_downwards(line.corners)) for line in lines]
    turn = -math.radians(_median_angle(lines))
    cos, sin = math.cos(turn), math.sin(turn)
    pieces = []
    for line in lines:
        xs = [x * cos - y * sin for x, y in line.corners]
        ys = [x * sin + y * cos for x, y in line.corners]
        pieces.append(_Piece(line=line, left=min(xs), top=min(ys), right=max(xs), bottom=max(ys)))
    return pieces


def _downwards(corners: Corners) -> Corners:
    a, b, c, d = corners
    return (a, b, c, d) if a[1] < b[1] else (c, d, a, b)


def _median_angle(lines: Sequence[Line]) -> float:
    """The angle that half of the text, by its length, does not go beyond; all run about the same way."""
    first = lines[0].angle
    turns = sorted(((line.angle - first + 180) % 360 - 180, _extent([line])) for line in lines)
    half = sum(length for _, length in turns) / 2
    for turn, length in turns:
        half -= length
        if half <= 0:
            return first + turn
    return first


def _blocks(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """The pieces block after block, those of a block in reading order."""
    blocks: list[list[_Piece]] = []
    for band in _bands(pieces):
        columns = _columns(band)
        if len(columns) > 1 and _are_read_downwards(columns):
            for column in columns:
                blocks += _blocks(column)
        else:
            blocks += _paragraphs(_rows(band))
    return blocks


def _bands(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Stripes of the layout from the top, each with gutters from its top to its bottom, or without any."""
    bands: list[list[_Piece]] = []
    for stripe in _stripes(pieces):
        if bands and _goes_on(bands[-1], stripe):
            bands[-1].extend(stripe)
        else:
            bands.append(list(stripe))
    return bands


def _goes_on(band: Sequence[_Piece], stripe: Sequence[_Piece]) -> bool:
    """Whether a gutter of the band goes on through the stripe below, or neither has any."""
    above, below = len(_columns(band)), len(_columns(stripe))
    if above == 1 or below == 1:
        blank = min(piece.top for piece in stripe) - max(piece.bottom for piece in band)
        if above == 1 or blank > _NEW_TEXT * median(piece.height for piece in band):
            return above == below
    return len(_columns([*band, *stripe])) >= min(above, max(2, below))


def _stripes(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """The pieces between blanks that go through the whole layout, from the top."""
    stripes: list[list[_Piece]] = []
    end = -math.inf
    for piece in sorted(pieces, key=lambda one: one.top):
        # Boxes of neighbouring lines overlap a little.
        if piece.top >= end - 0.3 * piece.height:
            stripes.append([])
        stripes[-1].append(piece)
        end = max(end, piece.bottom)
    return stripes


def _columns(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """The pieces between gutters that go through all of them, from the left."""
    least = _GUTTER * median(piece.height for piece in pieces)
    columns: list[list[_Piece]] = []
    end = -math.inf
    for piece in sorted(pieces, key=lambda one: one.left):
        if piece.left >= end + least:
            columns.append([])
        columns[-1].append(piece)
        end = max(end, piece.right)
    return columns


def _are_read_downwards(columns: Sequence[Sequence[_Piece]]) -> bool:
    """Whether these are columns of text, and neither a table nor lines that alternate."""
    if min(map(len, columns)) == 1 and max(map(len, columns)) == 1:
        return False
    if not all(_stand_beside(*pair) for pair in pairwise(columns)):
        return False
    lengths = [median((piece.right - piece.left) / piece.height for piece in column) for column in columns]
    if len(columns) >= _MANY and max(lengths) < _CELL_OF_MANY and not all(map(_is_full, columns)):
        return False
    return min(lengths) >= _CELL


def _is_full(column: Sequence[_Piece]) -> bool:
    width = max(piece.right for piece in column) - min(piece.left for piece in column)
    return median(piece.right - piece.left for piece in column) >= _FULL * width


def _stand_beside(one: Sequence[_Piece], other: Sequence[_Piece]) -> bool:
    fewer, more = sorted((one, other), key=len)
    beside = sum(any(_overlap(piece, next_to) > 0 for next_to in more) for piece in fewer)
    return beside >= _BESIDE * len(fewer)


def _overlap(one: _Piece, other: _Piece) -> float:
    """How much of the lesser height two pieces share, up to 1; negative where they are below each other."""
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared / max(min(one.height, other.height), 1e-6)


def _rows(pieces: Sequence[_Piece]) -> list[_Row]:
    """Line after line from the top, the pieces of each from the left."""
    rows: list[_Row] = []
    for piece in sorted(pieces, key=lambda one: one.top + one.bottom):
        if rows and _overlap(rows[-1][-1], piece) >= _IN_LINE and _overlap(rows[-1][0], piece) >= _IN_LINE:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda one: one.left) for row in rows]


def _paragraphs(rows: Sequence[_Row]) -> list[list[_Piece]]:
    """The pieces of the rows, told apart where more blank is between two rows than within a paragraph."""
    usual = median(piece.height for row in rows for piece in row)
    paragraphs = [list(rows[0])]
    for above, row in pairwise(rows):
        blank = min(piece.top for piece in row) - max(piece.bottom for piece in above)
        if blank > _PARAGRAPH * usual:
            paragraphs.append([])
        paragraphs[-1] += row
    return paragraphs
