"""Where text is looked for, by a detector to which every dark pixel is text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from models.reading_windows import LineDetector, find_lines, height_of, scales

cv2 = pytest.importorskip("cv2")
np = pytest.importorskip("numpy")

CANVAS = 960 * 720


class Dark(LineDetector):
    """Each spot of dark pixels is a line; the pixels it was shown are counted."""

    least = 0.5

    def __init__(self, stride: int = 1) -> None:
        self.stride = stride
        self.shown: list[int] = []

    def respond(self, pixels: Any) -> Any:
        height, width = pixels.shape[:2]
        assert height % 32 == width % 32 == 0
        self.shown.append(height * width)
        dark = (pixels.max(axis=2) < 100) & (pixels.max(axis=2) > 0)
        return dark[:: self.stride, :: self.stride, None].astype(np.float32)

    def lines(self, responses: Any, width: int, height: int) -> Sequence[Any]:
        _, _, spots, _ = cv2.connectedComponentsWithStats((responses[..., 0] > 0.5).astype(np.uint8))
        scale = width / responses.shape[1], height / responses.shape[0]
        return [
            np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]) * scale
            for x, y, w, h, _ in spots[1:].tolist()
        ]


def sheet(width: int, height: int, *boxes: tuple[int, int, int, int]) -> Any:
    pixels = np.full((height, width, 3), 255, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 20
    return pixels


def boxes_of(lines: Sequence[Any]) -> list[list[int]]:
    return sorted([*line.min(axis=0).round().tolist(), *line.max(axis=0).round().tolist()] for line in lines)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), [1]),
        ((1280, 960), [0.75]),
        ((1600, 1200), [0.6, 1]),
        ((3000, 4000), [0.24, 0.48, 1]),
        ((2000, 1000), [0.48, 1]),
        ((8000, 1000), [0.24, 0.48, 1]),  # a strip: as many pixels as a picture of 4000 x 2000
        ((1, 1), [1]),
    ],
)
def test_a_picture_is_looked_at_twice_as_large_each_time(
    size: tuple[int, int], expected: list[float]
) -> None:
    assert scales(*size, 960) == pytest.approx(expected)


def test_the_canvas_is_the_long_side_of_the_first_look() -> None:
    assert scales(4000, 3000, 320)[0] == 0.08
    assert scales(4000, 3000, 4096) == [1]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "box", [(100, 700, 3900, 724), (1000, 100, 1024, 2900), (50, 50, 90, 70), (3950, 2960, 4000, 3000)]
)
def test_a_low_line_is_seen_in_full_and_once_wherever_tiles_meet(
    box: tuple[int, int, int, int], stride: int
) -> None:
    detector = Dark(stride)
    [found] = boxes_of(find_lines(sheet(4000, 3000, box), 960, detector))
    assert found == pytest.approx(box, abs=2 * stride)
    assert sum(detector.shown) < 20 * CANVAS


def test_a_large_line_costs_no_second_look_at_it() -> None:
    detector = Dark()
    box = (400, 400, 3000, 600)
    [found] = boxes_of(find_lines(sheet(4000, 3000, box), 960, detector))
    assert found == pytest.approx(box, abs=5)
    assert len(detector.shown) == 2, "the whole picture and the samples"


def test_letters_that_the_first_look_cannot_see_are_found_by_their_strokes() -> None:
    lines = [(1500, 1000 + 8 * i, 2500, 1002 + 8 * i) for i in range(100)]
    pixels = sheet(4000, 3000, *lines)
    assert boxes_of(find_lines(pixels, 960, Dark())) == pytest.approx(np.array(lines), abs=1)
    assert len(find_lines(cv2.resize(pixels, (960, 720), interpolation=cv2.INTER_AREA), 960, Dark())) == 0


def test_paragraphs_far_apart_are_found_one_after_the_other() -> None:
    lines = [
        (left, top + 16 * i, left + 300, top + 4 + 16 * i)
        for left, top in ((100, 100), (3500, 150), (200, 2700), (3400, 2600), (1800, 1400))
        for i in range(12)
    ]
    found = boxes_of(find_lines(sheet(4000, 3000, *lines), 960, Dark()))
    assert found == pytest.approx(np.array(sorted(lines)), abs=1)


def test_a_headline_and_the_small_print_below_it_are_each_found_once() -> None:
    headline = (500, 300, 3500, 420)
    print_ = [(500, 460 + 20 * i, 3500, 466 + 20 * i) for i in range(20)]
    found = find_lines(sheet(4000, 3000, headline, *print_), 960, Dark())
    assert len(found) == 21
    assert boxes_of(line for line in found if height_of(line) > 50)[0] == pytest.approx(headline, abs=5)


@pytest.mark.parametrize("colour", [0, 60, 255])
def test_without_text_the_picture_and_some_samples_are_looked_at(colour: int) -> None:
    detector = Dark()
    pixels = sheet(4000, 3000)
    pixels[::7, ::5] = colour + 1 if colour < 255 else 255
    find_lines(np.maximum(pixels, 120), 960, detector)
    assert sum(detector.shown) < 1.3 * CANVAS


def test_text_all_over_is_looked_at_once_at_each_scale() -> None:
    pixels = sheet(2000, 1500)
    pixels[::8, ::3] = 20
    detector = Dark()
    find_lines(pixels, 960, detector)
    margins = (512 / 416) ** 2
    assert sum(detector.shown) < margins * 2100 * 1700 + 2 * CANVAS


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (2048, 3), (3, 2048), (20, 5000), (9040, 1080)])
def test_a_picture_of_any_size_can_be_looked_at(size: tuple[int, int]) -> None:
    assert find_lines(sheet(*size), 960, Dark()) == []
