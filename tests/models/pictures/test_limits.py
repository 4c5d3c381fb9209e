"""A picture's size is held against our limit alone, before there is room for a pixel of it."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image
from pillow_heif import from_pillow

from models.errors import TooLarge
from models.pictures.picture import open_picture
from tests.models.pictures.mutations import drawing

SIZE = (160, 120)
PIXELS = 160 * 120


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "HEIF":
        from_pillow(drawing(*SIZE)).save(file)
    else:
        (image or drawing(*SIZE)).save(file, kind, **options)
    return file.getvalue()


def clear() -> Image.Image:
    image = drawing(*SIZE).convert("RGBA")
    image.putalpha(100)
    return image


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def animated(kind: str, **options: Any) -> bytes:
    return saved(kind, save_all=True, append_images=[drawing(*SIZE).rotate(9)], **options)


def wider_than_its_screen() -> bytes:
    data = saved("GIF")
    return data[:6] + struct.pack("<HH", 1, 1) + data[10:]


FILES = {
    **{kind: saved(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF")},
    "clear WEBP": saved("WEBP", clear()),
    "lossless WEBP": saved("WEBP", lossless=True),
    "animated WEBP": animated("WEBP"),
    "packed TIFF": saved("TIFF", compression="tiff_lzw"),
    "turned TIFF": saved("TIFF", compression="tiff_lzw", exif=turned()),
    "clear TIFF": saved("TIFF", clear()),
    **{f"GIF disposed of by {way}": animated("GIF", disposal=way, transparency=0) for way in range(4)},
    "GIF wider than its screen": wider_than_its_screen(),
}


@pytest.mark.parametrize("name", FILES)
def test_our_own_limit_is_the_only_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_ever = open_picture(FILES[name])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    picture = open_picture(FILES[name], max_pixels=PIXELS)
    assert picture.upright().tobytes() == as_ever.upright().tobytes()
    with pytest.raises(TooLarge, match=r"more than the limit of 19,199$"):
        open_picture(FILES[name], max_pixels=PIXELS - 1)


def huge(kind: str) -> bytes:
    """The small file, changed to announce 16,000 x 16,000 pixels."""
    data = bytearray(FILES[kind])
    match kind:
        case "GIF":
            struct.pack_into("<HH", data, 6, 16_000, 16_000)
        case "WEBP":
            struct.pack_into("<HH", data, 26, 16_000, 16_000)
        case "lossless WEBP":
            (bits,) = struct.unpack_from("<I", data, 21)
            struct.pack_into("<I", data, 21, bits & 0xF0000000 | 15_999 << 14 | 15_999)
        case "clear WEBP":
            data[24:30] = (15_999).to_bytes(3, "little") * 2
    return bytes(data)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "lossless WEBP", "clear WEBP"])
def test_a_size_beyond_the_limit_is_refused_from_the_header(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    for plugin in ("PIL.WebPImagePlugin.WebPImageFile._open", "PIL.GifImagePlugin.GifImageFile._open"):
        monkeypatch.setattr(plugin, opened.append)
    with pytest.raises(TooLarge, match=r"^16000 x 16000 pixels, more than the limit of 1,000,000$"):
        open_picture(huge(kind), max_pixels=10**6)
    assert opened == []
