"""Which way up a photo is: the eight values of the EXIF tag Orientation (274)."""

from typing import Final

from PIL import Image

AS_STORED: Final = 1
_Transpose = Image.Transpose

# What turns stored pixels upright (CIPA DC-008, 4.6.4.A). Pillow's rotations are anticlockwise.
_TURNS: Final = {
    2: _Transpose.FLIP_LEFT_RIGHT,
    3: _Transpose.ROTATE_180,
    4: _Transpose.FLIP_TOP_BOTTOM,
    5: _Transpose.TRANSPOSE,
    6: _Transpose.ROTATE_270,
    7: _Transpose.TRANSVERSE,
    8: _Transpose.ROTATE_90,
}


def valid_orientation(value: object) -> int | None:
    """`value` when it is one of the integers 1..8, otherwise None: nonsense is ignored, not an error."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 8:
        return value
    return None


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places when the photo is turned upright."""
    return orientation >= 5


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image as it should be seen; the same object when it lies right already."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def undo_turn(image: Image.Image, orientation: int) -> Image.Image:
    """The opposite of `turn_upright`, for decoders that have turned the image unasked."""
    return turn_upright(image, {6: 8, 8: 6}.get(orientation, orientation))
