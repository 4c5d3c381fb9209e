"""Where in a picture text is looked for, and at which scale.

The whole picture is looked at small. Where lines are too low there to be told apart, and where a sample of
fine strokes turns out to be letters, it is looked at again, twice as large each time, up to its own size: in
tiles, and on in whichever direction the text leads. What the detector responds to neighbouring tiles makes
one map, so that no line is cut where they meet.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from models.pictures.detail import STRIP

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels: TypeAlias = npt.NDArray[np.uint8]
    """(height, width, 3)"""
    Responses: TypeAlias = npt.NDArray[np.float32]
    Outline: TypeAlias = npt.NDArray[Any]
    """Its corners, (4, 2): x and y in pixels, clockwise from the top left."""
    Strokes: TypeAlias = npt.NDArray[Any]
Tile: TypeAlias = tuple[int, int]
"""Row and column."""

LOW: Final = 14.0
"""Pixels of a line's height, with the room that detectors leave around it; a lower one is looked at again."""
_OWN_SIZE: Final = 0.75
"""Instead of more than this share of its own size, the picture is looked at in it."""
_STEP: Final = 32
"""Detectors take sides that are multiples of it."""
_TILE: Final = 13 * _STEP
"""Pixels of a tile's side."""
_MARGIN: Final = 48
"""Pixels around it that the detector is shown with it; two of them are a multiple of the step."""
_TILES_PER_LOOK: Final = 3
_ROOM: Final = 4 * _STEP
"""Pixels that a picture is given each way at least: in a single line without any room nothing is found."""
_SAMPLINGS: Final = 4
"""Most times that samples are taken: the first always, others while the one before led to something."""
_PATCH: Final = 128
"""Pixels of the side of a sample; so many in a row, and the gaps, are a multiple of the step."""
_PATCHES: Final = 3
"""Samples in a row, and rows of them, that are looked at together."""
_GAP: Final = 16
"""Pixels between them."""
_STROKE: Final = 30
"""Least difference between neighbouring pixels, of 255, at the edge of a stroke."""
_ALIKE: Final = 0.5
"""Lines of which one is at least so many times as high as the other may be the same."""


class LineDetector(ABC):
    """What finds lines in the pixels that it is shown, whatever their scale."""

    stride: int
    """Pixels per response, each way; a divisor of 16."""
    least: float
    """The response from which on there is text."""

    @abstractmethod
    def respond(self, pixels: Pixels) -> Responses:
        """The responses, (height / stride, width / stride, kinds), to pixels in RGB."""

    @abstractmethod
    def lines(self, responses: Responses, width: int, height: int) -> Sequence[Outline]:
        """The lines in a picture of `width` x `height` pixels, to all of which these are the responses."""


def find_lines(pixels: Pixels, canvas: int, detector: LineDetector) -> list[Outline]:
    """The lines in a picture, in no particular order.

    `canvas` is the long side in pixels at which the whole picture is looked at first.
    """
    height, width = pixels.shape[:2]
    whole, *finer = (View(pixels, scale, detector) for scale in scales(width, height, canvas))
    whole.look_at_all()
    if finer:
        samples = Samples(whole, finer, detector)
        for _ in range(_SAMPLINGS):
            if not _look_again(whole, finer, samples.take()):
                break
    return merged([whole, *finer])


def scales(width: int, height: int, canvas: int) -> list[float]:
    """The scales at which a picture of `width` x `height` pixels may be looked at, the smallest first.

    A strip has as many pixels at first as if it were twice as long as wide.
    """
    scale = max(canvas / max(width, height), canvas / math.sqrt(STRIP * width * height))
    found = [min(1.0, scale)]
    while found[-1] < _OWN_SIZE:
        found.append(2 * found[-1] if 2 * found[-1] < _OWN_SIZE else 1.0)
    return found


def _look_again(whole: View, finer: Sequence[View], sampled: Sequence[Outline]) -> bool:
    """Whether there was anything to look at again."""
    before = sum(view.looks for view in finer)
    for coarse, fine in pairwise([whole, *finer]):
        low = [line for line in coarse.lines() if coarse.is_low(line)]
        low += [
            line for line in sampled if coarse.is_low(line) and (fine is finer[-1] or not fine.is_low(line))
        ]
        fine.follow(low)
    return sum(view.looks for view in finer) > before


def height_of(line: Outline) -> float:
    """In pixels; of a line that runs upwards or downwards, its width in the picture."""
    return min(math.dist(line[0], line[1]), math.dist(line[0], line[3]))


def scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    import cv2

    if (height, width) == pixels.shape[:2]:
        return pixels
    # Between two pixels each, more than halved, pixels would be passed over.
    how = cv2.INTER_LINEAR if 2 * width > pixels.shape[1] else cv2.INTER_AREA
    return cv2.resize(pixels, (width, height), interpolation=how).astype(pixels.dtype, copy=False)


class View:
    """A picture at one scale, and what the detector responds where it has been shown it."""

    def __init__(self, whole: Pixels, scale: float, detector: LineDetector) -> None:
        self.scale = scale
        self.height, self.width = (max(1, round(side * scale)) for side in whole.shape[:2])
        self.looks = 0
        self.responses: Responses | None = None
        self._whole = whole
        self._detector = detector
        self._looked: set[Tile] = set()

    @cached_property
    def pixels(self) -> Pixels:
        return scaled(self._whole, self.width, self.height)

    def is_low(self, line: Outline) -> bool:
        return height_of(line) * self.scale < LOW

    def has_looked_at(self, x: float, y: float) -> bool:
        """Of a place in pixels of the whole picture."""
        return (int(y * self.scale) // _TILE, int(x * self.scale) // _TILE) in self._looked

    def lines(self) -> Sequence[Outline]:
        """In pixels of the whole picture."""
        if self.responses is None:
            return ()
        height, width = self._whole.shape[:2]
        return self._detector.lines(self.responses, width, height)

    def look_at_all(self) -> None:
        """At once, stretched to sides that the detector takes."""
        width, height = (max(_STEP, round(side / _STEP) * _STEP) for side in (self.width, self.height))
        beside, above = (_STEP * math.ceil(max(0, _ROOM - side) / 2 / _STEP) for side in (width, height))
        pixels = scaled(self._whole, width, height)
        responses = self._detector.respond(_surrounded(pixels, above, above, beside, beside))
        above, beside = above // self._detector.stride, beside // self._detector.stride
        rows, columns = responses.shape[:2]
        self.responses = responses[above : rows - above, beside : columns - beside]
        self.looks += 1

    def follow(self, lines: Iterable[Outline]) -> None:
        """Look at the tiles in which these lines are, and at others as long as text goes on in them."""
        waiting = {tile for line in lines for tile in self._tiles_of(line)} - self._looked
        while waiting:
            row, column = min(waiting)
            columns = 1
            while columns < _TILES_PER_LOOK and (row, column + columns) in waiting:
                columns += 1
            self._looked.update((row, column + number) for number in range(columns))
            waiting.update(self._look_at(row, column, columns))
            waiting -= self._looked

    def _tiles_of(self, line: Outline) -> Iterator[Tile]:
        ends = (self.width - 1, self.height - 1)
        left, top = (line.min(axis=0) * self.scale).clip(0, ends) // _TILE
        right, bottom = (line.max(axis=0) * self.scale).clip(0, ends) // _TILE
        return product(range(int(top), int(bottom) + 1), range(int(left), int(right) + 1))

    def _look_at(self, row: int, column: int, columns: int) -> Iterator[Tile]:
        """Look at tiles beside each other; the tiles around them in which text goes on."""
        import numpy as np

        self.looks += 1
        stride = self._detector.stride
        found = self._detector.respond(self._shown(row, column, columns))
        if self.responses is None:
            shape = math.ceil(self.height / stride), math.ceil(self.width / stride), found.shape[2]
            self.responses = np.zeros(shape, np.float32)
        margin, tile = _MARGIN // stride, _TILE // stride
        kept = self.responses[row * tile : (row + 1) * tile, column * tile : (column + columns) * tile]
        kept[...] = found[margin : margin + kept.shape[0], margin : margin + kept.shape[1]]
        is_text = found.max(axis=2) > self._detector.least
        inside = slice(margin, margin + tile)
        rows, all_columns = math.ceil(self.height / _TILE), math.ceil(self.width / _TILE)
        for number in range(columns):
            beside = slice(margin + number * tile, margin + (number + 1) * tile)
            if row > 0 and is_text[:margin, beside].any():
                yield row - 1, column + number
            if row + 1 < rows and is_text[margin + tile :, beside].any():
                yield row + 1, column + number
        if column > 0 and is_text[inside, :margin].any():
            yield row, column - 1
        if column + columns < all_columns and is_text[inside, margin + columns * tile :].any():
            yield row, column + columns

    def _shown(self, row: int, column: int, columns: int) -> Pixels:
        """The pixels of tiles beside each other, and of their margin."""
        top, left = row * _TILE - _MARGIN, column * _TILE - _MARGIN
        height = _side(_TILE + 2 * _MARGIN, self.height + _MARGIN - top)
        width = _side(columns * _TILE + 2 * _MARGIN, self.width + _MARGIN - left)
        seen = self.pixels[max(0, top) : top + height, max(0, left) : left + width]
        above, beside = max(0, -top), max(0, -left)
        return _surrounded(
            seen, above, height - above - seen.shape[0], beside, width - beside - seen.shape[1]
        )


def _side(wanted: int, rest: int) -> int:
    """Pixels of a look's side where the picture, with its margin, has `rest`."""
    return min(wanted, math.ceil(rest / _STEP) * _STEP)


def _surrounded(pixels: Pixels, above: int, below: int, left: int, right: int) -> Pixels:
    import numpy as np

    return np.pad(pixels, ((above, below), (left, right), (0, 0)))


class Samples:
    """Patches of the picture with fine strokes, which may be letters too small for the first look."""

    def __init__(self, whole: View, finer: Sequence[View], detector: LineDetector) -> None:
        self._whole = whole
        self._finer = finer
        self._view = finer[min(1, len(finer) - 1)]
        self._detector = detector
        self._ranked = [iter(_by_rank(strokes)) for strokes in self._measures()]
        self._taken: set[Tile] = set()

    def take(self) -> list[Outline]:
        """The low lines in the best patches that nobody has looked at, in pixels of the whole picture."""
        import numpy as np

        patches = self._next()
        if not patches:
            return []
        apart, side = _PATCH + _GAP, _PATCHES * (_PATCH + _GAP) - _GAP
        pixels = np.zeros((side, side, 3), np.uint8)
        for number, (row, column) in enumerate(patches):
            top, left = (apart * place for place in divmod(number, _PATCHES))
            pixels[top : top + _PATCH, left : left + _PATCH] = self._view.pixels[
                row * _PATCH : (row + 1) * _PATCH, column * _PATCH : (column + 1) * _PATCH
            ]
        found = []
        for line in self._detector.lines(self._detector.respond(pixels), side, side):
            x, y = line.mean(axis=0)
            place = int(y) // apart, int(x) // apart
            number = place[0] * _PATCHES + place[1]
            if max(place) >= _PATCHES or number >= len(patches):
                continue
            row, column = patches[number]
            corner = (column * _PATCH - place[1] * apart, row * _PATCH - place[0] * apart)
            cut = _is_cut(line % apart)
            line = (line + corner) / self._view.scale
            if not cut and self._whole.is_low(line) and _is_long(line):
                found.append(line)
        return found

    def _next(self) -> list[Tile]:
        """As many as are looked at together, by each measure in turn."""
        patches: list[Tile] = []
        turns = list(self._ranked)
        while turns and len(patches) < _PATCHES**2:
            turn = turns.pop(0)
            patch = next((patch for patch in turn if self._is_new(patch)), None)
            if patch is not None:
                self._taken.add(patch)
                patches.append(patch)
                turns.append(turn)
        return patches

    def _is_new(self, patch: Tile) -> bool:
        row, column = patch
        around = product(range(row - 1, row + 2), range(column - 1, column + 2))
        x, y = ((place + 0.5) * _PATCH / self._view.scale for place in (column, row))
        return self._taken.isdisjoint(around) and not any(view.has_looked_at(x, y) for view in self._finer)

    def _measures(self) -> Iterator[Strokes]:
        """How much each patch, in (rows, columns), has of the edges of strokes, and of faint responses."""
        import cv2
        import numpy as np

        rows, columns = self._view.height // _PATCH, self._view.width // _PATCH
        if not rows or not columns:
            return
        height, width = rows * _PATCH, columns * _PATCH
        grey = cv2.cvtColor(self._view.pixels[:height, :width], cv2.COLOR_RGB2GRAY)

        def share(strokes: Strokes) -> Strokes:
            return cv2.resize(strokes, (columns, rows), interpolation=cv2.INTER_AREA)

        def edges(one: Strokes, other: Strokes) -> Strokes:
            return cv2.threshold(cv2.absdiff(one, other), _STROKE, 255, cv2.THRESH_BINARY)[1]

        # Of every other row, which says as much in half the time.
        upright = edges(grey[2::2, 1:], grey[2::2, :-1])
        level = edges(grey[2::2, 1:], grey[:-2:2, 1:])
        yield share(cv2.max(upright, level))
        yield cv2.min(share(upright), share(level))
        assert self._whole.responses is not None
        faint = self._whole.responses.max(axis=2)
        faint[faint >= self._detector.least] = 0
        end = (
            round(faint.shape[0] * height / self._view.height),
            round(faint.shape[1] * width / self._view.width),
        )
        yield share(np.ascontiguousarray(faint[: max(1, end[0]), : max(1, end[1])]))


def _by_rank(strokes: Strokes) -> list[Tile]:
    """The places of a table that are not 0, the greatest first."""
    flat = strokes.ravel()
    order = flat.argsort(kind="stable")[::-1].tolist()
    return [divmod(place, strokes.shape[1]) for place in order if flat[place] > 0]


def _is_cut(line: Outline) -> bool:
    """Whether the edge of its sample runs along a line, which may be part of a higher one that was seen."""
    (left, top), (right, bottom) = line.min(axis=0), line.max(axis=0)
    ends = (top, bottom) if right - left >= bottom - top else (left, right)
    return bool(min(ends) < 1 or max(ends) >= _PATCH)


def _is_long(line: Outline) -> bool:
    """Whether it has at least two letters, as far as one can see: texture has spots that have none beside."""
    return max(math.dist(line[0], line[1]), math.dist(line[0], line[3])) >= 2 * height_of(line)


def merged(views: Sequence[View]) -> list[Outline]:
    """The lines of all views, the coarsest first, each line once.

    Of low lines those count that a finer view has in their place; of others the coarse view's, except where
    it has taken several lines for one, or part of one for a line.
    """
    kept: list[Outline] = []
    for view in reversed(views):
        finer = Places(kept)
        gone: set[int] = set()
        own: list[Outline] = []
        for line in view.lines():
            parts, around = finer.inside(line), finer.around(line)
            if parts or around:
                alike = [i for i in parts if height_of(kept[i]) >= _ALIKE * height_of(line)]
                if view.is_low(line) or around or 2 * len(alike) < len(parts):
                    continue
                gone.update(alike)
            own.append(line)
        kept = [line for i, line in enumerate(kept) if i not in gone] + own
    return kept


class Places:
    """Where lines are, to be asked many times."""

    def __init__(self, lines: Sequence[Outline]) -> None:
        import numpy as np

        self._lines = np.array(lines, np.float32).reshape(-1, 4, 2)
        self._middles = self._lines.mean(axis=1)

    def inside(self, line: Outline) -> list[int]:
        """The lines whose middle is in `line`, by number."""
        import numpy as np

        among = (self._middles >= line.min(axis=0)).all(axis=1) & (self._middles <= line.max(axis=0)).all(
            axis=1
        )
        return [int(i) for i in np.flatnonzero(among) if _is_in(self._middles[i], line)]

    def around(self, line: Outline) -> list[int]:
        """The lines in which the middle of `line` is, by number."""
        import numpy as np

        middle = line.mean(axis=0)
        among = (self._lines.min(axis=1) <= middle).all(axis=1) & (self._lines.max(axis=1) >= middle).all(
            axis=1
        )
        return [int(i) for i in np.flatnonzero(among) if _is_in(middle, self._lines[i])]


def _is_in(point: npt.NDArray[Any], line: Outline) -> bool:
    import cv2

    x, y = (float(number) for number in point)
    return bool(cv2.pointPolygonTest(line.astype("float32"), (x, y), False) >= 0)
