"""What EXIF says of a photo: when it was taken and where, which way up it is. Nothing here ever fails.

Pillow's own reader parses everything, warns and raises; this one looks up a handful of tags, follows two
pointers and answers None for whatever makes no sense. Tag numbers are those of CIPA DC-008 (Exif 2.32).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from models.pictures.cameras import camera_name
from models.pictures.moments import Moment, Precision, read_moment
from models.pictures.orientation import valid_orientation
from models.pictures.places import Place, place_of
from models.pictures.tiff_tags import block, directories, integer, text_of
from models.pictures.xmp import TIFF, read_xmp
from models.pictures.xmp import text_of as xmp_text

ORIENTATION_TAG: Final = 0x0112
_MAKE, _MODEL = 0x010F, 0x0110
_SOFTWARE, _MODIFIED = 0x0131, 0x0132
_ORIGINAL, _DIGITISED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITISED = 0x9010, 0x9011, 0x9012
_FRACTION, _FRACTION_ORIGINAL, _FRACTION_DIGITISED = 0x9290, 0x9291, 0x9292
_GPS_LATITUDE_REF, _GPS_LATITUDE, _GPS_LONGITUDE_REF, _GPS_LONGITUDE = 1, 2, 3, 4
_GPS_TIME, _GPS_DATE = 7, 29
_XMP_BLOCK, _IPTC_BLOCK, _PHOTOSHOP_BLOCK = 0x02BC, 0x83BB, 0x8649
_FIRST_SATELLITES: Final = 1990
"""No camera had a receiver before; one without a fix says when the satellites' time began, in 1980."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata blocks of a file as its container stores them, unread."""

    exif: bytes | None = None  # a TIFF structure, with or without the leading b"Exif\0\0"
    xmp: bytes | None = None  # an XML packet
    iptc: bytes | None = None  # IIM records (Photoshop resource 1028)
    texts: Mapping[str, str] = field(default_factory=dict)  # of a PNG, by keyword
    copy: Metadata | None = None  # the same once more, as a PNG keeps what its original said


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The two tags that decide which way up a photo is."""

    orientation: int | None = None  # 1..8
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exif:
    """Moments, position and camera in a block of EXIF, and the blocks of other kinds within it."""

    original: Moment | None = None
    digitised: Moment | None = None
    modified: Moment | None = None
    satellites: Moment | None = None  # aware; the offset at the place is not what it tells
    place: Place | None = None
    camera: str = ""
    xmp: bytes | None = None
    iptc: bytes | None = None
    photoshop: bytes | None = None


def read_camera(metadata: Metadata) -> Camera:
    """Orientation (EXIF, else XMP) and firmware; empty if unreadable, never an error."""
    main, _, _ = directories(metadata.exif)
    orientation = valid_orientation(integer(main.get(ORIENTATION_TAG)))
    if orientation is None and metadata.xmp:
        text = xmp_text(read_xmp(metadata.xmp).get(f"{TIFF}Orientation"))
        orientation = valid_orientation(int(text)) if text.isdecimal() and len(text) == 1 else None
    return Camera(orientation=orientation, software=text_of(main.get(_SOFTWARE)))


def read_exif(data: bytes | None) -> Exif:
    """What a block of EXIF, or a TIFF file, says; empty if unreadable, never an error."""
    main, exif, gps = directories(data)
    offset = text_of(exif.get(_OFFSET))

    def moment(tag: int, fraction: int, zone: int) -> Moment | None:
        # Raw files keep in the main directory what belongs into that of EXIF.
        written = text_of(exif.get(tag)) or text_of(main.get(tag))
        return read_moment(written, text_of(exif.get(fraction)), text_of(exif.get(zone)) or offset)

    time, date = gps.get(_GPS_TIME), text_of(gps.get(_GPS_DATE))
    return Exif(
        original=moment(_ORIGINAL, _FRACTION_ORIGINAL, _OFFSET_ORIGINAL),
        digitised=moment(_DIGITISED, _FRACTION_DIGITISED, _OFFSET_DIGITISED),
        modified=moment(_MODIFIED, _FRACTION, _OFFSET),
        satellites=_satellites(date, time) if isinstance(time, tuple) and len(time) == 3 else None,
        place=place_of(
            gps.get(_GPS_LATITUDE),
            text_of(gps.get(_GPS_LATITUDE_REF)),
            gps.get(_GPS_LONGITUDE),
            text_of(gps.get(_GPS_LONGITUDE_REF)),
        ),
        camera=camera_name(text_of(main.get(_MAKE)), text_of(main.get(_MODEL))),
        xmp=block(data, _XMP_BLOCK),
        iptc=block(data, _IPTC_BLOCK),
        photoshop=block(data, _PHOTOSHOP_BLOCK),
    )


def of_satellites(moment: Moment | None) -> Moment | None:
    """An instant that satellites told, without the offset that UTC is written with."""
    if moment is None or moment.at.tzinfo is None or moment.at.year < _FIRST_SATELLITES:
        return None
    return replace(moment, offset_minutes=None)


def _satellites(date: str, time: tuple[float, ...]) -> Moment | None:
    hour, minute, second = time
    has_second = not math.isnan(second)
    if not all(0 <= part < 60 for part in (hour, minute, second if has_second else 0)):
        return None
    moment = read_moment(
        f"{date} {int(hour):02}:{int(minute):02}:{int(second if has_second else 0):02}", zone="Z"
    )
    if moment and not has_second:
        moment = replace(moment, precision=Precision.MINUTE)
    return of_satellites(moment)
