"""The tags of a TIFF structure, as EXIF is one: a handful are looked up, and nonsense is passed over."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_MAX_ENTRIES: Final = 1024  # per directory; real ones hold fewer than a hundred
_MAX_VALUE_BYTES: Final = 256  # of the tags read here the longest is a date
_MAX_BLOCK_BYTES: Final = 4 * 1024 * 1024
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825

Value = str | tuple[float, ...]
Directory = Mapping[int, Value]


def directories(exif: bytes | None) -> tuple[Directory, Directory, Directory]:
    """The main, the Exif and the GPS directory; those that cannot be read are empty."""
    tiff, order = _structure(exif)
    main = _directory(tiff, order, _first(tiff, order))
    exif_at, gps_at = integer(main.get(_EXIF_IFD)), integer(main.get(_GPS_IFD))
    return main, _directory(tiff, order, exif_at or 0), _directory(tiff, order, gps_at or 0)


def block(exif: bytes | None, tag: int) -> bytes | None:
    """The bytes of a tag of the main directory, such as one that holds IPTC; at most 4 MiB."""
    tiff, order = _structure(exif)
    for found, kind, length, entry in _entries(tiff, order, _first(tiff, order)):
        read = _READERS.get(kind)
        size = read.item_bytes * length if read else 0
        if found == tag and 4 < size <= _MAX_BLOCK_BYTES:
            start = struct.unpack_from(order + "I", tiff, entry + 8)[0]
            return bytes(tiff[start : start + size]) if start + size <= len(tiff) else None
    return None


def _structure(exif: bytes | None) -> tuple[memoryview, str]:
    """The TIFF structure, empty if it is none, and its byte order."""
    tiff = memoryview(exif or b"")
    while bytes(tiff[:6]) == b"Exif\0\0":
        tiff = tiff[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))
    return (tiff, order) if order and len(tiff) >= 8 else (tiff[:0], "<")


def _first(tiff: memoryview, order: str) -> int:
    return int(struct.unpack_from(order + "I", tiff, 4)[0]) if tiff else 0


def look_up(exif: bytes | None, *path: int) -> Value | None:
    """The value at the end of a path of tags, each but the last one of which points to a directory.

    Several times as fast as reading whole directories; None if it is not there.
    """
    tiff, order = _structure(exif)
    at = _first(tiff, order)
    value: Value | None = None
    for tag in path:
        value = _directory(tiff, order, at, only=tag).get(tag)
        at = integer(value) or 0
    return value


def _directory(tiff: memoryview, order: str, at: int, *, only: int | None = None) -> Directory:
    """The readable entries of one directory, by tag; where a tag is repeated the first one counts.

    With `only` no other tag's.
    """
    values: dict[int, Value] = {}
    for tag, kind, length, entry in _entries(tiff, order, at):
        if only is not None and tag != only:
            continue
        read = _READERS.get(kind)
        if tag in values or read is None:
            continue
        size = read.item_bytes * length
        if not 0 < size <= _MAX_VALUE_BYTES:
            continue
        start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", tiff, entry + 8)[0]
        if start + size <= len(tiff):
            values[tag] = read.value(bytes(tiff[start : start + size]), order)
    return values


def _entries(tiff: memoryview, order: str, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, length and place of each entry of the directory at `at`."""
    if not 8 <= at <= len(tiff) - 2:
        return
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * min(count, _MAX_ENTRIES), len(tiff) - 11), 12):
        yield (*struct.unpack_from(order + "HHI", tiff, entry), entry)


@dataclass(frozen=True, slots=True)
class _Reader:
    item_bytes: int
    value: Callable[[bytes, str], Value]


def _string(data: bytes, _order: str) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace").strip()


def _numbers(code: str) -> Callable[[bytes, str], tuple[float, ...]]:
    size = struct.calcsize("<" + code)
    return lambda data, order: struct.unpack(f"{order}{len(data) // size}{code}", data)


def _fractions(code: str) -> Callable[[bytes, str], tuple[float, ...]]:
    def read(data: bytes, order: str) -> tuple[float, ...]:
        parts = struct.unpack(f"{order}{len(data) // 4}{code}", data)
        return tuple(_quotient(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True))

    return read


def _quotient(a: float, b: float) -> float:
    """A fraction's value; 0/0 is undefined, which EXIF has for "unknown", and is not a number."""
    if b:
        return a / b
    return math.copysign(math.inf, a) if a else math.nan


# Field types of TIFF 6.0, section 2. UNDEFINED is read as text: that is how some cameras write their dates.
_READERS: Final = {
    1: _Reader(1, _numbers("B")),
    2: _Reader(1, _string),
    3: _Reader(2, _numbers("H")),
    4: _Reader(4, _numbers("I")),
    5: _Reader(8, _fractions("I")),
    7: _Reader(1, _string),
    9: _Reader(4, _numbers("i")),
    10: _Reader(8, _fractions("i")),
    11: _Reader(4, _numbers("f")),
    12: _Reader(8, _numbers("d")),
    13: _Reader(4, _numbers("I")),
}


def integer(value: Value | None) -> int | None:
    """The single whole number in a value; a list, a text or a fraction is not one."""
    if isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], int):
        return value[0]
    return None


def text_of(value: Value | None) -> str:
    return value if isinstance(value, str) else ""
