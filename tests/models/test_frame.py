from __future__ import annotations

import pytest
from PIL import Image

from models.frame import Frame


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
def test_a_picture_of_any_mode_is_rows_of_red_green_and_blue(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    frame = Frame.of(image)
    assert (frame.width, frame.height, len(frame.data)) == (3, 2, 18)
    assert frame.image().tobytes() == image.convert("RGB").tobytes()


def test_rows_come_from_the_top_and_each_from_the_left() -> None:
    image = Image.new("RGB", (3, 2))
    image.putpixel((2, 0), (1, 2, 3))
    frame = Frame.of(image)
    assert frame.data == bytes(6) + b"\1\2\3" + bytes(9)
    assert frame.image().getpixel((2, 0)) == (1, 2, 3)


def test_its_array_is_height_by_width_and_cannot_be_written() -> None:
    pytest.importorskip("numpy")
    image = Image.new("RGB", (3, 2))
    image.putpixel((2, 0), (1, 2, 3))
    array = Frame.of(image).array()
    assert array.shape == (2, 3, 3)
    assert array[0, 2].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
