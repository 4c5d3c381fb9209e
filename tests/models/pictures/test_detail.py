"""How large pictures of every shape are looked at, and who shares a view."""

from __future__ import annotations

import pytest

from models.pictures.detail import Detail, shared_views
from models.pictures.picture import spare_factor

MOST = 4096**2
FACES = Detail(long_side=1280, strip_side=1280)
TEXT = Detail(long_side=4096, strip_side=1600)


@pytest.mark.parametrize(
    ("detail", "size", "long_side"),
    [
        (FACES, (4000, 3000), 1280),
        (FACES, (3000, 4000), 1280),
        (FACES, (640, 480), 640),
        (FACES, (2560, 1280), 1280),  # twice as long as wide is no strip yet
        (FACES, (8000, 1600), 6400),  # a strip, whose short side is then 1280
        (FACES, (8000, 400), 8000),
        (TEXT, (4000, 3000), 4000),
        (TEXT, (1080, 9040), 9040),
        (TEXT, (8000, 6000), 4096),
        (TEXT, (3000, 60_000), 18_318),  # of the most pixels
        (Detail(long_side=64), (1080, 9040), 64),
    ],
)
def test_a_picture_is_looked_at_as_large_as_needed(
    detail: Detail, size: tuple[int, int], long_side: int
) -> None:
    assert detail.long_side_of(*size, most_pixels=MOST) == long_side


def test_the_most_pixels_go_before_what_is_needed() -> None:
    assert TEXT.long_side_of(4000, 3000, most_pixels=2048**2) == 2365
    assert FACES.long_side_of(1, 1, most_pixels=1) == 1


def test_needs_that_are_close_share_a_view() -> None:
    assert shared_views({"faces": 1280, "embed": 512, "hashes": 64}) == {
        "faces": 1280,
        "embed": 1280,
        "hashes": 1280,
    }
    assert shared_views({"ocr": 4000, "faces": 1280, "objects": 1280}) == {
        "ocr": 4000,
        "faces": 1280,
        "objects": 1280,
    }
    assert shared_views({"faces": 11_520, "objects": 5760, "embed": 3456, "hashes": 64}) == {
        "faces": 11_520,
        "objects": 11_520,
        "embed": 3456,
        "hashes": 64,
    }


def test_a_strip_is_decoded_larger_than_another_picture() -> None:
    assert spare_factor(8000, 6000, None, 1280, 640) == 4
    assert spare_factor(12_000, 1000, None, 1280, 640) == 1
