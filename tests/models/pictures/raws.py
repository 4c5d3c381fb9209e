"""Camera raw files as small as they can be: the structure that cameras write, with real JPEGs in it."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.models.pictures.boxes import box, full_box
from tests.models.pictures.mutations import encoded


@dataclass(frozen=True)
class Blob:
    """Bytes somewhere in the file; the value is their offset."""

    data: bytes


@dataclass(frozen=True)
class Below:
    """Directories somewhere in the file; the value is their offsets."""

    directories: Sequence[Fields]


Fields = Mapping[int, tuple[int, Any]]
"""Tag -> field type and value: numbers, a text, bytes, a Blob or what is Below."""
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_MARKS = {"<": b"II", ">": b"MM"}


class _Writer:
    def __init__(self, order: str, *, is_large: bool = False) -> None:
        self.order = order
        self.out = bytearray()
        self.count, self.offset, self.inline = ("Q", "Q", 8) if is_large else ("H", "I", 4)

    def chain(self, directories: Sequence[Fields]) -> int:
        """Write directories that follow each other; answers where the first begins."""
        places, links = [], []
        for fields in directories:
            places.append(len(self.out))
            self.out += struct.pack(self.order + self.count, len(fields))
            entry_bytes = 4 + 2 * self.inline
            entry = len(self.out)
            self.out += bytes(entry_bytes * len(fields) + self.inline)
            links.append(len(self.out) - self.inline)
            for tag, (kind, value) in sorted(fields.items()):
                self.entry(entry, tag, kind, value)
                entry += entry_bytes
        for link, place in zip(links, places[1:], strict=False):
            struct.pack_into(self.order + self.offset, self.out, link, place)
        return places[0]

    def entry(self, at: int, tag: int, kind: int, value: Any) -> None:
        match value:
            case Blob(data):
                value = len(self.out)
                self.out += data
            case Below(directories):
                value = [self.chain([each]) for each in directories]
            case str():
                value = value.encode() + b"\0"
        numbers = [value] if isinstance(value, int) else value
        if isinstance(numbers, bytes):
            data, count = numbers, len(numbers)
        elif kind == 5:
            data, count = b"".join(struct.pack(self.order + "II", n, 1) for n in numbers), len(numbers)
        else:
            data, count = struct.pack(f"{self.order}{len(numbers)}{_CODES[kind]}", *numbers), len(numbers)
        struct.pack_into(self.order + "HH" + self.offset, self.out, at, tag, kind, count)
        where = at + 4 + self.inline
        if len(data) > self.inline:
            struct.pack_into(self.order + self.offset, self.out, where, len(self.out))
            self.out += data
        else:
            self.out[where : where + len(data)] = data


def tiff_file(*chain: Fields, order: str = "<", word: int = 42, head: bytes = b"") -> bytes:
    """A TIFF of directories that follow each other; `head` stands behind its header."""
    writer = _Writer(order, is_large=word == 43)
    writer.out += bytes(16 if word == 43 else 8) + head
    first = writer.chain(chain)
    header = _MARKS[order] + (
        struct.pack(order + "HHHQ", 43, 8, 0, first) if word == 43 else struct.pack(order + "HI", word, first)
    )
    return header + bytes(writer.out[len(header) :])


def jpeg(width: int, height: int, **options: Any) -> bytes:
    """A picture whose upper left corner is red, and no other."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 3, height // 3))
    return encoded(image, "JPEG", quality=90, **options)


def lossless(width: int, height: int) -> bytes:
    """What stands for a sensor's readings in some files: a JPEG that nothing here decodes."""
    data = jpeg(width, height)
    at = data.index(b"\xff\xc0")
    return data[: at + 1] + b"\xc3" + data[at + 2 :]


EXIF: Fields = {
    0x9003: (2, "2024:06:01 12:00:00"),
    0x9011: (2, "+02:00"),
    0xA001: (3, 0xFFFF),
    0xA005: (4, Below([{1: (2, "R03")}])),
}
GPS: Fields = {1: (2, "N"), 2: (5, [48, 8, 0]), 3: (2, "E"), 4: (5, [11, 34, 0])}
POINTERS: Fields = {0x8769: (4, Below([EXIF])), 0x8825: (4, Below([GPS]))}


def sensor(width: int, height: int, *, compression: int = 1) -> Fields:
    """A directory of what the sensor saw."""
    return {
        0x00FE: (4, 0),
        0x0100: (4, width),
        0x0101: (4, height),
        0x0103: (3, compression),
        0x0106: (3, 32803),
        0x0111: (4, Blob(bytes(64))),
        0x0117: (4, 64),
    }


def strip(data: bytes, width: int, height: int) -> Fields:
    """A directory of a JPEG in one strip, as a reduced version of another picture."""
    return {
        0x00FE: (4, 1),
        0x0100: (4, width),
        0x0101: (4, height),
        0x0103: (3, 7),
        0x0106: (3, 6),
        0x0111: (4, Blob(data)),
        0x0117: (4, len(data)),
    }


def pointed(data: bytes) -> Fields:
    """A directory of a JPEG as EXIF has its thumbnail."""
    return {0x00FE: (4, 1), 0x0103: (3, 6), 0x0201: (4, Blob(data)), 0x0202: (4, len(data))}


def thumbnail(width: int = 16, height: int = 12) -> Fields:
    """The directory of an uncompressed thumbnail, which comes first in many files."""
    return {
        0x00FE: (4, 1),
        0x0100: (4, width),
        0x0101: (4, height),
        0x0102: (3, [8, 8, 8]),
        0x0103: (3, 1),
        0x0106: (3, 2),
        0x0111: (4, Blob(bytes(3 * width * height))),
        0x0115: (3, 3),
        0x0117: (4, 3 * width * height),
    }


def nikon(preview: bytes, *, orientation: int = 1, size: tuple[int, int] = (6000, 4000)) -> bytes:
    """NEF: a thumbnail, below it the JPEG of all pixels and the sensor."""
    below = Below([pointed(preview), sensor(*size, compression=34713)])
    main = {0x010F: (2, "NIKON CORPORATION"), 0x0112: (3, orientation), 0x014A: (4, below)}
    return tiff_file({**thumbnail(), **main, **POINTERS}, order=">")


def adobe(*previews: tuple[bytes, int, int], orientation: int = 1) -> bytes:
    """DNG: a thumbnail, below it the sensor and previews of growing size."""
    below = Below([sensor(6000, 4000, compression=7), *(strip(*preview) for preview in previews)])
    main = {0x0112: (3, orientation), 0x014A: (4, below), 0xC612: (1, [1, 4, 0, 0])}
    return tiff_file({**thumbnail(), **main, **POINTERS})


def canon_2(preview: bytes, small: bytes) -> bytes:
    """CR2: the picture, its thumbnail, a small uncompressed one, the sensor as lossless JPEG."""
    readings = lossless(1600, 1200)
    raw = {0x0103: (3, 6), 0x0111: (4, Blob(readings)), 0x0117: (4, len(readings))}
    first = {tag: value for tag, value in strip(preview, 600, 400).items() if tag not in (0x00FE, 0x0106)}
    return tiff_file(
        {**first, 0x0103: (3, 6), 0x0112: (3, 6), **POINTERS},
        {0x0201: (4, Blob(small)), 0x0202: (4, len(small))},
        thumbnail(),
        raw,
        head=b"CR\2\0" + bytes(4),
    )


def sony(preview: bytes, full: bytes) -> bytes:
    """ARW: a preview first, below it the sensor, behind it the JPEG of all pixels."""
    main = {**pointed(preview), 0x0112: (3, 8), 0x014A: (4, Below([sensor(6000, 4000, compression=32767)]))}
    return tiff_file({**main, **POINTERS}, pointed(full))


def panasonic(preview: bytes) -> bytes:
    """RW2: a word of its own in place of 42, and the JPEG as a value."""
    main = {0x002E: (7, preview), 0x0112: (3, 6), 0x0111: (4, 0xFFFFFFFF), 0x0117: (4, 20_000_000)}
    return tiff_file({**main, **POINTERS}, word=0x55, head=bytes(16))


def olympus(preview: bytes, *, name: bytes = b"OLYMPUS\0II\3\0", word: int = 0x4F52) -> bytes:
    """ORF: the sensor first, and the JPEG where the maker note says, from whose start it counts."""
    writer = _Writer("<")
    writer.out += name
    settings = Below([{0x0101: (4, Blob(preview)), 0x0102: (4, len(preview))}])
    assert writer.chain([{0x2020: (13, settings)}]) == len(name)
    exif = Below([{**EXIF, 0x927C: (7, bytes(writer.out))}])
    main = {0x0100: (4, 4000), 0x0101: (4, 3000), 0x0103: (3, 1), 0x0112: (3, 6), 0x8769: (4, exif)}
    return tiff_file({**main, 0x8825: (4, Below([GPS]))}, word=word)


def fujifilm(preview: bytes) -> bytes:
    """RAF: a header that tells where the JPEG is, which has the EXIF."""
    head = b"FUJIFILMCCD-RAW 0201FF392201X-T3".ljust(84, b"\0")
    return head + struct.pack(">II", 148, len(preview)) + bytes(56) + preview + bytes(500)


def sigma(*jpegs: bytes) -> bytes:
    """X3F: sections, and at the end where their directory is."""
    out, entries = bytearray(b"FOVb\0\0\2\0".ljust(40, b"\0")), b""
    for data in (b"not a picture", *jpegs):
        section = b"SECi" + struct.pack("<IIIIII", 0x20000, 2, 18, 640, 480, 0) + data
        entries += struct.pack("<II", len(out), len(section)) + b"IMA2"
        out += section
    at = len(out)
    return (
        bytes(out) + b"SECd" + struct.pack("<II", 0x20000, len(jpegs) + 1) + entries + struct.pack("<I", at)
    )


def canon_3(preview: bytes, full: bytes | None, small: bytes, *, xmp: bytes = b"") -> bytes:
    """CR3: ISO media; EXIF in pieces, a preview in a box of its own, all pixels as a track's first sample."""
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    pieces = box(b"CMT1", tiff_file({0x0112: (3, 6), 0x010F: (2, "Canon")}))
    pieces += box(b"CMT2", tiff_file(EXIF)) + box(b"CMT4", tiff_file(GPS))
    pieces += full_box(b"THMB", struct.pack(">HHIHH", 160, 120, len(small), 1, 0) + small)
    ftyp = box(b"ftyp", b"crx \0\0\0\1crx isom")
    shown = struct.pack(">IHHHHI", 0, 1, 1620, 1080, 1, len(preview)) + preview
    behind = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp) if xmp else b""
    behind += box(b"uuid", bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16") + bytes(8) + box(b"PRVW", shown))

    def moov(at: int) -> bytes:
        sample = full or b""
        table = full_box(b"stsz", struct.pack(">II", len(sample), 1))
        table += full_box(b"co64", struct.pack(">IQ", 1, at))
        track = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", table))))
        return box(b"moov", box(b"uuid", canon + pieces) + track)

    at = len(ftyp) + len(moov(0)) + len(behind) + 8
    return ftyp + moov(at) + behind + box(b"mdat", (full or b"") + bytes(300))
