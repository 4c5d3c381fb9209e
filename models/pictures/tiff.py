"""The directories of a TIFF file, wherever they lie, and which of them holds the picture.

`tiff_tags` reads the few values that tell when and where; this tells what lies where in files of gigabytes,
of which it reads little.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final

from models.pictures.reading import piece

NEW_SUBFILE_TYPE, SUBFILE_TYPE = 0x00FE, 0x00FF
WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC = 0x0100, 0x0101, 0x0103, 0x0106
STRIP_OFFSETS, ORIENTATION, STRIP_BYTES = 0x0111, 0x0112, 0x0117
SUB_DIRECTORIES = 0x014A
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY = 0x8769, 0x8825, 0xA005

_MOST_ENTRIES: Final = 4096
_MOST_DIRECTORIES: Final = 256
# Directories may overlap, so that a small file has many large ones; a thousand pages have as many as this.
_MOST_ENTRIES_IN_ALL: Final = 1 << 14
_MOST_NUMBERS: Final = 64
_LONGEST_VALUE: Final = 4096
_BLOCKS: Final = (0x02BC, 0x83BB, 0x8649)
"""XMP, IPTC and Photoshop's, which are longer."""
_LONGEST_BLOCK: Final = 1 << 20
# TIFF 6.0, section 2, with the types of its first supplement and of BigTIFF.
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES_OF_LARGE: Final = {16: 8, 17: 8, 18: 8}
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I", 16: "Q", 18: "Q"}
# Olympus and Panasonic have words of their own in place of the 42.
_WORDS: Final = (42, 43, 0x4F52, 0x5352, 0x55)
_LARGE: Final = 43


@dataclass(frozen=True, slots=True)
class Value:
    """Field type, number of items and place of a tag's value."""

    kind: int
    count: int
    at: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The values of one directory by tag, and the offset of the directory that follows; 0 for none."""

    at: int
    values: Mapping[int, Value]
    following: int
    entries: int  # readable or not


Entry = tuple[int, int, bytes]
"""Field type, number of items and the value itself."""
Entries = Mapping[int, Entry]


class Tiff:
    """The structure that begins at `base` of a file; without directories where none begins there."""

    def __init__(self, file: IO[bytes], base: int = 0, *, order: str | None = None) -> None:
        """`order`, "<" or ">", is for structures that have directories and no header."""
        self.file = file
        self.base = base
        head = piece(file, base, 16).ljust(16, b"\0")
        self.order = order or {b"II": "<", b"MM": ">"}.get(head[:2], "")
        self.word, self.first, self.is_large = 0, 0, False
        if self.order and order is None:
            (self.word,) = struct.unpack_from(self.order + "H", head, 2)
            self.is_large = self.word == _LARGE
            at = 8 if self.is_large else 4
            if self.word in _WORDS:
                (self.first,) = struct.unpack_from(self.order + ("Q" if self.is_large else "I"), head, at)

    @property
    def main(self) -> Directory | None:
        """The first directory."""
        return self.directory(self.first)

    def directory(self, offset: int) -> Directory | None:
        """The directory at an offset; None where there is none, or an empty one."""
        count_code, count_bytes, entry_bytes = ("Q", 8, 20) if self.is_large else ("H", 2, 12)
        number = piece(self.file, self.base + offset, count_bytes)
        if offset < 8 or len(number) < count_bytes:
            return None
        (count,) = struct.unpack(self.order + count_code, number)
        if not 0 < count <= _MOST_ENTRIES:
            return None
        start = self.base + offset + count_bytes
        entries = piece(self.file, start, entry_bytes * count)
        values: dict[int, Value] = {}
        for at in range(0, len(entries) - entry_bytes + 1, entry_bytes):
            tag, value = self._value(entries, at, start + at)
            if value is not None:
                values.setdefault(tag, value)
        following = piece(self.file, start + entry_bytes * count, 8 if self.is_large else 4)
        behind = int.from_bytes(following, "little" if self.order == "<" else "big")
        return Directory(offset, values, behind, count)

    def every_directory(self) -> Iterator[Directory]:
        """The first directory, those that follow it, and those below any of them; each once.

        No further ones where these have more entries than any camera writes.
        """
        waiting, seen, entries = [self.first], set[int](), 0
        while waiting and len(seen) < _MOST_DIRECTORIES and entries < _MOST_ENTRIES_IN_ALL:
            offset = waiting.pop(0)
            if offset in seen or (directory := self.directory(offset)) is None:
                continue
            seen.add(offset)
            entries += directory.entries
            yield directory
            waiting += [directory.following, *self.numbers(directory, SUB_DIRECTORIES)]

    def numbers(self, directory: Directory, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag, the first few of many; none where it has no such."""
        value = directory.values.get(tag)
        if value is None or (code := _NUMBERS.get(value.kind)) is None:
            return ()
        data = self.content(directory, tag, most=8 * _MOST_NUMBERS)
        size = struct.calcsize("<" + code)
        return struct.unpack_from(f"{self.order}{min(value.count, len(data) // size)}{code}", data)

    def number(self, directory: Directory, tag: int) -> int | None:
        """The only whole number of a tag."""
        numbers = self.numbers(directory, tag)
        return numbers[0] if len(numbers) == 1 else None

    def content(self, directory: Directory, tag: int, *, most: int) -> bytes:
        """The bytes of a tag's value, `most` of them."""
        value = directory.values.get(tag)
        return piece(self.file, value.at, min(value.bytes, most)) if value else b""

    def beginning_at(self, directory: Directory | None) -> IO[bytes]:
        """A file whose first directory is this one; the same file, if it is the first or there is none."""
        self.file.seek(0)
        if directory is None or directory.at == self.first:
            return self.file
        code, at = ("Q", 8) if self.is_large else ("I", 4)
        copy = io.BytesIO(self.file.read())
        copy.seek(at)
        copy.write(struct.pack(self.order + code, directory.at))
        copy.seek(0)
        return copy

    def entries(self, offset: int | None) -> Entries:
        """All of the directory at an offset that an EXIF block may hold; of long values only known blocks."""
        directory = self.directory(offset) if offset else None
        found: dict[int, Entry] = {}
        for tag, value in directory.values.items() if directory else ():
            most = _LONGEST_BLOCK if tag in _BLOCKS else _LONGEST_VALUE
            if value.bytes <= most and value.kind in _SIZES:
                data = piece(self.file, value.at, value.bytes)
                if len(data) == value.bytes:
                    found[tag] = value.kind, value.count, data
        return found

    def pixels(self, directory: Directory) -> int:
        """How many the directory's picture has."""
        width, height = self.size(directory)
        return width * height

    def size(self, directory: Directory) -> tuple[int, int]:
        """Width and height of the directory's picture; 0 where it does not tell."""
        return self.number(directory, WIDTH) or 0, self.number(directory, HEIGHT) or 0

    def _value(self, entries: bytes, at: int, place: int) -> tuple[int, Value | None]:
        tag, kind = struct.unpack_from(self.order + "HH", entries, at)
        (count,) = struct.unpack_from(self.order + ("Q" if self.is_large else "I"), entries, at + 4)
        inline, code = (8, "Q") if self.is_large else (4, "I")
        size = (_SIZES | _SIZES_OF_LARGE if self.is_large else _SIZES).get(kind)
        if size is None:
            return tag, None
        where = place + 4 + inline
        if size * count > inline:
            (offset,) = struct.unpack_from(self.order + code, entries, at + 4 + inline)
            where = self.base + offset
        return tag, Value(kind, count, where, size * count)


def picture_of(tiff: Tiff) -> Directory | None:
    """The directory of the full picture: the first, unless that calls itself a smaller version of another."""
    first = tiff.main
    if first is None or not _is_reduced(tiff, first):
        return first
    others = [each for each in tiff.every_directory() if not _is_reduced(tiff, each) and tiff.pixels(each)]
    return max(others, key=tiff.pixels, default=first)


def _is_reduced(tiff: Tiff, directory: Directory) -> bool:
    """Whether it holds a reduced version of a picture, or the mask of one."""
    kind = tiff.number(directory, NEW_SUBFILE_TYPE) or 0
    return bool(kind & 0b101) or tiff.number(directory, SUBFILE_TYPE) == 2


def exif_of(tiff: Tiff) -> bytes | None:
    """What the first directory and those that it points at hold, as an EXIF block; None without one."""
    main = tiff.main
    if main is None:
        return None
    exif_at, gps_at = (tiff.number(main, tag) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY))
    exif = tiff.directory(exif_at) if exif_at else None
    return exif_block(
        tiff.order,
        tiff.entries(main.at),
        tiff.entries(exif_at),
        tiff.entries(gps_at),
        tiff.entries(tiff.number(exif, INTEROPERABILITY_DIRECTORY) if exif else None),
    )


def exif_block(order: str, main: Entries, exif: Entries, gps: Entries, interoperability: Entries) -> bytes:
    """A small TIFF structure of these directories, as EXIF is one; pointers between them are made anew.

    Raw files keep them in structures of other kinds, in several, or between gigabytes of pixels.
    """
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))

    def pointer(entries: Entries) -> Entry:
        return 4, 1, struct.pack(order + "I", _append(out, order, entries))

    main, exif = (
        {tag: entry for tag, entry in each.items() if tag not in _POINTERS} for each in (main, exif)
    )
    if interoperability:
        exif[INTEROPERABILITY_DIRECTORY] = pointer(interoperability)
    if exif:
        main[EXIF_DIRECTORY] = pointer(exif)
    if gps:
        main[GPS_DIRECTORY] = pointer(gps)
    struct.pack_into(order + "I", out, 4, _append(out, order, main))
    return bytes(out)


_POINTERS: Final = (SUB_DIRECTORIES, EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY_DIRECTORY)


def _append(out: bytearray, order: str, entries: Entries) -> int:
    """Add a directory and its values; answers where it begins."""
    start = len(out)
    out += struct.pack(order + "H", len(entries)) + bytes(12 * len(entries) + 4)
    for number, (tag, (kind, count, value)) in enumerate(sorted(entries.items())):
        at = start + 2 + 12 * number
        struct.pack_into(order + "HHI4s", out, at, tag, kind, count, value[:4])
        if len(value) > 4:
            struct.pack_into(order + "I", out, at + 8, len(out))
            out += value + bytes(len(value) % 2)
    return start
