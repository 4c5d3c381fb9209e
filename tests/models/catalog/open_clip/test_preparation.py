"""What a picture is resized to; test_open_clip compares the pixels with the library's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.catalog.open_clip.preparation import Preparation

CONFIG: dict[str, Any] = {
    "size": 224,
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.2, 0.2],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def preparation(**changes: Any) -> Preparation:
    return Preparation.of({**CONFIG, **changes})


@pytest.mark.parametrize(
    ("changes", "width", "height"),
    [({}, 224, 224), ({"size": (160, 256)}, 256, 160), ({"size": [160, 256]}, 256, 160)],
)
def test_a_size_is_a_side_or_height_and_width(changes: dict[str, Any], width: int, height: int) -> None:
    made = preparation(**changes)
    assert (made.width, made.height) == (width, height)


@pytest.mark.parametrize(
    ("changes", "interpolation"),
    [
        ({}, "bicubic"),
        ({"interpolation": "bilinear"}, "bilinear"),
        ({"interpolation": "random"}, "bicubic"),
        ({"interpolation": "bilinear", "size": (160, 256)}, "bicubic"),  # which the library forgets
        ({"interpolation": "bilinear", "size": (160, 256), "resize_mode": "longest"}, "bilinear"),
    ],
)
def test_the_interpolation_is_the_librarys(changes: dict[str, Any], interpolation: str) -> None:
    assert preparation(**changes).interpolation == interpolation


@pytest.mark.parametrize(("fill", "level"), [({"fill_color": 90}, 90), ({"fill_color": None}, 0), ({}, 0)])
def test_a_margin_is_black_unless_it_is_told_otherwise(fill: dict[str, Any], level: int) -> None:
    assert preparation(**fill).fill == level


@pytest.mark.parametrize(
    ("mode", "size", "picture", "resized"),
    [
        ("squash", (160, 256), (1000, 10), (256, 160)),
        ("shortest", 224, (640, 480), (298, 224)),  # rounded down, as torchvision does
        ("shortest", 224, (480, 640), (224, 298)),
        ("shortest", 224, (224, 224), (224, 224)),
        ("shortest", 224, (1, 1000), (224, 224_000)),
        ("shortest", (160, 256), (640, 480), (256, 192)),
        ("shortest", (160, 256), (640, 320), (320, 160)),
        ("longest", 224, (640, 480), (224, 168)),
        ("longest", 224, (480, 640), (168, 224)),
        ("longest", 224, (2000, 1), (224, 1)),  # never to nothing
        ("longest", (160, 256), (100, 100), (160, 160)),
    ],
)
def test_a_picture_is_resized_by_its_shape(
    mode: str, size: Any, picture: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert preparation(size=size, resize_mode=mode).size_of(*picture) == resized


def test_it_is_the_same_after_it_was_written_down() -> None:
    made = preparation(size=(160, 256))
    assert Preparation.from_json(json.loads(json.dumps(made.as_json()))) == made
