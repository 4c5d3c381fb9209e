"""Which kind of image bytes are, told from the bytes alone; names and content types lie."""

import re
from enum import StrEnum
from typing import Final

from models.errors import NotAnImage, Unreadable, UnsupportedFormat

HEAD: Final = 256
"""How many bytes of a file are looked at."""


class Format(StrEnum):
    """The kinds of image that are decoded here."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    HEIF = "heif"
    TIFF = "tiff"
    GIF = "gif"
    BMP = "bmp"
    JPEG2000 = "jp2"
    JPEG_XL = "jxl"
    PHOTOSHOP = "psd"
    RAW = "raw"
    """Of a camera; the picture that it holds is decoded. In a TIFF, the first bytes do not tell."""


def sniff(data: bytes) -> Format:
    """The kind of image `data` claims to be; its first `HEAD` bytes are enough to tell."""
    if not data:
        raise NotAnImage("the file is empty")
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    if data[:4] == b"RIFF":
        return _riff(data)
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    for magic, name in _FOREIGN_IMAGES:
        if data.startswith(magic):
            raise UnsupportedFormat(f"{name} is not supported")
    if _is_bitmap(data):
        return Format.BMP
    raise NotAnImage(f"expected an image, found {_guess(data)}")


_MAGIC = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0", Format.TIFF),
    (b"MM\0+", Format.TIFF),
    (b"FUJIFILMCCD-RAW", Format.RAW),
    (b"IIRO", Format.RAW),  # Olympus
    (b"IIRS", Format.RAW),
    (b"MMOR", Format.RAW),
    (b"IIU\0", Format.RAW),  # Panasonic, Leica
    (b"FOVb", Format.RAW),  # Sigma
    (b"\xff\x0a", Format.JPEG_XL),
    (b"\0\0\0\x0cJXL ", Format.JPEG_XL),
    (b"\0\0\0\x0cjP  ", Format.JPEG2000),
    (b"\xff\x4f\xff\x51", Format.JPEG2000),
    (b"8BPS", Format.PHOTOSHOP),
)

# Real images, so that "not an image" would be the wrong thing to say about them.
_FOREIGN_IMAGES = (
    (b"II\x1a\0\0\0HEAPCCDR", "camera raw (Canon's of before 2004)"),
    (b"\0MRM", "camera raw (Minolta)"),
    (b"\0\0\x01\0", "an icon"),
    (b"\0\0\x02\0", "a cursor"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"gimp xcf", "a GIMP document"),
    (b"qoif", "QOI"),
    (b"DDS ", "a DirectDraw surface"),
    (b"icns", "an icon"),
)

# ISO/IEC 23008-12 annex B and the AVIF specification, section 8: brands of still images and image sequences.
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_NEUTRAL_BRANDS = frozenset((b"mif1", b"mif2", b"msf1", b"miaf"))


def _iso_media(data: bytes) -> Format:
    """The kind of an ISO media file: HEIF, AVIF and MP4 are one container, and its brands tell them apart."""
    length = min(int.from_bytes(data[:4], "big"), len(data), HEAD)
    major = data[8:12]
    brands = {data[at : at + 4] for at in range(16, length, 4)} | {major}
    if major in _HEIF_BRANDS | _AVIF_BRANDS | _NEUTRAL_BRANDS:
        if major in _AVIF_BRANDS or (major not in _HEIF_BRANDS and brands & _AVIF_BRANDS):
            return Format.AVIF
        return Format.HEIF
    if major == b"crx ":
        return Format.RAW
    if len(major) < 4:
        raise NotAnImage("expected an image, found the first bytes of a video or of a HEIC photo")
    raise NotAnImage("expected an image, found a video")


def _riff(data: bytes) -> Format:
    if data[8:12] == b"WEBP":
        return Format.WEBP
    raise NotAnImage("expected an image, found audio or video")


def _is_bitmap(data: bytes) -> bool:
    """Whether a bitmap begins: 'BM' alone also opens plain words, so the header must have a known length."""
    if not data.startswith(b"BM"):
        return False
    if len(data) < 18:
        raise Unreadable("the bitmap ends inside its header")
    return int.from_bytes(data[14:18], "little") in (12, 16, 40, 52, 56, 64, 108, 124)


# A drawing begins with its element, behind declarations and comments; a web page may have one in it.
_SVG: Final = re.compile(rb"(?:<\?.*?\?>|<!--.*?-->|<!doctype\s+svg[^>]*>|\s)*<svg[\s>]", re.DOTALL)


def _guess(data: bytes) -> str:
    head = data[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if _SVG.match(head):
        raise UnsupportedFormat("SVG is not supported")
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    if head.startswith(b"%pdf"):
        return "a PDF document"
    if head.startswith(b"pk\x03\x04"):
        return "an archive"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "a video"
    if not data[:HEAD].strip(b"\0"):
        return "nothing but zero bytes"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in data[:HEAD]):
        return "text"
    return "unknown data"
