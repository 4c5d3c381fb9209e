"""What files say of those that belong to them, in files built here byte by byte."""

from __future__ import annotations

import io
import random
import struct
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from models.pictures.siblings import Film, Still, read_film, read_still
from models.pictures.sniff import Format
from tests.models.pictures.siblings import apple_exif, jpeg_with, mov

TAKEN = datetime.fromisoformat("2024-07-14T18:30:05")
WHOLE = Still(taken=TAKEN, content_id="3F2A-LIVE", burst_id="77-BURST")


def test_a_jpeg_of_an_iphone_says_when_and_with_what() -> None:
    data = jpeg_with(apple_exif("2024:07:14 18:30:05", content_id="3F2A-LIVE", burst_id="77-BURST"))
    assert read_still(io.BytesIO(data), Format.JPEG) == WHOLE


def test_a_heic_says_the_same() -> None:
    import pillow_heif

    exif = apple_exif("2024:07:14 18:30:05", content_id="3F2A-LIVE", burst_id="77-BURST")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "teal")).save(buffer, exif=b"Exif\0\0" + exif)
    assert read_still(buffer, Format.HEIF) == WHOLE


def test_a_raw_is_read_as_the_tiff_it_is() -> None:
    tiff = apple_exif("2024:07:14 18:30:05")
    assert read_still(io.BytesIO(tiff), None).taken == TAKEN
    assert read_still(io.BytesIO(b"IIRO" + bytes(100)), None) == Still()
    jpeg = jpeg_with(tiff)
    fuji = b"FUJIFILMCCD-RAW".ljust(84, b"\0") + (160).to_bytes(4, "big")
    assert read_still(io.BytesIO(fuji.ljust(160, b"\0") + jpeg), None).taken == TAKEN


@pytest.mark.parametrize(
    ("exif", "why"),
    [
        (b"", "no EXIF at all"),
        (b"MM\0*\0\0\0\x08\0\0", "an empty directory"),
        (apple_exif("0000:00:00 00:00:00"), "a clock that was never set"),
        (apple_exif("yesterday"), "no date"),
    ],
)
def test_what_says_nothing_says_nothing(exif: bytes, why: str) -> None:
    assert read_still(io.BytesIO(jpeg_with(exif)), Format.JPEG) == Still(), why


def test_an_identifier_counts_only_within_apples_own_note() -> None:
    """The same bytes behind the picture, or in another maker's note, are nobody's identifier."""
    note = apple_exif("2024:07:14 18:30:05", content_id="3F2A-LIVE")
    other = note.replace(b"Apple iOS\0\0\x01MM", b"Nikon   \0\0\x01MM")
    assert read_still(io.BytesIO(jpeg_with(other)), Format.JPEG) == Still(taken=TAKEN)
    assert read_still(io.BytesIO(jpeg_with(b"") + b"\xff\xe1" + note), Format.JPEG) == Still()


def test_a_film_says_when_how_long_and_with_what() -> None:
    film = Film(made=datetime.fromisoformat("2024-07-14T16:30:04"), seconds=2.5, content_id="3F2A-LIVE")
    data = mov(made=film.made, seconds=2.5, content_id="3F2A-LIVE")
    assert read_film(io.BytesIO(data)) == film
    assert read_film(io.BytesIO(mov(made=None, seconds=0))) == Film()


def test_a_film_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.mov"
    data = mov(made=None, seconds=3)
    at = data.index(b"mdat") - 4
    with path.open("wb") as file:
        file.write(data[:at] + b"\0\0\0\x01mdat" + (16 + (1 << 40)).to_bytes(8, "big"))
        file.seek((1 << 40) - 8 + at + 16 + 8)
        file.write(data[data.index(b"moov") - 4 :])
    with path.open("rb") as opened:
        assert read_film(opened).seconds == 3.0


def test_nothing_that_is_cut_or_bent_raises() -> None:
    rng = random.Random(12)
    whole = {
        Format.JPEG: jpeg_with(apple_exif("2024:07:14 18:30:05", content_id="A", burst_id="B")),
        None: apple_exif("2024:07:14 18:30:05", content_id="A", burst_id="B"),
        Format.HEIF: struct.pack(">I4s", 24, b"ftyp") + b"heic" + bytes(12) + mov(made=TAKEN, seconds=1),
    }
    for kind, data in whole.items():
        for _ in range(300):
            bent = bytearray(data[: rng.randrange(len(data))])
            for _ in range(min(4, len(bent))):
                bent[rng.randrange(len(bent))] = rng.randrange(256)
            read_still(io.BytesIO(bytes(bent)), kind)
            read_film(io.BytesIO(bytes(bent)))
