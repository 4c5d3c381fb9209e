"""Where detectors look again, since one look at a whole picture shows things of some sizes only. Pure.

Faces, of which a look shows surely those with `SURE` of its pixels and at most `LARGE` of its side:

| picture | looked at | detector's time |
| --- | --- | --- |
| a strip | whole, and in squares of its short side | one look for each square |
| other, with a face smaller than `SURE` | whole, and in four parts | 5 looks |
| other, with no face over its middle, or a large one | whole, and once more, small | 1.2 looks |
| other | whole | 1 look |

The small look is 2 to 4 ms of 10 to 20 for the smallest detectors; a graph of one fixed size takes 2 looks.

Objects: a strip whole and in parts of 4 to 3, everything else whole. Vectors: a strip in squares only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol, TypeVar

from models.frame import Frame
from models.pictures.detail import is_strip
from models.results import Box, DetectedObject, Vector
from models.suppression import distinct
from models.vectors import unit_rows
from models.windows import Window, windows

SURE: Final = 28
"""Pixels of what a detector sees: a face so long is found, and of smaller ones some."""
LARGE: Final = 0.5
"""Of the picture's long side: a larger face is better seen in a smaller picture."""
SAME: Final = 0.45
"""What two looks found is one thing if the boxes share more (IoU)."""
MOST_AT_ONCE: Final = 8
"""Parts of a strip in one call, on a device that could take more, too: more gain little."""
MOST_OBJECTS: Final = 100
"""In one picture, the likeliest: as many as COCO's own evaluation looks at."""
_QUARTER: Final = 0.55
"""Of the long side: the side of the four parts of a picture, with what they share."""
_HELD: Final = 0.05
"""Of a strip's long side: a larger object is seen in the whole."""
_SHAPE: Final = 4 / 3
"""Of the parts in which the objects of a strip are looked for, as of most photos."""
_BESIDE: Final = 0.25
"""Of their side: what neighbouring squares share of which a strip's vector is made."""
_COMMON: Final = 0.05
"""Weight of a square of a strip that is just like all of it."""
_EDGE: Final = 0.02
"""Of a window's long side: a box that ends so near to the window's edge is perhaps cut by it."""
_CONTINUED: Final = 0.5
"""Boxes that are cut by either edge of what two windows share, and in it share so much (IoU), are one."""


class Found(Protocol):
    @property
    def box(self) -> Box:
        """As shares of the whole picture."""
        ...

    @property
    def score(self) -> float: ...


F = TypeVar("F", bound=Found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look of a detector of faces."""

    window: Window
    small: bool = False
    """At the window made small, with a margin around it."""
    least: float = 0.0
    most: float = math.inf
    """Pixels of the picture: the long sides of the boxes that it answers for."""


def find_closely(frame: Frame, look: Callable[[Look], Sequence[F]], *, side: int) -> list[F]:
    """The faces in a picture, by as many looks as it takes; `side` pixels is the detector's long side."""
    width, height = frame.width, frame.height
    whole = Look(window=Window(0, 0, width, height))
    first = look(whole)
    again = second_looks([one.box for one in first], width, height, side=side)
    if not again:
        return list(first)
    seen = [(whole, one) for one in first]
    for other in again:
        seen += [
            (other, one)
            for one in look(other)
            if other.least <= _long_side(one.box, width, height) <= other.most
        ]
    return _distinct(seen, width, height)


def second_looks(faces: Sequence[Box], width: int, height: int, *, side: int) -> list[Look]:
    """The looks that a picture needs in which the first one found `faces`."""
    long, short = max(width, height), min(width, height)
    visible = SURE * max(1.0, long / side)
    if is_strip(width, height):
        parts = windows(width, height, side=short, overlap=visible)
        return [Look(window=part, most=2 * visible) for part in parts]
    looks = []
    if long > side and any(_long_side(face, width, height) < visible for face in faces):
        parts = windows(width, height, side=_QUARTER * long, overlap=visible)
        looks += [Look(window=part, most=2 * visible) for part in parts]
    middle = [face for face in faces if _is_in_middle(face)]
    if not middle or any(_long_side(face, width, height) > LARGE * long for face in middle):
        looks.append(Look(window=Window(0, 0, width, height), small=True, least=LARGE * long))
    return looks


def _is_in_middle(box: Box) -> bool:
    """Whether a box covers the picture's middle: one of more than half of the picture does."""
    return box.x <= 0.5 <= box.x + box.width and box.y <= 0.5 <= box.y + box.height


def _long_side(box: Box, width: int, height: int) -> float:
    return max(box.width * width, box.height * height)


def _distinct(seen: Sequence[tuple[Look, F]], width: int, height: int) -> list[F]:
    kept = _kept([(look.window, one.box, one.score, 0) for look, one in seen], width, height)
    return [seen[i][1] for i in kept]


def detect_closely(
    frames: Sequence[Frame],
    look: Callable[[Sequence[Frame]], Sequence[Sequence[DetectedObject]]],
    *,
    at_once: int,
    sure: float,
) -> list[tuple[DetectedObject, ...]]:
    """The objects in each picture, highest score first; `look` is given `at_once` parts of a strip at most.

    Those with a score of more than `sure` are sure.
    """
    found = []
    for frame, things in zip(frames, look(frames), strict=True):
        if is_strip(frame.width, frame.height):
            things = _with_parts(frame, things, look, at_once)
        found.append(tuple(replace(thing, sure=thing.score > sure) for thing in things[:MOST_OBJECTS]))
    return found


def embed_closely(
    frames: Sequence[Frame], look: Callable[[Sequence[Frame]], Sequence[Vector]], *, at_once: int
) -> list[Vector]:
    """The vector of each picture; `look` is given `at_once` parts of a strip at most.

    A strip's is the mean of its squares' vectors in which a square counts by how little it is like the mean:
    what is seen once, as a boat at the end of a coast, then tells as much as the coast. Of 54 things in
    strips of 9 to 1 among 49 photos, a sentence finds 26 among its first five so (conse; at place 8 on
    average), by the plain mean 16 (12), and by the strip as the model itself crops it 16 (20).
    """
    strips = [is_strip(frame.width, frame.height) for frame in frames]
    plain = iter(look([frame for frame, strip in zip(frames, strips, strict=True) if not strip]))
    return [
        _vector_of_strip(frame, look, at_once) if strip else next(plain)
        for frame, strip in zip(frames, strips, strict=True)
    ]


def _vector_of_strip(
    frame: Frame, look: Callable[[Sequence[Frame]], Sequence[Vector]], at_once: int
) -> Vector:
    import numpy as np

    short = min(frame.width, frame.height)
    squares = windows(frame.width, frame.height, side=short, overlap=_BESIDE * short)
    rows: list[Vector] = []
    for group in _grouped(squares, at_once):
        rows += look([frame.part(square) for square in group])
    vectors = np.array(rows, np.float32)
    [mean] = unit_rows(vectors.mean(axis=0, keepdims=True))
    weights = 1 - vectors @ np.array(mean, np.float32) + _COMMON
    return unit_rows(weights[None] @ vectors)[0]


def _with_parts(
    frame: Frame,
    whole: Sequence[DetectedObject],
    look: Callable[[Sequence[Frame]], Sequence[Sequence[DetectedObject]]],
    at_once: int,
) -> list[DetectedObject]:
    """What is found in a strip by looking at all of it, which is `whole`, and at its parts."""
    width, height = frame.width, frame.height
    long, short = max(width, height), min(width, height)
    parts = windows(width, height, side=_SHAPE * short, overlap=min(long * _HELD, short / 2))
    found: list[_Thing] = []
    for group in _grouped(parts, at_once):
        for part, things in zip(group, look([frame.part(part) for part in group]), strict=True):
            found += [
                _Thing(part, replace(thing, box=part.placed(thing.box, width, height)))
                for thing in things[:MOST_OBJECTS]
            ]
    seen = [_Thing(Window(0, 0, width, height), thing) for thing in whole]
    seen += _continued(found, width, height)
    kept = _kept([(window, one.box, one.score, one.class_id) for window, one in seen], width, height)
    return sorted((seen[i].thing for i in kept), key=lambda thing: -thing.score)


def _grouped(parts: Sequence[Window], at_once: int) -> Iterator[Sequence[Window]]:
    size = min(at_once, MOST_AT_ONCE)
    return (parts[start : start + size] for start in range(0, len(parts), size))


class _Thing(NamedTuple):
    window: Window
    thing: DetectedObject


def _continued(found: Sequence[_Thing], width: int, height: int) -> list[_Thing]:
    """Things, of which those that windows have cut are put together again; in the order of their windows."""
    joined: list[_Thing] = []
    open_ends: list[int] = []
    for one in found:
        if not _is_cut(one.window, one.thing.box, width, height):
            joined.append(one)
            continue
        for place in reversed(open_ends):
            other = joined[place]
            if other.thing.class_id == one.thing.class_id and _continues(other, one, width, height):
                box = _around(other.thing.box, one.thing.box)
                score = max(other.thing.score, one.thing.score)
                joined[place] = _Thing(
                    other.window.joined(one.window), replace(one.thing, box=box, score=score)
                )
                break
        else:
            open_ends.append(len(joined))
            joined.append(one)
    return joined


def _continues(one: _Thing, other: _Thing, width: int, height: int) -> bool:
    """Whether two boxes fill the same part of what their windows share."""
    shared = one.window.shared(other.window)
    if shared is None:
        return False
    limits = Box(
        x=shared.left / width,
        y=shared.top / height,
        width=shared.width / width,
        height=shared.height / height,
    )
    parts = (_common(limits, one.thing.box), _common(limits, other.thing.box))
    both = _common(*parts)
    areas = [part.width * part.height for part in (*parts, both)]
    return areas[2] > _CONTINUED * (areas[0] + areas[1] - areas[2])


def _common(one: Box, other: Box) -> Box:
    """What two boxes share; without width or height where that is nothing."""
    x, y = max(one.x, other.x), max(one.y, other.y)
    right = min(one.x + one.width, other.x + other.width)
    bottom = min(one.y + one.height, other.y + other.height)
    return Box(x=x, y=y, width=max(0.0, right - x), height=max(0.0, bottom - y))


def _around(one: Box, other: Box) -> Box:
    x, y = min(one.x, other.x), min(one.y, other.y)
    right = max(one.x + one.width, other.x + other.width)
    bottom = max(one.y + one.height, other.y + other.height)
    return Box(x=x, y=y, width=right - x, height=bottom - y)


def _is_cut(window: Window, box: Box, width: int, height: int) -> bool:
    return window.cuts(box, width, height, within=_EDGE * max(window.width, window.height))


def _kept(seen: Sequence[tuple[Window, Box, float, int]], width: int, height: int) -> list[int]:
    """Each thing once, of windows, boxes, scores and kinds: uncut before cut, and of these the surest."""
    import numpy as np

    if not seen:
        return []
    cut = np.array([_is_cut(window, box, width, height) for window, box, _, _ in seen])
    order = sorted(range(len(seen)), key=lambda i: (cut[i], -seen[i][2]))
    boxes = [seen[i][1] for i in order]
    corners = np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes])
    kinds = np.array([seen[i][3] for i in order])
    return [order[i] for i in distinct(corners, SAME, kinds, parts=cut[order])]
