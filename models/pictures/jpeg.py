"""The segments of a JPEG, from its first marker to its end, which need not be the end of the file.

Phones put films and further pictures behind it, and metadata holds whole pictures; what looks like a marker
in those is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

from models.errors import Unreadable
from models.pictures.reading import piece

START: Final = b"\xff\xd8\xff"
SCAN: Final = 0xDA
_END: Final = 0xD9
_STANDALONE: Final = frozenset((0x01, 0xD8))
# Baseline, extended and progressive, by Huffman codes: what is decoded here (ITU-T T.81, table B.1). 0xC3 and
# others are lossless, which is how raw files keep what the sensor saw.
_FRAMES: Final = frozenset((0xC0, 0xC1, 0xC2))
_PROGRESSIVE: Final = 0xC2
# In coded data a 0 follows a 0xFF that is data, and restart markers mean nothing.
_MARKER: Final = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
# An honest file has a few hundred, of 64 KiB at most.
_MOST_SEGMENTS: Final = 50_000
# Before the frame of a picture within another file, of which there may be many.
_MOST_BEFORE_A_FRAME: Final = 1000
# Searched at once, because the search keeps the interpreter lock.
_FIRST_WINDOW, _LARGEST_WINDOW = 1 << 12, 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker's number and the place of its content in the file."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a JPEG says of its pixels."""

    width: int
    height: int
    is_progressive: bool


def segments(file: IO[bytes], at: int = 0) -> Iterator[Segment]:
    """The segments of the JPEG that begins at `at`; nothing where none does.

    Raises Unreadable for so many that no camera wrote them.
    """
    if piece(file, at, 3) != START:
        return
    at += 2
    for _ in range(_MOST_SEGMENTS):
        found = _next_marker(file, at)
        if found is None:
            return
        marker, at = found
        if marker == _END:
            yield Segment(marker, at, at)
            return
        if marker in _STANDALONE:
            continue
        size = int.from_bytes(piece(file, at, 2), "big")
        if size < 2:
            return
        yield Segment(marker, at + 2, at + size)
        at += size
    raise Unreadable(f"the JPEG has more than {_MOST_SEGMENTS} segments")


def end_of(file: IO[bytes], at: int = 0) -> int | None:
    """The place behind the JPEG that begins at `at`; None if it has no end."""
    return next((segment.end for segment in segments(file, at) if segment.marker == _END), None)


def frame_of(file: IO[bytes], at: int = 0) -> Frame | None:
    """Size and kind of the JPEG that begins at `at`; None where there is none that is decoded here."""
    for segment in islice(segments(file, at), _MOST_BEFORE_A_FRAME):
        if segment.marker == SCAN:
            return None
        if segment.marker in _FRAMES:
            header = piece(file, segment.start, 6)
            if len(header) < 6 or header[0] != 8:
                return None
            return Frame(
                height=int.from_bytes(header[1:3], "big"),
                width=int.from_bytes(header[3:5], "big"),
                is_progressive=segment.marker == _PROGRESSIVE,
            )
    return None


def _next_marker(file: IO[bytes], at: int) -> tuple[int, int] | None:
    """The next marker at or behind `at`, and the place behind it."""
    window = _FIRST_WINDOW
    while len(data := piece(file, at, window)) >= 2:
        if found := _MARKER.search(data):
            return data[found.start(1)], at + found.end()
        at += len(data) - 1  # its last byte may be the first of a marker
        window = min(4 * window, _LARGEST_WINDOW)
    return None
