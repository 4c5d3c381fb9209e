"""A Photoshop document: the picture that it keeps of all its layers, and what it says of that picture.

By hand, because Pillow (13.0) reads no document of 16 bits, which is how photos are edited, and takes a saved
selection for transparency.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import IO, Final

from PIL import Image, ImageChops

from models.errors import Unreadable, UnsupportedFormat
from models.pictures.exif import Metadata
from models.pictures.reading import piece

_HEADER: Final = 26
_DOCUMENT, _LARGE_DOCUMENT = 1, 2
# By number: greys, indexed, RGB, CMYK, duotone (whose inks are not told), Lab.
_MODES: Final = {1: "L", 2: "P", 3: "RGB", 4: "CMYK", 8: "L", 9: "LAB"}
_INDEXED: Final = 2
_DEPTHS: Final = (8, 16)
_PALETTE_BYTES: Final = 768
_IPTC, _PROFILE, _VERSION_INFO, _EXIF, _XMP = 1028, 1039, 1057, 1058, 1060
_LONGEST_RESOURCE: Final = 1 << 22
_MOST_RESOURCES: Final = 1000
_PLAIN, _PACKED = 0, 1
_NUMBERS_AT_ONCE: Final = 1 << 16  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first bytes of a document say; a file of it is read no further for that."""

    width: int
    height: int
    channels: int
    depth: int
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The picture of a document, 8 bits per channel, and what stands beside it."""

    image: Image.Image
    metadata: Metadata
    profile: bytes | None


def read_header(file: IO[bytes]) -> Header:
    """Size and kind of a document.

    Raises Unreadable, or UnsupportedFormat for large documents (PSB) and for colours that no photo has.
    """
    header = piece(file, 0, _HEADER)
    if len(header) < _HEADER:
        raise Unreadable("damaged PSD: it ends in its header")
    version, channels, height, width, depth, number = struct.unpack_from(">H6xHIIHH", header, 4)
    mode = _MODES.get(number)
    if version == _LARGE_DOCUMENT:
        raise UnsupportedFormat("a large Photoshop document (PSB) is not supported")
    if version != _DOCUMENT or not (width and height):
        raise Unreadable("damaged PSD: its header makes no sense")
    if mode is None or depth not in _DEPTHS or (mode == "P" and depth != 8):
        raise UnsupportedFormat(f"a Photoshop document of {depth} bits in mode {number} is not supported")
    if channels < len(Image.new(mode, (1, 1)).getbands()):
        raise Unreadable("damaged PSD: it lacks channels")
    return Header(width=width, height=height, channels=channels, depth=depth, mode=mode)


def read_document(file: IO[bytes]) -> Document:
    """Decode the picture of a document, whose size is for the caller to judge first.

    Raises Unreadable, or UnsupportedFormat for a document that was saved without a picture of its layers.
    """
    header = read_header(file)
    palette_at, palette_bytes, at = _block(file, _HEADER)
    resources_at, resources_bytes, at = _block(file, at)
    resources = dict(_resources(file, resources_at, resources_at + resources_bytes))
    if resources.get(_VERSION_INFO, b"\0\0\0\0\1")[4:5] == b"\0":
        raise UnsupportedFormat("a Photoshop document without a picture of its layers is not supported")
    layers_at, layers_bytes, at = _block(file, at)
    bands = len(Image.new(header.mode, (1, 1)).getbands())
    # A negative count of layers says that the first channel beyond the colours is the picture's transparency;
    # else it is a selection that somebody saved.
    layers = int.from_bytes(piece(file, layers_at + 4, 2), "big", signed=True) if layers_bytes else 0
    is_see_through = layers < 0 and header.channels > bands and header.mode in ("L", "RGB")
    planes = _planes(file, header, at, bands + is_see_through)
    image = planes[0] if header.mode == "P" else Image.merge(header.mode, planes[:bands])
    if header.mode == "P":
        image.putpalette(piece(file, palette_at, min(palette_bytes, _PALETTE_BYTES)), "RGB;L")
    if header.mode == "CMYK":
        image = ImageChops.invert(image)
    if is_see_through:
        image.putalpha(planes[bands])
    return Document(
        image=image,
        metadata=Metadata(exif=resources.get(_EXIF), xmp=resources.get(_XMP), iptc=resources.get(_IPTC)),
        profile=resources.get(_PROFILE),
    )


def _block(file: IO[bytes], at: int) -> tuple[int, int, int]:
    """A section that begins with its length: where its content is, how long, and what follows."""
    size = piece(file, at, 4)
    if len(size) < 4:
        raise Unreadable("damaged PSD: it ends before its picture")
    length = int.from_bytes(size, "big")
    return at + 4, length, at + 4 + length


def _resources(file: IO[bytes], at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number and content of what the document says of itself; the last of a kind counts."""
    for _ in range(_MOST_RESOURCES):
        head = piece(file, at, 7)
        if at >= end or len(head) < 7 or head[:4] != b"8BIM":
            return
        content_at, length, _ = _block(file, at + 6 + (head[6] + 2) // 2 * 2)
        if length <= _LONGEST_RESOURCE:
            yield int.from_bytes(head[4:6], "big"), piece(file, content_at, length)
        at = content_at + (length + 1) // 2 * 2


def _sum(file: IO[bytes], at: int, count: int) -> int:
    """The sum of the numbers of two bytes in `count` bytes, as many as there are."""
    total = 0
    for start in range(at, at + count, _NUMBERS_AT_ONCE):
        numbers = piece(file, start, min(_NUMBERS_AT_ONCE, at + count - start))
        total += sum(struct.unpack(f">{len(numbers) // 2}H", numbers[: len(numbers) // 2 * 2]))
    return total


def _planes(file: IO[bytes], header: Header, at: int, count: int) -> list[Image.Image]:
    """The first channels of the picture, one after the other."""
    width = header.width * header.depth // 8
    compression = int.from_bytes(piece(file, at, 2), "big")
    at += 2
    if compression == _PLAIN:
        sizes = [width * header.height] * count
    elif compression == _PACKED:
        column = 2 * header.height
        sizes = [_sum(file, at + column * number, column) for number in range(count)]
        at += column * header.channels
    else:
        raise UnsupportedFormat(f"a Photoshop document of compression {compression} is not supported")
    decoder = "raw" if compression == _PLAIN else "packbits"
    planes = []
    for start, size in zip(accumulate(sizes, initial=at), sizes, strict=False):
        plane = Image.frombytes("L", (width, header.height), piece(file, start, size), decoder, "L")
        if header.depth == 16:  # the higher byte comes first, and is enough
            every_other = (2, 0, -1, 0, 1, 0)
            plane = plane.transform((header.width, header.height), Image.Transform.AFFINE, every_other)
        planes.append(plane)
    return planes
