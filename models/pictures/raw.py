"""Camera raw: the picture that the camera made of it and put into the file, with what the file says of it.

What the sensor saw is not developed here. A raw file holds JPEGs of several sizes, from a thumbnail to all
pixels; the largest is the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from models.errors import UnsupportedFormat
from models.pictures import isobmff, jpeg, tiff
from models.pictures.exif import Metadata
from models.pictures.orientation import swaps_sides, valid_orientation
from models.pictures.reading import length, piece
from models.pictures.tiff import Directory, Tiff

_LEAST_SIDE: Final = 400
"""Of a picture's longer side, in pixels. Cameras put thumbnails of up to 320 into their files, in which
neither faces nor text can be seen."""
_LONGEST_PACKET: Final = 1 << 20
_MOST_JPEGS: Final = 64  # cameras write five at most
_MOST_TRACKS: Final = (
    8  # of Canon's, which have four: the picture, what the sensor saw in two sizes, and notes
)

_DNG_VERSION: Final = 0xC612
_MAKER_NOTE: Final = 0x927C
_JPEG_OFFSET, _JPEG_BYTES = 0x0201, 0x0202
_PANASONICS_JPEG: Final = 0x002E
_JPEG_COMPRESSIONS: Final = (6, 7)
# What no picture is compressed by or shows: packed readings of a sensor, of Sony, Epson, Samsung, Panasonic,
# Nikon, Kodak and Pentax, and its colour filters one by one.
_SENSORS_COMPRESSIONS: Final = frozenset((32767, 32769, 32770, 32772, 34316, 34713, 65000, 65535))
_SENSORS_COLOURS: Final = frozenset((32803, 34892))
# Between the header and whatever comes next, which may be pixels of any value.
_PHASE_ONE: Final = frozenset((b"IIIITwaR", b"IIIICwaR", b"MMMMRawT", b"MMMMRawC"))
_OLYMPUS: Final = {b"OLYMPUS\0": 12, b"OM SYSTEM\0\0\0": 16}
"""How the maker notes begin that count from their own start, and where their directory is."""
_OLYMPUS_CAMERA, _OLYMPUS_PREVIEW, _OLYMPUS_PREVIEW_BYTES = 0x2020, 0x0101, 0x0102

_CANONS_BOX: Final = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANONS_PREVIEW: Final = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_XMP_BOX: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_UUID: Final = 16


Place = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A JPEG within a raw file: its place, its size, and what the file says of it and of the photo."""

    first_byte: int
    bytes: int
    frame: jpeg.Frame
    orientation: int | None
    """1..8, still to be applied; None if only the JPEG itself may tell."""
    metadata: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """What a raw file holds: places of what may be JPEGs, as (first byte, bytes), which their frames tell."""

    jpegs: tuple[Place, ...]
    orientation: int | None = None
    size: tuple[int, int] | None = None  # of what the sensor saw
    metadata: Metadata = field(default_factory=Metadata)


def preview_of(file: IO[bytes]) -> Preview | None:
    """The largest JPEG of a raw file; None if the file is no raw one.

    Reads headers alone. Raises UnsupportedFormat if there is none but a thumbnail.
    """
    raw = _read(file)
    if raw is None:
        return None
    size = length(file)
    best: Preview | None = None
    for at, count in tuple(dict.fromkeys(raw.jpegs))[:_MOST_JPEGS]:
        frame = jpeg.frame_of(file, at) if 0 < at < size and count > 0 else None
        if frame is None or (best and frame.width * frame.height <= best.frame.width * best.frame.height):
            continue
        best = Preview(
            first_byte=at,
            bytes=min(count, size - at),
            frame=frame,
            orientation=_to_be_applied(raw.orientation, frame, raw.size),
            metadata=raw.metadata,
        )
    if best is None or max(best.frame.width, best.frame.height) < _LEAST_SIDE:
        raise UnsupportedFormat("camera raw without a preview is not supported")
    return best


def _to_be_applied(orientation: int | None, frame: jpeg.Frame, sensor: tuple[int, int] | None) -> int | None:
    """The orientation, unless the preview was turned upright before it was put into the file."""
    if orientation is None or sensor is None or not swaps_sides(orientation):
        return orientation
    is_turned = (frame.width < frame.height) != (sensor[0] < sensor[1]) and frame.width != frame.height
    return 1 if is_turned else orientation


def _read(file: IO[bytes]) -> _Raw | None:
    head = piece(file, 0, 16)
    if head[4:12] == b"ftypcrx ":
        return _read_canon(file)
    if head.startswith(b"FUJIFILMCCD-RAW"):
        # Offset and length of a JPEG whose EXIF is that of the photo.
        place = piece(file, 84, 8)
        return _Raw(jpegs=((int.from_bytes(place[:4], "big"), int.from_bytes(place[4:], "big")),))
    if head.startswith(b"FOVb"):
        return _Raw(jpegs=tuple(_of_sigma(file)))
    return _read_tiff(file, head)


def _read_tiff(file: IO[bytes], head: bytes) -> _Raw | None:
    structure = Tiff(file)
    main = structure.main
    if main is None:
        return None
    every = list(structure.every_directory())
    sensor = [each for each in every if _is_of_a_sensor(structure, each)]
    if not (
        sensor
        or structure.word not in (42, 43)
        or (structure.first == 16 and head[8:11] == b"CR\2")
        or head[8:16] in _PHASE_ONE
        or _DNG_VERSION in main.values
    ):
        return None
    exif_at = structure.number(main, tiff.EXIF_DIRECTORY)
    exif = structure.directory(exif_at) if exif_at else None
    largest = max(sensor, key=structure.pixels, default=None)
    return _Raw(
        jpegs=(
            *(place for each in every for place in _jpegs_of(structure, each, sensor)),
            *(_of_olympus(structure, exif) if exif else ()),
        ),
        orientation=valid_orientation(structure.number(main, tiff.ORIENTATION)),
        size=structure.size(largest) if largest else None,
        metadata=Metadata(exif=tiff.exif_of(structure)),
    )


def _is_of_a_sensor(structure: Tiff, directory: Directory) -> bool:
    """Whether it holds what the sensor saw, not a picture."""
    return (
        structure.number(directory, tiff.PHOTOMETRIC) in _SENSORS_COLOURS
        or structure.number(directory, tiff.COMPRESSION) in _SENSORS_COMPRESSIONS
    )


def _jpegs_of(structure: Tiff, directory: Directory, sensor: list[Directory]) -> Iterator[Place]:
    ways = [(_JPEG_OFFSET, _JPEG_BYTES)]
    if structure.number(directory, tiff.COMPRESSION) in _JPEG_COMPRESSIONS and directory not in sensor:
        ways.append((tiff.STRIP_OFFSETS, tiff.STRIP_BYTES))
    for offset_tag, bytes_tag in ways:
        offset, count = structure.number(directory, offset_tag), structure.number(directory, bytes_tag)
        if offset is not None and count is not None:
            yield structure.base + offset, count
    if held := directory.values.get(_PANASONICS_JPEG):
        yield held.at, held.bytes


def _of_olympus(structure: Tiff, exif: Directory) -> Iterator[Place]:
    """The preview that Olympus tells of in its maker note alone."""
    note = exif.values.get(_MAKER_NOTE)
    if note is None:
        return
    head = piece(structure.file, note.at, 16)
    for name, directory_at in _OLYMPUS.items():
        if not head.startswith(name):
            continue
        inner = Tiff(structure.file, note.at, order=structure.order)
        settings = inner.directory(directory_at)
        camera_at = inner.number(settings, _OLYMPUS_CAMERA) if settings else None
        camera = inner.directory(camera_at) if camera_at else None
        if camera is None:
            return
        offset, count = inner.number(camera, _OLYMPUS_PREVIEW), inner.number(camera, _OLYMPUS_PREVIEW_BYTES)
        if offset and count:
            yield note.at + offset, count


def _of_sigma(file: IO[bytes]) -> Iterator[Place]:
    """The JPEGs among the sections that the directory at the end of the file lists."""
    at = int.from_bytes(piece(file, length(file) - 4, 4), "little")
    head = piece(file, at, 12)
    if not head.startswith(b"SECd"):
        return
    entries = piece(file, at + 12, 12 * min(int.from_bytes(head[8:12], "little"), 256))
    for entry in range(0, len(entries) - 11, 12):
        offset, count = (int.from_bytes(entries[entry + n : entry + n + 4], "little") for n in (0, 4))
        if entries[entry + 8 : entry + 11] == b"IMA" and count > 28:
            yield offset + 28, count - 28


def _read_canon(file: IO[bytes]) -> _Raw:
    """What Canon's newer raw files hold: ISO media, with EXIF in several pieces."""
    jpegs: list[Place] = []
    parts: dict[bytes, int] = {}
    xmp = None
    every = tuple(isobmff.boxes(file))
    if moov := next((box for box in every if box.kind == b"moov"), None):
        within = tuple(isobmff.boxes(file, moov.start, moov.end))
        if canons := _of_canon(file, within, _CANONS_BOX):
            for part in isobmff.boxes(file, canons.start + _UUID, canons.end):
                parts.setdefault(part.kind, part.start)
        for track in [box for box in within if box.kind == b"trak"][:_MOST_TRACKS]:
            jpegs += _sample_of(file, track)
    # Eight bytes, then a box of flags, size of the picture and length of the JPEG that follows.
    if (box := _of_canon(file, every, _CANONS_PREVIEW)) and (
        held := isobmff.first(file, b"PRVW", box.start + _UUID + 8, box.end)
    ):
        jpegs.append((held.start + 16, int.from_bytes(piece(file, held.start + 12, 4), "big")))
    if box := _of_canon(file, every, _XMP_BOX):
        xmp = piece(file, box.start + _UUID, min(box.end - box.start - _UUID, _LONGEST_PACKET)) or None
    main, exif, gps = (Tiff(file, parts.get(name, -1)) for name in (b"CMT1", b"CMT2", b"CMT4"))
    if main.main is None:
        return _Raw(jpegs=tuple(jpegs))
    inner_at = exif.number(exif.main, tiff.INTEROPERABILITY_DIRECTORY) if exif.main else None
    return _Raw(
        jpegs=tuple(jpegs),
        orientation=valid_orientation(main.number(main.main, tiff.ORIENTATION)),
        metadata=Metadata(
            exif=tiff.exif_block(
                main.order,
                main.entries(main.main.at),
                exif.entries(exif.main.at) if exif.main else {},
                gps.entries(gps.main.at) if gps.main else {},
                exif.entries(inner_at),
            ),
            xmp=xmp,
        ),
    )


def _of_canon(file: IO[bytes], among: Iterable[isobmff.Box], kind: bytes) -> isobmff.Box | None:
    """The first box that has this kind of name, which makers of cameras give to boxes of their own."""
    return next((box for box in among if box.kind == b"uuid" and piece(file, box.start, _UUID) == kind), None)


def _sample_of(file: IO[bytes], track: isobmff.Box) -> Iterator[Place]:
    """The first sample of a track, which is a JPEG of all pixels in the first one."""
    table = track
    for kind in (b"mdia", b"minf", b"stbl"):
        inner = isobmff.first(file, kind, table.start, table.end)
        if inner is None:
            return
        table = inner
    sizes = isobmff.first(file, b"stsz", table.start, table.end)
    if sizes is None:
        return
    same, _, each = (int.from_bytes(piece(file, sizes.start + at, 4), "big") for at in (4, 8, 12))
    for kind, width in ((b"co64", 8), (b"stco", 4)):
        if offsets := isobmff.first(file, kind, table.start, table.end):
            yield int.from_bytes(piece(file, offsets.start + 8, width), "big"), same or each
