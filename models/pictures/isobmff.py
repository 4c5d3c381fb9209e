"""The little of the ISO media container (HEIF, AVIF) that decoders do not tell: turns and colours."""

from collections.abc import Iterator
from itertools import islice
from struct import error as struct_error
from struct import unpack_from
from typing import Final

from models.pictures.orientation import AS_STORED

# irot counts quarter turns anticlockwise (ISO/IEC 23008-12, 6.5.10); these are the EXIF values that look
# the same.
_TURN_OF_QUARTERS = (AS_STORED, 8, 3, 6)


def container_turn(data: bytes) -> int | None:
    """The container's own rotation as an EXIF orientation; None if it declares no rotation or mirroring.

    A picture that is mirrored counts as AS_STORED, since decoders apply either and only the declaration
    matters then.
    """
    for kind, start, end in _boxes(data):
        if kind == b"meta":
            mirrored = data.find(b"imir", start, end) >= 0
            at = data.find(b"irot", start, end)
            if at < 0 or at + 4 >= end:
                return AS_STORED if mirrored else None
            return AS_STORED if mirrored else _TURN_OF_QUARTERS[data[at + 4] & 3]
    return None


def colour_codes(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer, as ITU-T H.273 numbers them, that the container declares of its first picture.

    Not what the picture's own stream says, which it overrides (ISO/IEC 23000-22, 7.3.6.4).
    """
    for kind, start, end in _properties_of_primary(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx" and end >= start + 8:
            primaries, transfer = unpack_from(">HH", data, start + 4)
            return primaries, transfer
    return None


def _properties_of_primary(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each property of the primary item (ISO/IEC 23008-12, 9.3), in its order."""
    try:
        meta = _box(data, b"meta", 0, len(data))
        inside = meta[0] + 4, meta[1]
        at, _ = _box(data, b"pitm", *inside)
        (primary,) = unpack_from(">I" if data[at] else ">H", data, at + 4)
        properties = _box(data, b"iprp", *inside)
        known = list(islice(_boxes(data, *_box(data, b"ipco", *properties)), _MOST_PROPERTIES))
        for kind, start, end in _boxes(data, *properties):
            if kind == b"ipma":
                for index in _associated(data, start, end, primary):
                    if 0 < index <= len(known):
                        yield known[index - 1]
    except (struct_error, IndexError, StopIteration):
        return


_MOST_PROPERTIES: Final = 0x7FFF  # that can be told by number


def _box(data: bytes, name: bytes, start: int, end: int) -> tuple[int, int]:
    return next((first, last) for kind, first, last in _boxes(data, start, end) if kind == name)


def _associated(data: bytes, at: int, end: int, item: int) -> list[int]:
    """The numbers, from 1, of an item's properties; 0 is none."""
    version, wide = data[at], data[at + 3] & 1
    (items,) = unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(items):
        if at >= end:
            break
        (one,) = unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        count = data[at]
        at += 1
        if one == item:
            numbers = unpack_from(f">{count}{'H' if wide else 'B'}", data, at)
            return [number & (0x7FFF if wide else 0x7F) for number in numbers]
        at += count * (2 if wide else 1)
    return []


def _boxes(data: bytes, at: int = 0, stop: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box from `at` to `stop`; of the whole file by default."""
    stop = len(data) if stop is None else stop
    while at + 8 <= stop:
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = stop if size == 0 else at + size
        if end < at + header:
            return
        yield data[at + 4 : at + 8], at + header, min(end, stop)
        at = end
