"""What decoding asks, refuses and lets pass; test_picture has what comes out of it."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from models.errors import TooLarge, Unreadable
from models.pictures.decoding import Decoded, decode
from models.pictures.picture import open_picture
from models.pictures.sniff import Format
from tests.models.pictures.mutations import drawing, encoded, exif_of

FORMATS = {
    "JPEG": Format.JPEG,
    "PNG": Format.PNG,
    "WEBP": Format.WEBP,
    "TIFF": Format.TIFF,
    "GIF": Format.GIF,
    "BMP": Format.BMP,
}


def decoded(data: bytes, kind: Format, *, orientation: int | None = None, factor: int = 1) -> Decoded:
    return decode(data, kind, max_pixels=10**6, orientation=orientation, scale=lambda width, height: factor)


@pytest.mark.parametrize("kind", FORMATS)
def test_only_jpegs_are_decoded_smaller(kind: str) -> None:
    asked: list[tuple[int, int]] = []

    def scale(width: int, height: int) -> int:
        asked.append((width, height))
        return 4

    found = decode(
        encoded(drawing(160, 120), kind), FORMATS[kind], max_pixels=10**6, orientation=None, scale=scale
    )
    assert found.size == (160, 120)
    if kind == "JPEG":
        assert asked == [(160, 120)]
        assert (found.pixels.size, found.extent) == ((40, 30), (40, 30))
    else:
        assert asked == []
        assert (found.pixels.size, found.extent) == ((160, 120), (160, 120))


def test_the_extent_of_what_was_decoded_smaller_may_end_within_a_pixel() -> None:
    found = decoded(encoded(drawing(161, 121), "JPEG"), Format.JPEG, factor=8)
    assert (found.size, found.pixels.size, found.extent) == ((161, 121), (21, 16), (20.125, 15.125))


@pytest.mark.parametrize(
    ("raised", "error", "says"),
    [
        (MemoryError("no room"), MemoryError, "no room"),  # elsewhere there may be more
        (TooLarge("as it says"), TooLarge, "^as it says$"),
        (Image.DecompressionBombError("far too many"), TooLarge, "^far too many$"),
        (UnidentifiedImageError("no idea"), Unreadable, "^damaged JPEG: no idea$"),
        (ZeroDivisionError(), Unreadable, "^damaged JPEG: ZeroDivisionError$"),
        (ValueError("9" * 5000), Unreadable, "^damaged JPEG: 9{200}$"),
    ],
)
def test_whatever_a_decoder_raises_is_one_of_few_errors(
    raised: Exception, error: type[Exception], says: str
) -> None:
    def scale(width: int, height: int) -> int:
        raise raised

    with pytest.raises(error, match=says):
        decode(encoded(drawing(), "JPEG"), Format.JPEG, max_pixels=10**6, orientation=None, scale=scale)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    def scale(width: int, height: int) -> int:
        pytest.fail("it was about to be decoded")

    with pytest.raises(TooLarge, match="160 x 120 pixels, more than the limit of 1,000"):
        decode(encoded(drawing(), "JPEG"), Format.JPEG, max_pixels=1000, orientation=None, scale=scale)


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_of_another_kind_are_damaged_ones(kind: str) -> None:
    other = Format.PNG if kind != "PNG" else Format.GIF
    with pytest.raises(Unreadable, match=f"^damaged {other.upper()}: "):
        decoded(encoded(drawing(), kind), other)


EXIF = exif_of([(0x0112, 3, 1, 6)])


def as_hex(text: str) -> bytes:
    info = PngInfo()
    info.add_text("Raw profile type exif", text)
    return encoded(drawing(), "PNG", pnginfo=info)


def test_exif_in_the_hexadecimal_of_imagemagick_is_read() -> None:
    digits = EXIF.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    found = decoded(as_hex(f"\nexif\n{len(EXIF):8}\n{lines}\n"), Format.PNG)
    assert found.metadata.exif == EXIF
    assert found.orientation == 6


@pytest.mark.parametrize("text", ["", "\nexif\n 4\nzz", "\nexif\n 0\n", EXIF.hex()])
def test_what_is_no_hexadecimal_is_no_exif(text: str) -> None:
    found = decoded(as_hex(text), Format.PNG)
    assert (found.metadata.exif, found.orientation) == (None, 1)


def test_a_jpeg_of_a_hundred_scans_is_as_many_as_are_read() -> None:
    jpeg = encoded(drawing(), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    scans = jpeg.count(b"\xff\xda")
    assert decoded(jpeg[:-2] + jpeg[last:-2] * (100 - scans) + b"\xff\xd9", Format.JPEG).size == (160, 120)
    with pytest.raises(Unreadable, match="more than 100 scans"):
        decoded(jpeg[:-2] + jpeg[last:-2] * (101 - scans) + b"\xff\xd9", Format.JPEG)


def test_scans_are_those_of_the_picture() -> None:
    """Not what looks like one in the film behind a motion photo, nor in a comment."""
    jpeg = encoded(drawing(), "JPEG")
    behind = random.Random(4).randbytes(100_000) + b"\xff\xda\0\x0c\x03" * 1000
    comment = b"\xff\xfe\x20\x02" + b"\xff\xda" * 0x1000
    assert decoded(jpeg + behind, Format.JPEG).size == (160, 120)
    assert decoded(jpeg[:2] + comment + jpeg[2:], Format.JPEG).size == (160, 120)


@pytest.mark.parametrize(
    ("size", "long_side"),
    [((2000, 3), 64), ((3, 2000), 64), ((9000, 1), 1280), ((2000, 8), 64), ((2000, 17), 64)],
)
def test_slim_jpeg_is_seen_to_its_end(size: tuple[int, int], long_side: int) -> None:
    """Its short side does not take the factor of its long one."""
    picture = Image.new("RGB", size, "red")
    width, height = size
    lower_right = (width // 2, 0) if width > height else (0, height // 2)
    picture.paste("blue", (*lower_right, width, height))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=95, subsampling=0)

    seen = open_picture(data.getvalue(), long_side=long_side).upright(long_side=long_side)

    red, _, blue = seen.getpixel((seen.width - 1, seen.height - 1))
    assert (red < 60, blue > 190) == (True, True)
    red, _, blue = seen.getpixel((0, 0))
    assert (red > 190, blue < 60) == (True, True)
