from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageDraw

from models.catalog.dlib_faces.alignment import PLACES, face_chip, similarity

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")


def turned(points: Any, degrees: float, scale: float, move: tuple[float, float]) -> Any:
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return scale * np.asarray(points) @ np.transpose(turn) + move


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (30, 0.3), (-90, 5), (180, 2)])
def test_a_turned_face_is_turned_back(degrees: float, scale: float) -> None:
    points = turned(PLACES, degrees, scale, (300, 200))
    matrix = similarity(points, np.array(PLACES))
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], PLACES, atol=1e-9)


def test_a_mirrored_face_is_not_turned_inside_out() -> None:
    matrix = similarity(np.array(PLACES) * (-1, 1), np.array(PLACES))
    assert np.linalg.det(matrix[:, :2]) >= 0


def drawn(degrees: float, scale: float) -> tuple[Any, Any]:
    """A picture with a dot of its own colour at each landmark, and the landmarks."""
    points = turned(PLACES, degrees, scale, (500, 450))
    image = Image.new("RGB", (1000, 1000), "white")
    draw = ImageDraw.Draw(image)
    for (x, y), colour in zip(points, ("red", "lime", "blue", "yellow", "cyan"), strict=True):
        half = 6 * scale
        draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)
    return np.asarray(image), points


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (40, 1.5), (-20, 3.1), (170, 2.4)])
def test_landmarks_come_to_their_places(degrees: float, scale: float) -> None:
    chip = face_chip(*drawn(degrees, scale))
    assert chip.shape == (150, 150, 3)
    seen = [chip[round(y), round(x)].tolist() for x, y in PLACES]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    np.testing.assert_allclose(seen, expected, atol=12)


def test_a_large_face_loses_no_pixels_on_the_way() -> None:
    """Stripes of one pixel come out grey, not as whichever stripe is hit."""
    pixels = np.zeros((1200, 1200, 3), np.uint8)
    pixels[:, ::2] = 255
    chip = face_chip(pixels, turned(PLACES, 0, 5, (100, 100)))
    assert np.abs(chip[20:130, 20:130].astype(int) - 127).max() < 30


def test_beyond_the_picture_it_is_black() -> None:
    chip = face_chip(np.full((100, 100, 3), 255, np.uint8), turned(PLACES, 0, 1, (-75, 0)))
    assert (chip[:95, 80:] == 255).all()
    assert (chip[:, :70] == 0).all()
    assert (chip[105:] == 0).all()


def test_points_that_are_one_do_no_harm() -> None:
    assert face_chip(np.zeros((50, 50, 3), np.uint8), np.full((5, 2), 20.0)).shape == (150, 150, 3)
