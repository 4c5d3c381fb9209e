"""The boxes of the ISO media container (HEIF, AVIF, MP4, Canon's raw), for what decoders do not tell."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from
from typing import IO, Final

from models.pictures.orientation import AS_STORED
from models.pictures.reading import length, piece

# irot counts quarter turns anticlockwise (ISO/IEC 23008-12, 6.5.10); these are the EXIF values that look
# the same.
_TURN_OF_QUARTERS = (AS_STORED, 8, 3, 6)
_MOST_BOXES: Final = 10_000  # side by side; a picture of tiles has some hundred properties
_MOST_OF_A_TABLE: Final = 1 << 20  # bytes
_FLAGS: Final = 4  # version and flags, at the start of a full box


@dataclass(frozen=True, slots=True)
class Box:
    """A box's type and places: of its first byte, of its content and behind it."""

    kind: bytes
    at: int
    start: int
    end: int


def boxes(file: IO[bytes], at: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that stand side by side between two places of a file; the last may reach beyond `end`."""
    end = length(file) if end is None else end
    for _ in range(_MOST_BOXES):
        header = piece(file, at, 16)
        if at + 8 > end or len(header) < 8:
            return
        size, start = int.from_bytes(header[:4], "big"), at + 8
        if size == 1:
            size, start = int.from_bytes(header[8:16], "big"), at + 16
        behind = end if size == 0 else at + size
        if behind < start:
            return
        yield Box(header[4:8], at, start, behind)
        at = behind


def first(file: IO[bytes], kind: bytes, at: int = 0, end: int | None = None) -> Box | None:
    """The first box of a kind among those side by side between two places."""
    return next((box for box in boxes(file, at, end) if box.kind == kind), None)


def container_turn(data: bytes) -> int | None:
    """The rotation that the container declares for its primary picture, as an EXIF orientation; None if it
    declares neither rotation nor mirroring for it.

    A picture that is mirrored counts as AS_STORED, since decoders apply either and only the declaration
    matters then.
    """
    file = io.BytesIO(data)
    declared = {box.kind: piece(file, box.start, min(1, box.end - box.start)) for box in _properties(file)}
    if b"imir" in declared:
        return AS_STORED
    angle = declared.get(b"irot")
    return _TURN_OF_QUARTERS[angle[0] & 3] if angle else None


def colour_codes(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer, as ITU-T H.273 numbers them, that the container declares of its first picture.

    Not what the picture's own stream says, which it overrides (ISO/IEC 23000-22, 7.3.6.4).
    """
    file = io.BytesIO(data)
    for box in _properties(file):
        declared = piece(file, box.start, min(8, box.end - box.start))
        if box.kind == b"colr" and declared[:4] == b"nclx" and len(declared) == 8:
            primaries, transfer = unpack_from(">HH", declared, 4)
            return primaries, transfer
    return None


def _properties(file: IO[bytes]) -> Iterator[Box]:
    """The properties of the primary picture (ISO/IEC 23008-12, 9.3)."""
    meta = first(file, b"meta")
    if meta is None:
        return
    inside = (meta.start + _FLAGS, meta.end)
    primary, held = first(file, b"pitm", *inside), first(file, b"iprp", *inside)
    if primary is None or held is None:
        return
    wide = piece(file, primary.start, 1) != b"\0"
    item = int.from_bytes(piece(file, primary.start + _FLAGS, 4 if wide else 2), "big")
    container = first(file, b"ipco", held.start, held.end)
    every = list(boxes(file, container.start, container.end)) if container else []
    for table in boxes(file, held.start, held.end):
        if table.kind == b"ipma":
            content = piece(file, table.start, min(table.end - table.start, _MOST_OF_A_TABLE))
            for number in _associated(content, item):
                if 1 <= number <= len(every):
                    yield every[number - 1]


def _associated(table: bytes, item: int) -> Iterator[int]:
    """The numbers, from 1, of an item's properties as an `ipma` box lists them."""
    if len(table) < 8:
        return
    id_bytes = 2 if table[0] < 1 else 4
    number_bytes = 2 if table[3] & 1 else 1
    at = 8
    for _ in range(int.from_bytes(table[4:8], "big")):
        count_at = at + id_bytes
        if count_at >= len(table):
            return
        behind = count_at + 1 + number_bytes * table[count_at]
        if int.from_bytes(table[at:count_at], "big") == item:
            mask = (1 << 8 * number_bytes - 1) - 1  # the highest bit says whether it is essential
            for place in range(count_at + 1, min(behind, len(table) - number_bytes + 1), number_bytes):
                yield int.from_bytes(table[place : place + number_bytes], "big") & mask
            return
        at = behind
