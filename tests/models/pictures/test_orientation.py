import pytest
from PIL import Image

from models.pictures.orientation import swaps_sides, turn_upright, undo_turn, valid_orientation

# A 3 x 2 picture and how each orientation stores it, row by row (CIPA DC-008, 4.6.4.A, figure 3).
_UPRIGHT = ["abc", "def"]
_STORED = {
    1: ["abc", "def"],
    2: ["cba", "fed"],
    3: ["fed", "cba"],
    4: ["def", "abc"],
    5: ["ad", "be", "cf"],
    6: ["cf", "be", "ad"],
    7: ["fc", "eb", "da"],
    8: ["da", "eb", "fc"],
}


def _image(rows: list[str]) -> Image.Image:
    return Image.frombytes("L", (len(rows[0]), len(rows)), "".join(rows).encode())


def _rows(image: Image.Image) -> list[str]:
    text = image.tobytes().decode()
    return [text[at : at + image.width] for at in range(0, len(text), image.width)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_pixels_are_turned_upright(orientation: int) -> None:
    assert _rows(turn_upright(_image(_STORED[orientation]), orientation)) == _UPRIGHT


@pytest.mark.parametrize("orientation", range(1, 9))
def test_undoing_a_turn_gives_back_what_was_stored(orientation: int) -> None:
    assert _rows(undo_turn(_image(_UPRIGHT), orientation)) == _STORED[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sides_swap_where_the_stored_picture_stands(orientation: int) -> None:
    assert swaps_sides(orientation) == (len(_STORED[orientation]) == 3)


@pytest.mark.parametrize("value", [0, 9, -1, 274, 6.0, "6", None, True, (6,), float("nan")])
def test_anything_but_the_integers_1_to_8_is_ignored(value: object) -> None:
    assert valid_orientation(value) is None
