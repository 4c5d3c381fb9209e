"""Files that belong together, made byte by byte: EXIF with Apple's note, and films with Apple's key."""

from __future__ import annotations

import io
import struct
from datetime import datetime

from PIL import Image

_EPOCH = datetime.fromisoformat("1904-01-01")


def apple_exif(taken: str, *, content_id: str = "", burst_id: str = "") -> bytes:
    """A big-endian TIFF structure with DateTimeOriginal, and with Apple's MakerNote for identifiers."""
    note = b""
    if content_id or burst_id:
        entries = {0x000B: burst_id, 0x0011: content_id}
        note = b"Apple iOS\0\0\x01MM" + _directory(14, {tag: text for tag, text in entries.items() if text})
    exif_at = 8 + 2 + 12 + 4
    exif = _directory(exif_at, {0x9003: taken, **({0x927C: note} if note else {})})
    pointer = struct.pack(">HHHII", 1, 0x8769, 4, 1, exif_at) + bytes(4)
    return b"MM\0*\0\0\0\x08" + pointer + exif


def _directory(at: int, values: dict[int, str] | dict[int, str | bytes]) -> bytes:
    """A directory that begins at this offset, its values right behind it."""
    entries, data = b"", b""
    behind = at + 2 + 12 * len(values) + 4
    for tag, value in values.items():
        text = isinstance(value, str)
        content = value.encode() + b"\0" if isinstance(value, str) else value
        if len(content) <= 4:
            entries += struct.pack(">HHI", tag, 2 if text else 7, len(content)) + content.ljust(4, b"\0")
        else:
            entries += struct.pack(">HHII", tag, 2 if text else 7, len(content), behind + len(data))
            data += content
    return struct.pack(">H", len(values)) + entries + bytes(4) + data


def jpeg_with(exif: bytes, colour: str = "teal", size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of one colour with this EXIF."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "JPEG", exif=b"Exif\0\0" + exif if exif else b"")
    return buffer.getvalue()


def mov(*, made: datetime | None, seconds: float, content_id: str = "", brand: bytes = b"qt  ") -> bytes:
    """A film without pictures: what its directory says is all there is."""
    since = int((made - _EPOCH).total_seconds()) if made else 0
    header = bytes(4) + struct.pack(">IIII", since, since, 600, round(seconds * 600)) + bytes(80)
    content = _box(b"mvhd", header)
    if content_id:
        key = _box(b"mdta", b"com.apple.quicktime.content.identifier")
        keys = _box(b"keys", bytes(4) + (1).to_bytes(4, "big") + key)
        data = _box(b"data", bytes([0, 0, 0, 1, 0, 0, 0, 0]) + content_id.encode())
        handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(12))
        content += _box(b"meta", handler + keys + _box(b"ilst", _box((1).to_bytes(4, "big"), data)))
    return _box(b"ftyp", brand + bytes(4) + brand) + _box(b"mdat", bytes(64)) + _box(b"moov", content)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content
