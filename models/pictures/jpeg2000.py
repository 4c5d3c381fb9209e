"""What a JPEG 2000 says of its picture; Pillow decodes the pixels and passes over the rest."""

from __future__ import annotations

import struct
from typing import IO, Final

from models.errors import Unreadable, UnsupportedFormat
from models.pictures import isobmff
from models.pictures.exif import Metadata
from models.pictures.reading import piece

CODESTREAM: Final = b"\xff\x4f\xff\x51"
_MOST_CHANNELS: Final = 4
_LONGEST_BLOCK: Final = 1 << 20
_UUID: Final = 16
_EXIF, _XMP, _IPTC = (
    b"JpgTiffExif->JP2",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
)


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of what will be decoded, which is not always what the container says.

    Raises Unreadable, or UnsupportedFormat for more channels than colours and one of transparency.
    """
    at = 0
    if piece(file, 0, 4) != CODESTREAM:
        found = isobmff.first(file, b"jp2c")
        if found is None or piece(file, found.start, 4) != CODESTREAM:
            raise Unreadable("damaged JPEG 2000: no codestream")
        at = found.start
    header = piece(file, at + 4, 38)  # ITU-T T.800, table A.9
    if len(header) < 38:
        raise Unreadable("damaged JPEG 2000: it ends in its header")
    right, lower, left, top = struct.unpack_from(">4I", header, 4)
    (channels,) = struct.unpack_from(">H", header, 36)
    if channels > _MOST_CHANNELS:
        raise UnsupportedFormat(f"JPEG 2000 of {channels} channels is not supported")
    return max(0, right - left), max(0, lower - top)


def metadata_of(file: IO[bytes]) -> Metadata:
    """What stands in boxes of its own beside the codestream."""
    found: dict[bytes, bytes] = {}
    for box in isobmff.boxes(file):
        if box.kind == b"uuid":
            start = box.start + _UUID
            block = piece(file, start, min(box.end - start, _LONGEST_BLOCK))
            found.setdefault(piece(file, box.start, _UUID), block)
    return Metadata(exif=found.get(_EXIF), xmp=found.get(_XMP), iptc=found.get(_IPTC))


def profile_of(file: IO[bytes]) -> bytes | None:
    """The ICC profile, which the header holds if colours are not one of the standard's own."""
    header = isobmff.first(file, b"jp2h")
    for box in isobmff.boxes(file, header.start, header.end) if header else ():
        if box.kind == b"colr" and piece(file, box.start, 1)[:1] in (b"\2", b"\3"):
            return piece(file, box.start + 3, min(box.end - box.start - 3, _LONGEST_BLOCK)) or None
    return None
