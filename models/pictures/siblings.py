"""What a file says of the files that belong to it: when it was taken, and Apple's identifiers of Live Photos
and bursts. Reads little, follows structures, never fails.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Final

from models.pictures.sniff import Format

_MOST_EXIF: Final = 1 << 20
"""Bytes of metadata that are looked at; a JPEG's fit into 64 KiB, a HEIC's into a few."""
_MOST_META: Final = 1 << 22
"""Bytes of a HEIF's or a film's directory that are looked at."""
_MOST_BOXES: Final = 1000
_MOST_ENTRIES: Final = 1024
_EXIF_POINTER, _TAKEN, _MAKER_NOTE = 0x8769, 0x9003, 0x927C
_BURST_ID, _CONTENT_ID = 0x000B, 0x0011
_APPLE: Final = b"Apple iOS\0\0\x01MM"
_CONTENT_KEY: Final = b"com.apple.quicktime.content.identifier"
_TEXT, _UNDEFINED = 2, 7
_QUICKTIME_EPOCH: Final = datetime.fromisoformat("1904-01-01")
_RAF_HEAD: Final = b"FUJIFILMCCD-RAW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What a picture says."""

    taken: datetime | None = None
    """What the camera's clock showed, naive, to the second."""
    content_id: str | None = None
    burst_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What a film says."""

    made: datetime | None = None
    """When it was recorded, naive, in UTC as far as its camera knew."""
    seconds: float | None = None
    content_id: str | None = None


def read_still(file: IO[bytes], kind: Format | None) -> Still:
    """What a picture of that kind says of its siblings; of None, which is camera raw, what its TIFF says."""
    try:
        return _still(_exif_of(file, kind))
    except (OSError, ValueError, struct.error, OverflowError):
        return Still()


def read_film(file: IO[bytes]) -> Film:
    """What a QuickTime or MP4 film says of its siblings."""
    try:
        for kind, start, end in _boxes_of_file(file):
            if kind == b"moov":
                file.seek(start)
                return _film(file.read(min(end - start, _MOST_META)))
    except (OSError, ValueError, struct.error, OverflowError):
        pass
    return Film()


# EXIF and its carriers


def _exif_of(file: IO[bytes], kind: Format | None) -> bytes:
    """The TIFF structure that holds EXIF; empty if there is none."""
    file.seek(0)
    if kind == Format.JPEG:
        return _exif_of_jpeg(file)
    if kind == Format.HEIF:
        return _exif_of_heif(file)
    head = file.read(96)
    if head.startswith(_RAF_HEAD):  # a JPEG lies within, at an offset that the header tells
        file.seek(int.from_bytes(head[84:88], "big"))
        return _exif_of_jpeg(file)
    if head[:2] not in (b"II", b"MM"):
        return b""
    file.seek(0)
    return file.read(_MOST_EXIF)


def _exif_of_jpeg(file: IO[bytes]) -> bytes:
    if file.read(2) != b"\xff\xd8":
        return b""
    read = 0
    while read < _MOST_EXIF:
        marker = file.read(4)
        if len(marker) < 4 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            return b""
        length = int.from_bytes(marker[2:], "big") - 2
        if length < 0:
            return b""
        content = file.read(length)
        if marker[1] == 0xE1 and content.startswith(b"Exif\0\0"):
            return content[6:]
        read += length + 4
    return b""


def _exif_of_heif(file: IO[bytes]) -> bytes:
    """The item of type `Exif`, found by iinf and iloc (ISO/IEC 14496-12, 8.11)."""
    for kind, start, end in _boxes_of_file(file):
        if kind == b"meta":
            file.seek(start)
            place = _place_of_exif(file.read(min(end - start, _MOST_META)))
            if place is None:
                return b""
            file.seek(place[0])
            item = file.read(min(place[1], _MOST_EXIF))
            return item[4 + int.from_bytes(item[:4], "big") :]
    return b""


def _place_of_exif(meta: bytes) -> tuple[int, int] | None:
    """The item's first byte in the file, and its length; None for one that lies in several pieces."""
    boxes = {kind: (start, end) for kind, start, end in _boxes(meta, 4, len(meta))}
    if b"iinf" not in boxes or b"iloc" not in boxes:
        return None
    start, end = boxes[b"iinf"]
    item = _item_of_exif(meta, start, end)
    return None if item is None else _place_of_item(meta[slice(*boxes[b"iloc"])], item)


def _item_of_exif(meta: bytes, start: int, end: int) -> int | None:
    for kind, entry, _ in _boxes(meta, start + (6 if meta[start] == 0 else 8), end):
        if kind != b"infe" or meta[entry] not in (2, 3):
            continue
        width = 2 if meta[entry] == 2 else 4
        if meta[entry + 6 + width : entry + 10 + width] == b"Exif":
            return int.from_bytes(meta[entry + 4 : entry + 4 + width], "big")
    return None


def _place_of_item(iloc: bytes, wanted: int) -> tuple[int, int] | None:
    version, sizes = iloc[0], int.from_bytes(iloc[4:6], "big")
    offset_size, length_size, base_size, index_size = (
        sizes >> 12,
        sizes >> 8 & 15,
        sizes >> 4 & 15,
        sizes & 15,
    )
    id_size = 2 if version < 2 else 4
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise ValueError("the list of items ends early")
        return int.from_bytes(iloc[at - size : at], "big")

    for _ in range(min(number(id_size), _MOST_ENTRIES)):
        item = number(id_size)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        extents = []
        for _ in range(number(2)):
            if version:
                number(index_size)
            extents.append((base + number(offset_size), number(length_size)))
        if item == wanted:
            return extents[0] if method == 0 and len(extents) == 1 else None
    return None


def _still(tiff: bytes) -> Still:
    """What EXIF says, be it a structure of its own or a whole TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return Still()
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    pointer = _entries(tiff, first, order).get(_EXIF_POINTER)
    if pointer is None:
        return Still()
    exif = _entries(tiff, int.from_bytes(pointer[1], "little" if order == "<" else "big"), order)
    note = exif.get(_MAKER_NOTE, (0, b""))[1]
    apple = _entries(note, 14, ">") if note.startswith(_APPLE) else {}
    return Still(
        taken=_clock(_text(exif.get(_TAKEN))),
        content_id=_text(apple.get(_CONTENT_ID)) or None,
        burst_id=_text(apple.get(_BURST_ID)) or None,
    )


def _entries(tiff: bytes, at: int, order: str) -> dict[int, tuple[int, bytes]]:
    """The type and bytes of each entry of a directory that is a text, undefined, or four bytes or fewer."""
    found: dict[int, tuple[int, bytes]] = {}
    if not 8 <= at <= len(tiff) - 2:
        return found
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * min(count, _MOST_ENTRIES), len(tiff) - 11), 12):
        tag, kind, length = struct.unpack_from(order + "HHI", tiff, entry)
        size = length if kind in (_TEXT, _UNDEFINED) else 4
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, entry + 8)[0]
        if start + size <= len(tiff):
            found.setdefault(tag, (kind, tiff[start : start + size]))
    return found


def _text(entry: tuple[int, bytes] | None) -> str:
    return "" if entry is None else entry[1].split(b"\0")[0].decode("ascii", "replace").strip()


def _clock(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - a clock on a wall has no zone
    except ValueError:
        return None


# Films


def _film(moov: bytes) -> Film:
    made = seconds = content_id = None
    for kind, start, end in _boxes(moov, 0, len(moov)):
        if kind == b"mvhd":
            made, seconds = _header(moov[start:end])
        elif kind == b"meta":
            content_id = content_id or _content_id(moov, start, end)
    return Film(made=made, seconds=seconds, content_id=content_id)


def _header(mvhd: bytes) -> tuple[datetime | None, float | None]:
    if mvhd[0] == 1:
        made, _, scale, length = struct.unpack_from(">QQIQ", mvhd, 4)
    else:
        made, _, scale, length = struct.unpack_from(">IIII", mvhd, 4)
    return (
        _QUICKTIME_EPOCH + timedelta(seconds=made) if made else None,
        length / scale if scale and length else None,
    )


def _content_id(moov: bytes, start: int, end: int) -> str | None:
    """The value of the key in QuickTime's metadata: `keys` lists names, `ilst` their values by number."""
    boxes = {kind: (first, last) for kind, first, last in _boxes(moov, start, end)}
    if b"keys" not in boxes:  # in MP4 four bytes of version and flags come first
        boxes = {kind: (first, last) for kind, first, last in _boxes(moov, start + 4, end)}
    if b"keys" not in boxes or b"ilst" not in boxes:
        return None
    first, last = boxes[b"keys"]
    names = [moov[name:after] for _, name, after in _boxes(moov, first + 8, last)]
    if _CONTENT_KEY not in names:
        return None
    wanted = (names.index(_CONTENT_KEY) + 1).to_bytes(4, "big")
    for kind, item, item_end in _boxes(moov, *boxes[b"ilst"]):
        if kind == wanted:
            for inner, value, value_end in _boxes(moov, item, item_end):
                if inner == b"data":
                    return moov[value + 8 : value_end].decode("ascii", "replace").strip("\0 ") or None
    return None


# Boxes of ISO media


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box between two places."""
    at, end = start, min(end, len(data))
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        after = end if size == 0 else at + size
        if after < at + header or after > end:
            return
        yield data[at + 4 : at + 8], at + header, after
        at = after


def _boxes_of_file(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """The same of a file's outermost boxes, which reads only their headers."""
    length = file.seek(0, os.SEEK_END)
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        after = length if size == 0 else min(at + size, length)
        if after < at + header:
            return
        yield head[4:8], at + header, after
        at = after
