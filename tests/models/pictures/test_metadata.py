from __future__ import annotations

import struct
from datetime import datetime

import pytest
from PIL.PngImagePlugin import PngInfo

from models.pictures.capture import read_capture
from models.pictures.exif import Metadata
from models.pictures.metadata import metadata_of
from models.pictures.picture import open_picture
from tests.models.pictures.mutations import drawing, encoded, exif_of
from tests.models.pictures.packets import iptc_of, xmp_of

DAY = datetime(2024, 6, 1, 12)  # noqa: DTZ001
EXIF = exif_of([], [(0x9003, 2, 20, b"2024:06:01 12:00:00\0")])
RECORDS = iptc_of({55: "20240601", 60: "120000"})
RESOURCES = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(RECORDS)) + RECORDS
PACKET = xmp_of('exif:DateTimeOriginal="2024-06-01T12:00:00"')


def profile(name: str, block: bytes) -> tuple[str, str]:
    """A block as ImageMagick keeps it."""
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"Raw profile type {name}", f"\n{name.lower()}\n{len(block):8}\n{lines}\n"


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("exif", EXIF),
        ("APP1", EXIF),
        ("xmp", PACKET),
        ("APP1", b"http://ns.adobe.com/xap/1.0/\0" + PACKET),
        ("iptc", RECORDS),
        ("iptc", RESOURCES),
        ("8bim", RESOURCES),
    ],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_a_png_keeps_what_its_original_said(name: str, block: bytes, compressed: bool) -> None:
    info = PngInfo()
    keyword, text = profile(name, block)
    info.add_text(keyword, text, zip=compressed)

    found = read_capture(open_picture(encoded(drawing(), "PNG", pnginfo=info)).metadata)

    assert found.times[0].moment.at == DAY


def test_a_png_of_both_is_asked_for_both() -> None:
    info = PngInfo()
    info.add_text(*profile("exif", EXIF))
    own = exif_of([(0x0132, 2, 20, b"2025:01:01 00:00:00\0")])

    found = read_capture(open_picture(encoded(drawing(), "PNG", pnginfo=info, exif=own)).metadata)

    assert found.times[0].moment.at == DAY


@pytest.mark.parametrize("text", ["", "\nexif\n 4\nzz", "\nexif\n 4\n", "4d4d", "x" * 10_000_000])
def test_a_broken_profile_is_none(text: str) -> None:
    assert metadata_of({"Raw profile type exif": text}) == Metadata()
