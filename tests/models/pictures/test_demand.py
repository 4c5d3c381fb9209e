"""What decoding will take is told from headers, and is not less than what it takes."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
import zlib
from typing import Any

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from models.pictures.demand import Demand, Header, read_header
from models.pictures.sniff import Format
from tests.models.pictures.raws import Blob, tiff_file

WIDTH, HEIGHT = 640, 401


def encoded(kind: str, mode: str = "RGB", **options: Any) -> io.BytesIO:
    register_heif_opener()
    out = io.BytesIO()
    Image.effect_noise((WIDTH, HEIGHT), 30).convert(mode).save(out, kind, **options)
    return out


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("AVIF", {}),
        ("HEIF", {}),
        ("TIFF", {}),
        ("GIF", {}),
        ("BMP", {}),
    ],
)
def test_header_tells_kind_and_size(kind: str, options: dict[str, Any]) -> None:
    header = read_header(encoded(kind, **options))
    assert header == Header(format=Format(kind.lower()), width=WIDTH, height=HEIGHT)


def test_header_tells_a_progressive_jpeg() -> None:
    header = read_header(encoded("JPEG", progressive=True))
    assert header == Header(format=Format.JPEG, width=WIDTH, height=HEIGHT, progressive=True)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8?", b"\x89PNG\r\n\x1a\n"]
)
def test_header_without_sense_is_left_to_the_decoder(data: bytes) -> None:
    assert read_header(io.BytesIO(data)) is None


def test_header_is_read_wherever_the_file_was() -> None:
    file = encoded("PNG")
    file.seek(100)
    assert read_header(file) is not None


@pytest.mark.parametrize(
    ("header", "short_side", "long_side", "demand"),
    [
        (
            Header(format=Format.HEIF, width=4000, height=3000),
            300,
            None,
            Demand(pixels=12_000_000, bytes=108_000_000),
        ),
        (
            Header(format=Format.WEBP, width=4000, height=3000),
            300,
            None,
            Demand(pixels=12_000_000, bytes=204_000_000),
        ),
        (
            Header(format=Format.JPEG, width=4000, height=3000),
            None,
            None,
            Demand(pixels=3_000_000, bytes=108_000_000),
        ),
        (
            Header(format=Format.JPEG, width=4000, height=3000),
            300,
            None,
            Demand(pixels=3_000_000, bytes=6_750_000),
        ),
        (
            Header(format=Format.JPEG, width=4000, height=3000),
            300,
            1280,
            Demand(pixels=3_000_000, bytes=27_000_000),
        ),
        (
            Header(format=Format.JPEG, width=4000, height=3000, progressive=True),
            300,
            None,
            Demand(pixels=3_000_000, bytes=78_750_000),
        ),
    ],
)
def test_demand_follows_from_the_header_and_what_is_wanted(
    header: Header, short_side: int | None, long_side: int | None, demand: Demand
) -> None:
    assert header.demand(short_side=short_side, long_side=long_side) == demand


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory there ever was")
@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "WEBP", "PNG"])
def test_decoding_takes_no_more_memory_than_was_said(kind: str) -> None:
    check_demand(plain(kind))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory there ever was")
def test_a_tiff_in_one_piece_takes_no_more_memory_than_was_said() -> None:
    """All its ink in 16 bits lies beside the picture's in 8."""
    width, height = 4000, 3000
    check_demand(
        tiff_file(
            {
                0x0100: (4, width),
                0x0101: (4, height),
                0x0102: (3, (16,) * 4),
                0x0103: (3, 8),
                0x0106: (3, 5),
                0x0111: (4, Blob(packed := zlib.compress(bytes(8 * width * height), 1))),
                0x0115: (3, 4),
                0x0116: (4, height),
                0x0117: (4, len(packed)),
            }
        )
    )


def plain(kind: str) -> bytes:
    encode = f"""
        import sys
        from PIL import Image
        from pillow_heif import register_heif_opener

        register_heif_opener()
        Image.new("RGB", (5000, 4000), (90, 60, 30)).save(sys.stdout.buffer, {kind!r})
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(encode)], check=True, capture_output=True
    ).stdout


def check_demand(data: bytes) -> None:
    decode = """
        import io, re, sys
        from pathlib import Path
        from models.pictures.demand import read_header
        from models.pictures.picture import open_picture

        def most():
            status = Path("/proc/self/status").read_text()
            return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

        data = sys.stdin.buffer.read()
        header = read_header(io.BytesIO(data))
        before = most()
        open_picture(data)
        print(most() - before, header.demand(short_side=None, long_side=None).bytes)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(decode)], input=data, check=True, capture_output=True
    ).stdout
    took, demand = map(int, said.split())
    assert took <= demand + 20_000_000
    assert took >= demand // 10
