"""The picture of a Photoshop document is its photo."""

from __future__ import annotations

import io
import struct
import tracemalloc
from datetime import datetime
from typing import Any

import pytest
from PIL import Image, ImageChops

from models.errors import TooLarge, Unreadable, UnsupportedFormat
from models.pictures.capture import read_capture
from models.pictures.demand import Header, read_header
from models.pictures.photoshop import read_document
from models.pictures.picture import open_picture
from models.pictures.sniff import Format
from tests.models.pictures.documents import document
from tests.models.pictures.mutations import drawing, exif_of, profile_of

PHOTO = drawing(161, 121)
DATED = exif_of([(0x0112, 3, 1, 6)], [(0x9003, 2, 20, b"2024:06:01 12:00:00\0")])[6:]


def shown(data: bytes) -> Image.Image:
    return open_picture(data).upright()


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_pixel_is_that_of_the_document(mode: str, depth: int, is_packed: bool) -> None:
    image = PHOTO.convert(mode)
    stored = ImageChops.invert(image) if mode == "CMYK" else image
    data = document(stored.split(), mode, depth=depth, is_packed=is_packed)
    picture = open_picture(data)
    assert (picture.format, picture.width, picture.height) == (Format.PHOTOSHOP, 161, 121)
    assert picture.pixels.mode == mode
    assert picture.pixels.tobytes() == image.tobytes()


def test_an_indexed_document_has_the_colours_of_its_palette() -> None:
    image = PHOTO.quantize(200)
    colours = bytes(image.getpalette() or []).ljust(768, b"\0")
    planar = colours[0::3] + colours[1::3] + colours[2::3]
    stored = Image.frombytes("L", image.size, image.tobytes())
    data = document([stored], "P", palette=planar)
    assert shown(data).tobytes() == image.convert("RGB").tobytes()


def test_lab_is_read() -> None:
    planes = [Image.new("L", (8, 8), value) for value in (255, 128, 128)]
    red, green, blue = shown(document(planes, "LAB")).getpixel((4, 4))  # type: ignore[misc]
    assert min(red, green, blue) > 250


def test_transparency_is_what_the_document_says_is_transparency() -> None:
    """Else a fourth channel is a selection that somebody saved."""
    nothing = Image.new("L", PHOTO.size, 0)
    planes = [*PHOTO.split(), nothing]
    assert shown(document(planes)).tobytes() == PHOTO.tobytes()
    assert shown(document(planes, layers=3)).tobytes() == PHOTO.tobytes()
    assert shown(document(planes, layers=-1)).getextrema() == ((255, 255),) * 3


def test_the_document_tells_time_and_way_up_and_colours() -> None:
    resources = {1058: DATED, 1060: b"<x:xmpmeta/>", 1028: b"\x1c\2\0", 1039: profile_of("sRGB")}
    picture = open_picture(document(PHOTO.split(), resources=resources))
    assert (picture.width, picture.height) == (121, 161)
    assert read_capture(picture.metadata).times[0].moment.at == datetime(2024, 6, 1, 12)  # noqa: DTZ001
    assert (picture.metadata.xmp, picture.metadata.iptc) == (b"<x:xmpmeta/>", b"\x1c\2\0")
    assert picture.profile == profile_of("sRGB")


def test_header_is_read_and_limited_before_pixels() -> None:
    data = document(PHOTO.split())
    assert read_header(io.BytesIO(data)) == Header(format=Format.PHOTOSHOP, width=161, height=121)
    with pytest.raises(TooLarge):
        open_picture(data, max_pixels=161 * 121 - 1)
    huge = data[:14] + (30_000).to_bytes(4, "big") * 2 + data[22:]
    with pytest.raises(TooLarge):
        open_picture(huge)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"version": 2}, "PSB"),
        ({"mode": "?"}, "of 8 bits in mode 0"),
        ({"depth": 32}, "of 32 bits"),
        ({"resources": {1057: bytes(5)}}, "without a picture of its layers"),
        ({"compression": 3}, "of compression 3"),
    ],
)
def test_what_is_not_read_says_so(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedFormat, match=says):
        open_picture(document(PHOTO.split(), **options))


def test_a_damaged_document_is_unreadable() -> None:
    data = document(PHOTO.split(), is_packed=True, resources={1058: DATED})
    for cut in (4, 20, 28, 40, 100, len(data) // 2, len(data) - 2000):
        with pytest.raises(Unreadable):
            open_picture(data[:cut])
    with pytest.raises(Unreadable):
        open_picture(document(PHOTO.split()[:2]))


def test_lengths_of_rows_take_no_room_of_their_own() -> None:
    """A packed document tells two bytes of each row, which were fifty as numbers."""
    height = 1 << 20
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, height, 1, 8, 1)
    lengths = b"".join(struct.pack(">H", 1000 + number % 50_000) for number in range(height))
    file = io.BytesIO(header + bytes(12) + b"\0\1" + lengths)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not enough image data"):
            read_document(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * height
