"""Of a camera raw the largest picture in it is the photo, upright, with its time and place."""

from __future__ import annotations

import io
import struct
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from PIL import Image

from models.errors import TooLarge, UnsupportedFormat
from models.pictures.capture import Source, read_capture
from models.pictures.demand import Header, read_header
from models.pictures.exif import Metadata, read_exif
from models.pictures.picture import open_picture
from models.pictures.places import Place
from models.pictures.raw import preview_of
from models.pictures.sniff import Format
from models.pictures.tiff import Tiff
from models.pictures.tiff_tags import directories
from tests.models.pictures.boxes import box
from tests.models.pictures.mutations import exif_of, samples, with_exif
from tests.models.pictures.raws import (
    POINTERS,
    Below,
    Blob,
    adobe,
    canon_2,
    canon_3,
    fujifilm,
    jpeg,
    lossless,
    nikon,
    olympus,
    panasonic,
    pointed,
    sensor,
    sigma,
    sony,
    thumbnail,
    tiff_file,
)

SMALL, MIDDLE, LARGE = jpeg(160, 120), jpeg(480, 320), jpeg(600, 400)
SAID = (
    datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(hours=2))),
    Source.ORIGINAL,
    (48 + 8 / 60, 11 + 34 / 60),
)
GOLD = Blob(bytes((200, 100, 50)) * (60 * 40))
LANDSCAPE, PORTRAIT = (600, 400), (400, 600)
OWN_EXIF = exif_of(
    [(0x0112, 3, 1, 6)],
    [(0x9003, 2, 20, b"2024:06:01 12:00:00\0"), (0x9011, 2, 7, b"+02:00\0")],
    [
        (1, 2, 2, b"N\0"),
        (2, 5, 3, b"".join(n.to_bytes(4, "little") + b"\1\0\0\0" for n in (48, 8, 0))),
        (3, 2, 2, b"E\0"),
        (4, 5, 3, b"".join(n.to_bytes(4, "little") + b"\1\0\0\0" for n in (11, 34, 0))),
    ],
)

FILES: dict[str, tuple[bytes, tuple[int, int]]] = {
    "NEF": (nikon(LARGE), LANDSCAPE),
    "NEF of a camera held upright": (nikon(LARGE, orientation=8), PORTRAIT),
    "DNG": (adobe((SMALL, 160, 120), (MIDDLE, 480, 320), (LARGE, 600, 400)), LANDSCAPE),
    "DNG whose largest comes first": (adobe((LARGE, 600, 400), (SMALL, 160, 120), orientation=6), PORTRAIT),
    "CR2": (canon_2(LARGE, SMALL), PORTRAIT),
    "ARW": (sony(MIDDLE, LARGE), PORTRAIT),
    "RW2": (panasonic(LARGE), PORTRAIT),
    "ORF": (olympus(LARGE), PORTRAIT),
    "ORF of OM System": (olympus(LARGE, name=b"OM SYSTEM\0\0\0II\4\0", word=0x5352), PORTRAIT),
    "RAF": (fujifilm(with_exif(LARGE, OWN_EXIF)), PORTRAIT),
    "X3F": (sigma(SMALL, with_exif(LARGE, OWN_EXIF), MIDDLE), PORTRAIT),
    "CR3": (canon_3(MIDDLE, LARGE, SMALL), PORTRAIT),
    "CR3 of a preview alone": (canon_3(LARGE, None, SMALL), PORTRAIT),
    "BigTIFF": (
        tiff_file({**sensor(6000, 4000), **pointed(LARGE), 0x0106: (3, 32803)}, word=43),
        LANDSCAPE,
    ),
}


def said(metadata: Metadata) -> tuple[datetime, Source, Place | None]:
    capture = read_capture(metadata)
    return capture.times[0].moment.at, capture.times[0].source, capture.place


def red_corner(image: Image.Image) -> str:
    """In which corner the red of the drawing lies."""
    corners = {
        "upper left": (5, 5),
        "upper right": (image.width - 6, 5),
        "lower left": (5, image.height - 6),
        "lower right": (image.width - 6, image.height - 6),
    }

    def is_red(place: tuple[int, int]) -> bool:
        red, green, blue = image.getpixel(place)  # type: ignore[misc]
        return red > 200 and green < 60 and blue < 60

    [corner] = [name for name, place in corners.items() if is_red(place)]
    return corner


@pytest.mark.parametrize("name", FILES)
def test_the_largest_picture_is_the_photo(name: str) -> None:
    data, size = FILES[name]
    picture = open_picture(data)
    assert (picture.format, (picture.width, picture.height)) == (Format.RAW, size)
    if name != "BigTIFF":  # which has none here
        assert said(picture.metadata) == SAID


@pytest.mark.parametrize("name", FILES)
def test_the_header_tells_the_size_of_the_picture(name: str) -> None:
    data, _ = FILES[name]
    assert read_header(io.BytesIO(data)) == Header(format=Format.RAW, width=600, height=400)


@pytest.mark.parametrize(
    ("data", "corner"),
    [
        (nikon(LARGE), "upper left"),
        (nikon(LARGE, orientation=3), "lower right"),
        (nikon(LARGE, orientation=6), "upper right"),
        (nikon(LARGE, orientation=8), "lower left"),
        (canon_3(MIDDLE, LARGE, SMALL), "upper right"),
        (fujifilm(with_exif(LARGE, OWN_EXIF)), "upper right"),
        (nikon(with_exif(LARGE, OWN_EXIF), orientation=8), "lower left"),
    ],
)
def test_the_picture_is_turned_as_the_file_says(data: bytes, corner: str) -> None:
    assert red_corner(open_picture(data).upright()) == corner
    assert red_corner(open_picture(data, short_side=50).upright(long_side=75)) == corner


def test_a_picture_that_the_camera_turned_is_not_turned_again() -> None:
    """Some put their preview into the file upright, and the sensor's readings as they were."""
    upright = open_picture(nikon(jpeg(400, 600), orientation=8))
    assert (upright.width, upright.height, red_corner(upright.upright())) == (400, 600, "upper left")
    vertical = open_picture(nikon(jpeg(400, 600), orientation=6, size=(4000, 6000)))
    assert (vertical.width, vertical.height) == (600, 400)


def test_an_orientation_of_the_callers_goes_first() -> None:
    assert red_corner(open_picture(nikon(LARGE, orientation=8), orientation=3).upright()) == "lower right"


def test_what_the_file_says_of_its_colours_is_kept() -> None:
    exif = open_picture(nikon(LARGE)).metadata.exif
    assert exif is not None
    assert directories(exif)[1][0xA001] == (0xFFFF,)
    assert len(exif) < 2000


def test_the_xmp_of_the_file_is_kept() -> None:
    xmp = b"<x:xmpmeta/>" + b" " * 10_000
    data = tiff_file({**sensor(6000, 4000), 0x02BC: (1, xmp), 0x014A: (4, [0])}, pointed(LARGE))
    assert read_exif(open_picture(data).metadata.exif).xmp == xmp
    assert open_picture(canon_3(LARGE, None, SMALL, xmp=xmp)).metadata.xmp == xmp


@pytest.mark.parametrize(
    "data",
    [
        nikon(SMALL),
        nikon(jpeg(320, 240)),
        nikon(b"no picture"),
        nikon(lossless(600, 400)),
        adobe(),
        canon_3(SMALL, lossless(600, 400), SMALL),
        fujifilm(b"no picture"),
        sigma(SMALL),
        tiff_file(sensor(600, 400)),
        tiff_file(thumbnail(), head=b"IIIICwaR"),
        panasonic(b"no picture"),
        olympus(LARGE, name=b"OLYMP\0\1\0\0\0\0\0\0\0"),
    ],
)
def test_a_thumbnail_is_no_photo(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="without a preview"):
        open_picture(data)
    assert read_header(io.BytesIO(data)) is None


def test_pixels_are_limited_as_in_any_picture() -> None:
    with pytest.raises(TooLarge, match="600 x 400 pixels, more than the limit of 239,999"):
        open_picture(nikon(LARGE), max_pixels=600 * 400 - 1)
    assert open_picture(nikon(LARGE), max_pixels=600 * 400).width == 600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"II*\0",
        samples()["tiff"],
        samples()["jpeg"],
        samples()["heif"],
        box(b"ftyp", b""),
    ],
)
def test_what_is_no_raw_file_has_no_preview(data: bytes) -> None:
    assert preview_of(io.BytesIO(data)) is None


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("where", ["behind", "below"])
def test_a_tiff_with_a_preview_in_front_is_its_full_picture(where: str, large: bool) -> None:
    """That is no raw: nothing in it is a sensor's."""
    full = {**thumbnail(60, 40), 0x00FE: (4, 0), 0x0111: (4, GOLD)}
    word = 43 if large else 42
    first: dict[int, Any] = {**thumbnail(), 0x0112: (3, 6), **POINTERS}
    if where == "below":
        data = tiff_file({**first, 0x014A: (4, Below([thumbnail(30, 20), full]))}, word=word)
    else:
        data = tiff_file(first, full, word=word)
    picture = open_picture(data)
    assert (picture.format, picture.width, picture.height) == (Format.TIFF, 40, 60)
    assert picture.pixels.getpixel((20, 20)) == (200, 100, 50)
    assert read_header(io.BytesIO(data)) == Header(format=Format.TIFF, width=60, height=40)
    assert said(picture.metadata) == SAID


def test_a_tiff_that_is_nothing_but_a_preview_is_shown() -> None:
    picture = open_picture(tiff_file({**thumbnail(60, 40), 0x0111: (4, GOLD)}))
    assert (picture.format, picture.width, picture.height) == (Format.TIFF, 60, 40)


def test_further_pages_of_a_tiff_do_not_take_the_place_of_the_first() -> None:
    data = tiff_file({**thumbnail(60, 40), 0x00FE: (4, 2)}, {**thumbnail(90, 80), 0x00FE: (4, 2)})
    assert open_picture(data).width == 60


def test_the_mask_of_a_picture_is_not_the_picture() -> None:
    mask = {**thumbnail(90, 80), 0x00FE: (4, 4)}
    data = tiff_file(thumbnail(), mask, {**thumbnail(60, 40), 0x00FE: (4, 0)})
    assert open_picture(data).width == 60


@pytest.mark.parametrize("pixels", [b"IIII", b"CR\2\0", b"MMMM"])
def test_pixels_that_look_like_the_name_of_a_camera_are_pixels(pixels: bytes) -> None:
    data = tiff_file({**thumbnail(), 0x00FE: (4, 0), 0x0111: (4, 8)}, head=pixels * 144)
    assert open_picture(data).pixels.tobytes() == pixels * 144


def test_directories_in_a_circle_end() -> None:
    data = bytearray(tiff_file({**thumbnail(), 0x014A: (4, [8, 8, 8])}))
    assert open_picture(bytes(data)).width == 16


def test_directories_that_overlap_take_no_more_than_a_file_of_pictures() -> None:
    """Each begins in the last bytes of the entry before the last one's first: small files have thousands."""
    most, count = 4096, 200
    entries = b"".join(struct.pack("<HHII", tag, 4, 2, most << 16) for tag in range(1, most + count + 2))
    data = bytearray(b"II*\0" + struct.pack("<I", 22) + bytes(4) + entries)
    for number in range(1, count):
        struct.pack_into("<I", data, 12 * (number + most + 1), 22 + 12 * number)

    every = list(Tiff(io.BytesIO(bytes(data))).every_directory())

    assert 1 < sum(len(directory.values) for directory in every) < 6 * most


def test_each_of_many_pictures_is_looked_at_once_and_not_all_are() -> None:
    """A JPEG that never comes to its frame would be read thousands of times."""
    reads: list[int] = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(self.tell())
            return super().read(size)

    endless = b"\xff\xd8\xff\xee\0\2" * 20_000
    holders = [{0x0201: (4, 24 + 6 * n), 0x0202: (4, len(endless))} for n in range(250)]
    data = tiff_file(
        {**thumbnail(), 0xC612: (1, b"\1\4\0\0"), 0x014A: (4, Below(holders))}, head=bytes(16) + endless
    )

    with pytest.raises(UnsupportedFormat):
        preview_of(Counted(data))

    assert len(reads) < 200_000


def test_tracks_of_a_canon_that_claim_each_others_boxes_end_soon() -> None:
    reads = 0

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            return super().read(size)

    count = 2000
    tracks = b"".join(
        struct.pack(">I4sI4s", 16, b"trak", 16 * (count - number) - 8, b"mdia") for number in range(count)
    )
    with pytest.raises(UnsupportedFormat):
        preview_of(Counted(box(b"ftyp", b"crx isom") + box(b"moov", tracks)))

    assert reads < 50_000
