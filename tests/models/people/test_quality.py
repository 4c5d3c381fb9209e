"""How much a face is worth: patterns whose right answer is known, and a real photo where there is one."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageFilter

from models.people.quality import FULL_SIDE, detail, frontality, inner, quality, sharpness, size
from models.results import Box
from tests.models.catalog import scenes

np = pytest.importorskip("numpy")

AHEAD = ((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2))
"""Where ArcFace aligns a face to that looks ahead."""
WHOLE = Box(x=0.0, y=0.0, width=1.0, height=1.0)
GIRL = ((300, 208), (339, 208), (323, 231), (303, 249), (334, 250))
"""Landmarks of the girl in `portrait.jpg`, in pixels."""

Points = Sequence[tuple[float, float]]


def turned(points: Points, *, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Points:
    """The face as a camera far away sees it after a turn, in degrees: flat, but for its nose."""
    around, nod, tilt = (math.radians(angle) for angle in (yaw, pitch, roll))
    eyes = math.dist(points[0], points[1])
    middle = (sum(x for x, _ in points[:2]) / 2, sum(y for _, y in points[:2]) / 2)
    seen = []
    for number, (x, y) in enumerate(points):
        x, y, z = x - middle[0], y - middle[1], 0.6 * eyes if number == 2 else 0.0
        x, z = x * math.cos(around) + z * math.sin(around), z * math.cos(around) - x * math.sin(around)
        y = y * math.cos(nod) + z * math.sin(nod)
        x, y = x * math.cos(tilt) - y * math.sin(tilt), x * math.sin(tilt) + y * math.cos(tilt)
        seen.append((x, y))
    return seen


def test_a_face_that_looks_ahead_is_frontal_however_its_head_is_tilted() -> None:
    for roll in (0, 30, 90, 180, -120):
        assert frontality(turned(AHEAD, roll=roll)) > 0.99, roll


@pytest.mark.parametrize("way", ["yaw", "pitch"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_more_a_face_is_turned_the_less_frontal_it_is(way: str, sign: int) -> None:
    turns = [frontality(turned(AHEAD, **{way: sign * angle})) for angle in (0, 15, 30, 45, 60, 75)]
    assert turns == sorted(turns, reverse=True)
    assert turns[2] == pytest.approx(0.75, abs=0.05)
    assert turns[3] == pytest.approx(0.5, abs=0.05)
    assert turns[5] < 0.1


@pytest.mark.parametrize(
    "points",
    [
        ((5, 5), (5, 5), (5, 6), (4, 8), (6, 8)),
        ((4, 5), (6, 5), (5, 6), (4, 5), (6, 5)),
        ((4, 5), (6, 5), (5, 4), (4, 2), (6, 2)),
        ((0, 0),) * 5,
    ],
    ids=["no distance of the eyes", "mouth at the eyes", "mouth above the eyes", "all in one place"],
)
def test_landmarks_of_no_face_are_worth_nothing(points: Points) -> None:
    assert frontality(points) == 0.0


@pytest.mark.parametrize(
    ("width", "height", "share"),
    [(112, 112, 1.0), (400, 300, 1.0), (56, 112, 0.5), (112, 28, 0.25), (0, 50, 0.0)],
)
def test_a_face_is_as_large_as_its_shorter_side(width: int, height: int, share: float) -> None:
    box = Box(x=0.1, y=0.1, width=width / 1000, height=height / 500)
    assert size(box, 1000, 500) == pytest.approx(share)
    assert FULL_SIDE == 112


def texture(seed: int = 1, side: int = 200) -> Image.Image:
    """As of nature: much that is coarse, little that is fine."""
    levels = np.random.default_rng(seed)
    whole: Any = np.zeros((side, side))
    for octave in (4, 8, 16, 32, 64):
        layer = Image.fromarray(levels.normal(0, 1, (octave, octave)).astype(np.float32))
        whole = whole + np.asarray(layer.resize((side, side), Image.Resampling.BICUBIC)) * 32 / octave
    whole = 128 + 40 * whole / whole.std()
    return Image.fromarray(whole.clip(0, 255).astype(np.uint8)).convert("RGB")


def sharp(image: Image.Image) -> float:
    return sharpness(np.asarray(image.convert("RGB")))


def test_blur_makes_less_sharp_and_nothing_else_does() -> None:
    image = texture()
    blurred = [sharp(image.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 3, 5, 8, 12)]
    assert blurred == sorted(set(blurred), reverse=True)
    soft = image.filter(ImageFilter.GaussianBlur(5))
    assert sharp(soft.point(lambda level: 64 + level // 2)) == pytest.approx(sharp(soft), rel=0.05), (
        "contrast"
    )
    assert sharp(soft.resize((400, 400), Image.Resampling.BICUBIC)) == pytest.approx(sharp(soft), rel=0.05)
    assert sharp(soft.transpose(Image.Transpose.ROTATE_90)) == pytest.approx(sharp(soft), rel=0.01)
    packed = io.BytesIO()
    soft.save(packed, "JPEG", quality=20)
    assert sharp(Image.open(packed)) == pytest.approx(sharp(soft), rel=0.15)


def test_what_shows_nothing_has_no_detail() -> None:
    assert detail(np.full((50, 50), 120.0)) == 0.0
    assert detail(np.zeros((2, 9))) == 0.0
    dark = np.random.default_rng(1).normal(5, 1, (64, 64))
    assert detail(dark) < detail(dark * 30) / 5, "noise of a dark face is no detail"


@pytest.mark.parametrize(
    "box",
    [
        Box(x=0.999, y=0.999, width=0.001, height=0.001),
        Box(x=0.5, y=0.5, width=0.0, height=0.0),
        Box(x=0.0, y=0.9, width=1.0, height=0.1),
        WHOLE,
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 300, 3), (300, 20, 3)], ids=str)
def test_any_box_of_any_picture_has_a_quality(box: Box, shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    assert inner(pixels, box).size > 0
    assert 0.0 <= quality(pixels, box, [(0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6)]) <= 1.0


def test_quality_is_size_by_sharpness_by_frontality() -> None:
    image, box = texture(side=112), WHOLE
    ahead = [(x / 112, y / 112) for x, y in AHEAD]
    away = [(x / 112 + 0.4, y / 112 + 0.4) for x, y in turned(AHEAD, yaw=45)]
    best = quality(np.asarray(image), box, ahead)
    assert best == pytest.approx(sharp(image.crop((17, 17, 95, 95))), rel=0.01)
    assert quality(np.asarray(image), box, away) == pytest.approx(best / 2, rel=0.1)
    half = Box(x=0.25, y=0.25, width=0.5, height=0.5)
    assert quality(np.asarray(image), half, ahead) <= 0.5


def girl(image: Image.Image, scale: float = 1.0) -> float:
    """The quality of the girl in a version of `portrait.jpg`."""
    x, y, width, height = scenes.FACE
    whole = (840, 700)
    box = Box(x=x / whole[0], y=y / whole[1], width=width / whole[0], height=height / whole[1])
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return quality(np.asarray(small.convert("RGB")), box, [(x / whole[0], y / whole[1]) for x, y in GIRL])


def test_a_real_face_loses_with_every_blur_and_every_pixel() -> None:
    image = scenes.photo("faces/portrait.jpg")
    blurred = [girl(image.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 3, 4, 6)]
    assert blurred == sorted(set(blurred), reverse=True)
    assert blurred[0] > 0.5
    assert blurred[3] < blurred[0] / 3
    small = [girl(image, scale) for scale in (1.0, 0.7, 0.5, 0.35, 0.25)]
    assert small == sorted(set(small), reverse=True)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=30)
    assert girl(Image.open(packed)) == pytest.approx(girl(image), rel=0.1)
