"""Which second looks a picture is given, and what becomes of what several looks have found. No weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

pytest.importorskip("numpy")

from models.frame import Frame
from models.looks import (
    LARGE,
    MOST_AT_ONCE,
    MOST_OBJECTS,
    Look,
    detect_closely,
    embed_closely,
    find_closely,
    second_looks,
)
from models.results import Box, DetectedObject
from models.windows import MOST, Window

SIDE = 640
MIDDLE = Box(x=0.4, y=0.4, width=0.2, height=0.2)
ASIDE = Box(x=0.1, y=0.1, width=0.2, height=0.2)
HUGE = Box(x=0.1, y=0.1, width=0.7, height=0.8)
DISTANT = Box(x=0.8, y=0.2, width=0.02, height=0.03)


def frame(width: int, height: int) -> Frame:
    """As large as it says, and without pixels: nothing here looks at them."""
    return Frame(width=width, height=height, data=b"")


def box(left: float, top: float, right: float, bottom: float, size: tuple[int, int]) -> Box:
    width, height = size
    return Box(x=left / width, y=top / height, width=(right - left) / width, height=(bottom - top) / height)


@pytest.mark.parametrize(
    ("faces", "small", "parts"),
    [
        ([MIDDLE], False, 0),
        ([MIDDLE, ASIDE], False, 0),
        ([], True, 0),
        ([ASIDE], True, 0),
        ([HUGE], True, 0),
        ([MIDDLE, DISTANT], False, 4),
        ([DISTANT], True, 4),
    ],
)
def test_a_photo_is_looked_at_again_where_the_first_look_cannot_have_seen(
    faces: list[Box], small: bool, parts: int
) -> None:
    looks = second_looks(faces, 1280, 960, side=SIDE)
    assert [look.small for look in looks].count(True) == small
    assert len(looks) - small == parts
    assert all(look.least == LARGE * 1280 for look in looks if look.small)


def test_a_photo_that_the_detector_sees_as_it_is_has_no_parts() -> None:
    assert [look.small for look in second_looks([DISTANT], 640, 480, side=SIDE)] == [True]


def test_a_strip_is_looked_at_in_squares_whatever_was_found() -> None:
    for faces in ([], [MIDDLE], [DISTANT]):
        looks = second_looks(faces, 8000, 1000, side=SIDE)
        assert not any(look.small for look in looks)
        assert all(look.window.height == 1000 and 800 <= look.window.width <= 1000 for look in looks)
        # What the whole shows with 28 pixels has 350 here, and is whole in one of them.
        starts = [look.window.left for look in looks]
        assert all(
            look.window.width - (after - start) >= 350
            for look, start, after in zip(looks, starts, starts[1:], strict=False)
        )


class Spotted(NamedTuple):
    box: Box
    score: float


class Stage:
    """Shows each look the faces that lie in its window, as far as they do, as a detector would."""

    def __init__(self, size: tuple[int, int], *faces: tuple[float, float, float, float]) -> None:
        self.size = size
        self.faces = faces
        self.looks: list[Look] = []

    def look(self, look: Look) -> list[Spotted]:
        self.looks.append(look)
        window = look.window
        sharpness = (160 if look.small else SIDE) / max(window.width, window.height)
        found = []
        for left, top, right, bottom in self.faces:
            inside = (
                max(left, window.left),
                max(top, window.top),
                min(right, window.right),
                min(bottom, window.bottom),
            )
            wide, tall = inside[2] - inside[0], inside[3] - inside[1]
            seen = max(wide, tall) * min(sharpness, 1)
            if wide < 0.3 * (right - left) or tall < 0.3 * (bottom - top) or not 12 < seen < 400:
                continue
            # A part of a face may well look surer than all of it.
            found.append(
                Spotted(box(*inside, self.size), 0.9 if inside != (left, top, right, bottom) else 0.7)
            )
        return found


def find(stage: Stage) -> list[Spotted]:
    return find_closely(frame(*stage.size), stage.look, side=SIDE)


def test_faces_of_80_pixels_in_a_panorama_are_found_once_each() -> None:
    size = (8000, 1000)
    # Everywhere, over all seams.
    faces = [(left, 100 + left % 700, left + 60, 180 + left % 700) for left in range(5, 7930, 131)]
    stage = Stage(size, *faces)
    found = find(stage)
    assert sorted(round(one.box.x * 8000) for one in found) == [face[0] for face in faces]
    assert all(one.score == 0.7 for one in found)


def test_a_large_face_across_a_seam_of_a_panorama_is_one_face() -> None:
    stage = Stage((8000, 1000), (600, 100, 1200, 900))
    [face] = find(stage)
    assert face.box == box(600, 100, 1200, 900, (8000, 1000))


def test_the_face_of_a_close_up_is_found_and_others_keep_their_boxes() -> None:
    stage = Stage((1280, 960), (200, 20, 900, 900), (1000, 100, 1100, 220))
    found = find(stage)
    assert [one.box for one in found] == [
        box(1000, 100, 1100, 220, stage.size),
        box(200, 20, 900, 900, stage.size),
    ]
    assert [look.small for look in stage.looks] == [False, True]


def test_distant_people_lead_to_those_behind_them() -> None:
    stage = Stage((1280, 960), (600, 400, 800, 620), (100, 100, 122, 130), (700, 100, 712, 116))
    found = find(stage)
    assert len(found) == 3
    assert len(stage.looks) == 5
    alone = Stage((1280, 960), (600, 400, 800, 620), (700, 100, 712, 116))
    assert len(find(alone)) == 1  # nothing says that there is more
    assert len(alone.looks) == 1


def thing(
    left: float, top: float, right: float, bottom: float, size: tuple[int, int], **said: float
) -> DetectedObject:
    number = int(said.get("number", 0))
    return DetectedObject(
        name=str(number),
        class_id=number,
        score=said.get("score", 0.8),
        box=box(left, top, right, bottom, size),
    )


class Street:
    """A strip with things in it, each known by the pixel it begins at, which is all that a look is given."""

    def __init__(self, size: tuple[int, int], things: Sequence[tuple[int, int, float, int]]) -> None:
        import numpy as np

        self.things = things  # left, right, score, number
        columns = np.arange(size[0])
        row = np.stack([columns % 256, columns // 256, columns * 0], axis=1).astype(np.uint8)
        self.frame = Frame(width=size[0], height=size[1], data=np.tile(row, (size[1], 1, 1)).tobytes())
        self.calls: list[int] = []

    def look(self, frames: Sequence[Frame]) -> list[tuple[DetectedObject, ...]]:
        self.calls.append(len(frames))
        return [self._seen(one) for one in frames]

    def _seen(self, part: Frame) -> tuple[DetectedObject, ...]:
        start = part.data[0] + 256 * part.data[1]
        found = []
        for left, right, score, number in self.things:
            inside = max(left - start, 0), min(right - start, part.width)
            if (inside[1] - inside[0]) * 640 / part.width >= 20:
                found.append(
                    thing(
                        inside[0], 100, inside[1], 400, (part.width, part.height), score=score, number=number
                    )
                )
        return tuple(sorted(found, key=lambda one: -one.score))


def test_the_objects_of_a_strip_are_found_once_each_and_whole() -> None:
    size = (4500, 500)
    small = [(left, left + 60, 0.6 + left / 20_000, left % 3) for left in range(10, 4400, 90)]
    long = [(900, 2600, 0.5, 7)]  # a train that fills two windows and is cut by four
    street = Street(size, [*small, *long])
    [found] = detect_closely([street.frame], street.look, at_once=2, sure=0.5)
    assert sorted((round(one.box.x * 4500), round((one.box.x + one.box.width) * 4500)) for one in found) == (
        sorted((left, right) for left, right, _, _ in [*small, *long])
    )
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.sure for one in found] == [True] * len(small) + [False]
    assert max(street.calls) == 2


def test_a_thing_that_only_windows_show_is_put_together_again() -> None:
    # The whole is asked first, and shows nothing.
    street = Street((4500, 500), [(500, 1500, 0.6, 2)])

    def look(frames: Sequence[Frame]) -> list[tuple[DetectedObject, ...]]:
        return [
            () if one.width == 4500 else found for one, found in zip(frames, street.look(frames), strict=True)
        ]

    [[found]] = detect_closely([street.frame], look, at_once=8, sure=0.5)
    assert round(found.box.x * 4500) == 500
    assert round(found.box.width * 4500) == 1000


def test_a_photo_is_looked_at_once_and_its_likeliest_objects_are_kept() -> None:
    crowd = tuple(thing(0, 0, 10, 10, (640, 480), score=0.9 - i / 1000) for i in range(150))
    calls = []

    def look(frames: Sequence[Frame]) -> list[tuple[DetectedObject, ...]]:
        calls.append([one.width for one in frames])
        return [crowd for _ in frames]

    found = detect_closely([frame(640, 480), frame(800, 400)], look, at_once=1, sure=0.85)
    assert calls == [[640, 800]]
    assert [len(things) for things in found] == [MOST_OBJECTS, MOST_OBJECTS]
    assert [one.score for one in found[0]] == [one.score for one in crowd[:MOST_OBJECTS]]
    assert sum(one.sure for one in found[0]) == 50
    assert detect_closely([], lambda frames: [], at_once=1, sure=0.5) == []


def test_a_window_that_is_all_of_a_frame_is_that_frame() -> None:
    whole = Frame(width=2, height=1, data=b"abcdef")
    assert whole.part(Window(0, 0, 2, 1)) is whole
    assert whole.part(Window(1, 0, 1, 1)) == Frame(width=1, height=1, data=b"def")


def test_the_vector_of_a_strip_tells_of_its_ends() -> None:
    street = Street((4500, 500), [(4300, 4480, 1.0, 1)])
    calls = []

    def look(frames: Sequence[Frame]) -> list[tuple[float, ...]]:
        calls.append(len(frames))
        return [(0.0, 1.0) if seen else (1.0, 0.0) for seen in street.look(frames)]

    photo = Frame(width=500, height=500, data=bytes(3 * 500 * 500))
    plain, strip, again = embed_closely([photo, street.frame, photo], look, at_once=4)
    assert plain == again == (1.0, 0.0)
    assert calls == [2, 4, 4, 4]
    assert strip[0] ** 2 + strip[1] ** 2 == pytest.approx(1)
    # One of 12 squares shows it; by the plain mean 1 to 11.
    assert strip[1] > 0.5 * strip[0] > 0


def test_a_strip_that_is_the_same_all_over_has_the_vector_of_any_part() -> None:
    def look(frames: Sequence[Frame]) -> list[tuple[float, ...]]:
        return [(0.6, 0.8) for _ in frames]

    [vector] = embed_closely([Street((4500, 500), []).frame], look, at_once=100)
    assert vector == pytest.approx((0.6, 0.8))
    assert embed_closely([], look, at_once=1) == []


def test_no_call_takes_more_parts_than_are_worth_it() -> None:
    calls = []

    def look(frames: Sequence[Frame]) -> list[tuple[float, ...]]:
        calls.append(len(frames))
        return [(1.0, 0.0) for _ in frames]

    embed_closely([Street((9000, 100), []).frame], look, at_once=64)
    assert max(calls) == MOST_AT_ONCE
    assert sum(calls) <= MOST
