"""Photoshop documents and JPEG 2000 files of exactly these parts."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from PIL import Image

from tests.models.pictures.boxes import box
from tests.models.pictures.mutations import encoded

EXIF_IN_JP2 = b"JpgTiffExif->JP2"
XMP_IN_JP2 = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MODES = {"L": 1, "P": 2, "RGB": 3, "CMYK": 4, "LAB": 9}


def packed(row: bytes) -> bytes:
    """A row in runs of 128 bytes as they are, and one of a byte repeated where the row begins with one."""
    out, at = bytearray(), 0
    if row[:1] * 16 == row[:16]:
        out += bytes((257 - 16, row[0]))
        at = 16
    for start in range(at, len(row), 128):
        piece = row[start : start + 128]
        out += bytes([len(piece) - 1]) + piece
    return bytes(out)


def document(
    planes: Sequence[Image.Image],
    mode: str = "RGB",
    *,
    depth: int = 8,
    is_packed: bool = False,
    layers: int | None = None,
    resources: Mapping[int, bytes] = {},
    palette: bytes = b"",
    version: int = 1,
    compression: int | None = None,
) -> bytes:
    """A document of 8-bit planes, one for each channel; in 16 bits their bytes are followed by others."""
    width, height = planes[0].size
    beside = b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number, data in resources.items()
    )
    layer = struct.pack(">Ih", 2, layers) if layers is not None else b""
    rows = []
    for plane in planes:
        data = plane.tobytes()
        if depth == 16:
            data = b"".join(bytes((byte, 255 - byte)) for byte in data)
        step = width * depth // 8
        rows += [data[at : at + step] for at in range(0, len(data), step)]
    counts = b""
    if is_packed:
        rows = [packed(row) for row in rows]
        counts = struct.pack(f">{len(rows)}H", *map(len, rows))
    kind = int(is_packed) if compression is None else compression
    return (
        b"8BPS"
        + struct.pack(">H6xHIIHH", version, len(planes), height, width, depth, _MODES.get(mode, 0))
        + b"".join(struct.pack(">I", len(block)) + block for block in (palette, beside, layer))
        + struct.pack(">H", kind)
        + counts
        + b"".join(rows)
    )


def jpeg2000(image: Image.Image, *beside: bytes, profile: bytes = b"", **options: object) -> bytes:
    """A lossless JP2 with boxes behind its own, and a profile in place of its named colours."""
    data = encoded(image, "JPEG2000", **options)
    if profile:
        at = data.index(b"jp2h") - 4
        length = int.from_bytes(data[at : at + 4], "big")
        colours = data.index(b"colr") - 4
        old = int.from_bytes(data[colours : colours + 4], "big")
        new = box(b"colr", b"\2\0\0" + profile)
        header = data[at + 8 : colours] + new + data[colours + old : at + length]
        data = data[:at] + box(b"jp2h", header) + data[at + length :]
    return data + b"".join(beside)
