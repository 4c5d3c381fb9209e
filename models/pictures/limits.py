"""How many pixels a picture may have: our own number, asked before any pixel is made room for.

Pillow has a number too, `Image.MAX_IMAGE_PIXELS`, which is not for us to change: it is every other user's in
the process. Opened by their own classes, Pillow 13.0 still asks it for WebP, TIFF and GIF, and refuses at
twice that number whatever ours is. What is here tells their sizes first, and leaves Pillow nothing to ask.
"""

from __future__ import annotations

import io
from struct import pack, unpack_from
from typing import Final

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from models.errors import TooLarge

_RIFF_HEADER: Final = 16
_GIF_HEADER: Final = 13
_EXTENSION, _GRAPHIC_CONTROL, _IMAGE, _END = 0x21, 0xF9, 0x2C, 0x3B
_DISPOSAL: Final = 0b0001_1100


def within(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    """The size, if it is allowed."""
    width, height = size
    if width * height > max_pixels:
        raise TooLarge(f"{width} x {height} pixels, more than the limit of {max_pixels:,}")
    return size


def webp_within(data: bytes, max_pixels: int) -> io.BytesIO:
    """A file to open a WebP from. It gives out its first bytes alone, too few to hold the size.

    The class reads the size from its first read, and asks Pillow's number about it only if it is there.
    """
    if (size := _webp_size(data)) is not None:
        within(size, max_pixels)
    return _InTwoReads(data)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """The canvas's size as the header tells it; None for a header that no decoder takes."""
    if len(data) < 30:
        return None
    match data[12:16]:
        case b"VP8 ":
            width, height = unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _three_bytes(data, 24) + 1, _three_bytes(data, 27) + 1
    return None


def _three_bytes(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


class _InTwoReads(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        whole = size is None or size < 0
        return super().read(size if self.tell() or whole else min(size or 0, _RIFF_HEADER))


def gif_within(data: bytes, max_pixels: int) -> io.BytesIO:
    """A file to open a GIF's first picture from, with what Pillow would ask its number about set aside.

    That is the room for what is put in a picture's place after it was shown, and a picture that is larger
    than its screen, which Pillow widens. So the one is not asked for, and the other is wide enough.
    """
    width, height = unpack_from("<HH", data, 6)
    within((width, height), max_pixels)
    file = io.BytesIO(data)
    at = _GIF_HEADER + _colours(data[10])
    while at < len(data) and data[at] not in (_IMAGE, _END):
        if data[at] != _EXTENSION:
            at += 1  # Pillow, too, passes over what it does not know
            continue
        if data[at + 1] == _GRAPHIC_CONTROL:
            file.seek(at + 3)
            file.write(bytes([data[at + 3] & ~_DISPOSAL]))
        at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    if data[at : at + 1] == bytes([_IMAGE]):
        left, top, columns, rows = unpack_from("<HHHH", data, at + 1)
        screen = within((max(width, left + columns), max(height, top + rows)), max_pixels)
        file.seek(6)
        file.write(pack("<HH", *(min(side, 0xFFFF) for side in screen)))
    file.seek(0)
    return file


def _colours(flags: int) -> int:
    """Bytes of the colour table that the flags tell of."""
    return 3 * 2 ** ((flags & 0b111) + 1) if flags & 0x80 else 0


def give_room(image: TiffImageFile, max_pixels: int) -> None:
    """Make room for a TIFF's pixels, for which Pillow would ask its number first."""
    new = Image.core.new  # type: ignore[attr-defined]  # as `TiffImageFile.load_prepare` itself would
    image.im = new(image.mode, within(image._tile_size, max_pixels))
