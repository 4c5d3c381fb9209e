"""The film that a phone hides in a photo: behind the picture, in the same file.

A file says in one of four ways where it is: Google's XMP, a box of the container, Samsung's directory at the
very end, or by putting it right behind a JPEG. What is said counts if a film really begins there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final

from models.errors import Unreadable
from models.pictures import isobmff, jpeg
from models.pictures.reading import length, piece
from models.pictures.sniff import Format
from models.pictures.xmp import Value, items_of, read_xmp, text_of

_CAMERA: Final = "http://ns.google.com/photos/1.0/camera/"
_CONTAINER: Final = "http://ns.google.com/photos/1.0/container/"
_ITEM: Final = "http://ns.google.com/photos/1.0/container/item/"
_MOST_PICTURES: Final = 16  # one behind the other in a JPEG: a gain map, a depth map, a preview
_MOST_PADDING: Final = 4096

_QUICKTIME: Final = b"qt  "
_STILL: Final = frozenset((b"heic", b"heix", b"mif1", b"mif2", b"avif", b"crx ", b"jxl ", b"jp2 "))
# What stands at the top of a film (ISO/IEC 14496-12, table 1; `wide` is QuickTime's). Anything else ends it.
_PARTS: Final = frozenset(
    (
        *(b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"udta"),
        *(b"pdin", b"moof", b"mfra", b"styp", b"sidx", b"ssix", b"prft"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A film's place in the file of its photo, and its kind."""

    first_byte: int
    bytes: int
    mime_type: str


def film_within(file: IO[bytes], kind: Format, xmp: bytes | None) -> Film | None:
    """The film in the file of a photo of that kind; None if there is none. Never fails.

    `xmp` is the photo's packet. Reads headers, and of a JPEG all of the picture; blocks.
    """
    if kind not in (Format.JPEG, Format.HEIF, Format.AVIF):
        return None
    for at, end in _places(file, kind, xmp):
        if film := _film_at(file, at, end):
            return film
    return None


def _places(file: IO[bytes], kind: Format, xmp: bytes | None) -> Iterator[tuple[int, int]]:
    """Where a film may be: its first byte, and where it ends at the latest."""
    size = length(file)
    if kind is not Format.JPEG and (box := isobmff.first(file, b"mpvd")):
        yield box.start, min(box.end, size)
    if (from_end := _announced(xmp)) is not None:
        yield size - from_end, size
    yield from _of_samsung(file, size)
    if kind is Format.JPEG:
        yield from _behind(file, size)


def _film_at(file: IO[bytes], at: int, end: int) -> Film | None:
    """The film that begins at `at`, as far as whole boxes of a film go on."""
    brand, has_samples, has_description, behind = b"", False, False, at
    for box in isobmff.boxes(file, at, end):
        if box.kind not in _PARTS or box.end > end:
            break
        if box.at == at:
            if box.kind != b"ftyp":
                return None
            brand = piece(file, box.start, 4)
        has_samples |= box.kind == b"mdat"
        has_description |= box.kind == b"moov"
        behind = box.end
    if len(brand) < 4 or brand in _STILL or not (has_samples and has_description):
        return None
    return Film(
        first_byte=at,
        bytes=behind - at,
        mime_type="video/quicktime" if brand == _QUICKTIME else "video/mp4",
    )


def _announced(xmp: bytes | None) -> int | None:
    """How many bytes before the file's end Google's XMP says the film begins; None if it does not say."""
    properties = read_xmp(xmp)
    rest = None
    for entry in items_of(properties.get(f"{_CONTAINER}Directory")):
        item = entry.get(f"{_CONTAINER}Item", entry) if isinstance(entry, Mapping) else {}
        if not isinstance(item, Mapping):
            continue
        # What follows the film in the list follows it in the file.
        if text_of(item.get(f"{_ITEM}Semantic")) == "MotionPhoto" or rest is not None:
            rest = (rest or 0) + (_whole(item.get(f"{_ITEM}Length")) or 0)
    return rest or _whole(properties.get(f"{_CAMERA}MicroVideoOffset"))


def _whole(value: Value | None) -> int | None:
    text = text_of(value)
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _of_samsung(file: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
    """What a Samsung's directory at the end of a file calls the film of its photo.

    It ends with its own length and SEFT, begins with SEFH, a version and a count, and its entries of twelve
    bytes tell type, distance back from SEFH and length of a block. A block begins with its type and name.
    """
    tail = piece(file, size - 8, 8)
    if tail[4:] != b"SEFT":
        return
    at = size - 8 - int.from_bytes(tail[:4], "little")
    directory = piece(file, at, min(size - at, _MOST_PADDING))
    if directory[:4] != b"SEFH":
        return
    for entry in range(12, min(12 + 12 * int.from_bytes(directory[8:12], "little"), len(directory) - 11), 12):
        distance, count = (int.from_bytes(directory[entry + n : entry + n + 4], "little") for n in (4, 8))
        block = piece(file, at - distance, 8 + len(_SAMSUNGS_NAME))
        if block[2:4] == directory[entry + 2 : entry + 4] and block[8:] == _SAMSUNGS_NAME:
            yield at - distance + len(block), min(at - distance + count, size)
            return  # a photo has one film


_SAMSUNGS_NAME: Final = b"MotionPhoto_Data"


def _behind(file: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
    """The place behind a JPEG and all pictures that follow it."""
    try:
        at = jpeg.end_of(file)
        for _ in range(_MOST_PICTURES):
            if at is None:
                return
            padding = piece(file, at, _MOST_PADDING)
            filled = len(padding) - len(padding.lstrip(b"\0"))
            if piece(file, at + filled, 3) == jpeg.START:
                at = jpeg.end_of(file, at + filled)
                continue
            # The size of a film's first box has three zeros in front, which are no padding.
            yield at + max(0, filled - 3), size
            return
    except Unreadable:
        return
