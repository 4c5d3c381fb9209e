"""When and where a photo was taken, read from EXIF, XMP and IPTC without ever failing.

Pillow's own reader parses everything, warns and raises; this one looks up a handful of tags, follows two
pointers and answers None for whatever makes no sense. Tag numbers are those of CIPA DC-008 (Exif 2.32).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from models.pictures.orientation import valid_orientation
from models.pictures.tiff_tags import Directory, Value, directories, integer, text_of

# The oldest surviving photograph; a scan may rightly carry an old date, a camera with an empty clock says
# year 0 or 1.
_FIRST_YEAR: Final = 1826
# Clocks differ; a photo from later than this after "now" was taken by a camera whose clock is wrong.
_FUTURE: Final = timedelta(days=1)
# How far the camera's clock and the satellite's may disagree and still prove a UTC offset, a multiple of 15
# minutes.
_CLOCK_TOLERANCE: Final = timedelta(minutes=2)
_QUARTER: Final = timedelta(minutes=15)

ORIENTATION_TAG: Final = 0x0112
_SOFTWARE, _MODIFIED = 0x0131, 0x0132
_ORIGINAL, _DIGITIZED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_FRACTION, _FRACTION_ORIGINAL, _FRACTION_DIGITIZED = 0x9290, 0x9291, 0x9292
_GPS_LATITUDE_REF, _GPS_LATITUDE, _GPS_LONGITUDE_REF, _GPS_LONGITUDE = 1, 2, 3, 4
_GPS_TIME, _GPS_DATE = 7, 29


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata blocks of a file as its container stores them, unread."""

    exif: bytes | None = None  # a TIFF structure, with or without the leading b"Exif\0\0"
    xmp: bytes | None = None  # an XML packet
    iptc: bytes | None = None  # IIM records (Photoshop resource 1028)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """When and where a photo was taken, as far as its file says so believably."""

    taken_at: datetime | None = (
        None  # aware if the instant is known, else naive: what a clock on the wall showed
    )
    offset_minutes: int | None = None  # minutes east of UTC at the place; None if the file does not tell
    latitude: float | None = None  # degrees north, -90..90; present exactly when longitude is
    longitude: float | None = None  # degrees east, -180..180


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The two tags that decide which way up a photo is."""

    orientation: int | None = None  # 1..8
    software: str = ""


def read_camera(metadata: Metadata) -> Camera:
    """Orientation (EXIF, else XMP) and firmware; empty if unreadable, never an error."""
    main, _, _ = directories(metadata.exif)
    orientation = valid_orientation(integer(main.get(ORIENTATION_TAG)))
    if orientation is None and (text := _xmp_property(metadata.xmp, "tiff:Orientation")):
        orientation = valid_orientation(int(text)) if text.isdecimal() and len(text) == 1 else None
    return Camera(orientation=orientation, software=text_of(main.get(_SOFTWARE)))


def read_capture(metadata: Metadata, *, now: datetime) -> Capture:
    """Time and place of capture; `now` is aware and bounds how late a believable photo can be. Never fails.

    Time: EXIF DateTimeOriginal, DateTimeDigitized, XMP, IPTC, EXIF DateTime, at last the satellites' own
    clock.
    """
    main, exif, gps = directories(metadata.exif)
    satellite = _satellite_time(gps) or _xmp_satellite_time(metadata.xmp)
    taken_at, offset_minutes = None, None
    for moment in _moments(main, exif, metadata):
        if not _believable(moment, now):
            continue
        taken_at = moment if moment.tzinfo else _placed(moment, satellite)
        if (offset := taken_at.utcoffset()) is not None:
            offset_minutes = round(offset.total_seconds() / 60)
        break
    else:
        if satellite and _believable(satellite, now):
            taken_at = satellite
    place = _place(gps) or _xmp_place(metadata.xmp)
    latitude, longitude = place or (None, None)
    return Capture(taken_at=taken_at, offset_minutes=offset_minutes, latitude=latitude, longitude=longitude)


def _moments(main: Directory, exif: Directory, metadata: Metadata) -> Iterator[datetime]:
    """Every readable time of capture, the most trustworthy first; aware if an offset comes with it."""
    offset = text_of(exif.get(_OFFSET))
    dated = (
        (exif.get(_ORIGINAL), exif.get(_FRACTION_ORIGINAL), text_of(exif.get(_OFFSET_ORIGINAL)) or offset),
        (exif.get(_DIGITIZED), exif.get(_FRACTION_DIGITIZED), text_of(exif.get(_OFFSET_DIGITIZED)) or offset),
    )
    for date, fraction, zone in dated:
        if moment := _moment(text_of(date), text_of(fraction), zone):
            yield moment
    for name in (
        "exif:DateTimeOriginal",
        "photoshop:DateCreated",
        "exif:DateTimeDigitized",
        "xmp:CreateDate",
    ):
        if moment := _moment(_xmp_property(metadata.xmp, name) or ""):
            yield moment
    if moment := _iptc_moment(metadata.iptc):
        yield moment
    if moment := _moment(text_of(main.get(_MODIFIED)), text_of(exif.get(_FRACTION)), offset):
        yield moment


_DATE_TIME = re.compile(
    r"(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})[T ]+"
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.(\d+))?\s*(Z|[+-]\d{2}:?\d{2})?$",
    re.ASCII,
)
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})$", re.ASCII)


def _moment(text: str, fraction: str = "", zone: str = "") -> datetime | None:
    """The moment of `2024:06:01 12:00:00` or an ISO form; `fraction` are the digits after the second."""
    if not (match := _DATE_TIME.match(text)):
        return None
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    digits = match[7] or (fraction if fraction.isdecimal() else "")
    try:
        return datetime(
            year,
            month,
            day,
            hour,
            minute,
            int(match[6] or 0),
            int(digits[:6].ljust(6, "0")),
            tzinfo=_zone(match[8] or zone),
        )
    except ValueError:
        return None


def _zone(text: str) -> timezone | None:
    if text == "Z":
        return UTC
    if not (match := _ZONE.match(text)):
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    if int(match[3]) > 59 or minutes > 14 * 60:  # Kiribati lives at +14:00, nobody further out
        return None
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))


def _believable(moment: datetime, now: datetime) -> bool:
    instant = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.year >= _FIRST_YEAR and instant <= now + _FUTURE


def _placed(local: datetime, satellite: datetime | None) -> datetime:
    """The wall clock's time with the offset from UTC that the satellites' time proves, if it proves one."""
    if satellite is None:
        return local
    difference = local - satellite.replace(tzinfo=None)
    offset = round(difference / _QUARTER) * _QUARTER
    if abs(difference - offset) > _CLOCK_TOLERANCE or not -12 <= offset / timedelta(hours=1) <= 14:
        return local
    return local.replace(tzinfo=timezone(offset))


def _satellite_time(gps: Directory) -> datetime | None:
    clock, date = gps.get(_GPS_TIME), text_of(gps.get(_GPS_DATE))
    if not isinstance(clock, tuple) or len(clock) != 3 or not all(0 <= part < 60 for part in clock):
        return None
    hour, minute, second = clock
    return _moment(f"{date} {int(hour):02}:{int(minute):02}:{int(second):02}", zone="Z")


def _place(gps: Directory) -> tuple[float, float] | None:
    latitude = _degrees(gps.get(_GPS_LATITUDE), text_of(gps.get(_GPS_LATITUDE_REF)), "NS", limit=90)
    longitude = _degrees(gps.get(_GPS_LONGITUDE), text_of(gps.get(_GPS_LONGITUDE_REF)), "EW", limit=180)
    return _fix(latitude, longitude)


def _fix(latitude: float | None, longitude: float | None) -> tuple[float, float] | None:
    """A position; exactly (0, 0) is what receivers write that have none."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _degrees(value: Value | None, hemisphere: str, hemispheres: str, *, limit: int) -> float | None:
    """Degrees, minutes, seconds as signed degrees; None without a hemisphere, which would be half a place."""
    if not isinstance(value, tuple) or not 1 <= len(value) <= 3:
        return None
    if len(hemisphere) != 1 or hemisphere.upper() not in hemispheres:
        return None
    degrees, minutes, seconds = (*value, 0.0, 0.0)[:3]
    if not (degrees >= 0 and 0 <= minutes <= 60 and 0 <= seconds <= 60):  # also refuses NaN
        return None
    total = degrees + minutes / 60 + seconds / 3600
    if total > limit:
        return None
    return -total if hemisphere.upper() == hemispheres[1] else total


def _xmp_property(xmp: bytes | None, name: str) -> str | None:
    """A simple property, written as attribute or as element; the packet is searched, not parsed."""
    if not xmp:
        return None
    match = re.search(name.encode() + rb"""(?:\s*=\s*["']|>)([^"'<>]{1,64})["'<]""", xmp)
    return match[1].decode("utf-8", "replace").strip() if match else None


def _xmp_satellite_time(xmp: bytes | None) -> datetime | None:
    moment = _moment(_xmp_property(xmp, "exif:GPSTimeStamp") or "", zone="Z")
    return moment.astimezone(UTC) if moment and moment.year > 1 else None


def _xmp_place(xmp: bytes | None) -> tuple[float, float] | None:
    def degrees(name: str, hemispheres: str, limit: int) -> float | None:
        text = _xmp_property(xmp, name) or ""
        if not re.fullmatch(r"[\d.]{1,20}(,[\d.]{1,20}){0,2}[NSEW]", text, re.ASCII):
            return None
        try:
            parts = tuple(float(part) for part in text[:-1].split(","))
        except ValueError:
            return None
        return _degrees(parts, text[-1], hemispheres, limit=limit)

    return _fix(degrees("exif:GPSLatitude", "NS", 90), degrees("exif:GPSLongitude", "EW", 180))


def _iptc_moment(iptc: bytes | None) -> datetime | None:
    """DateCreated (2:55, CCYYMMDD) with TimeCreated (2:60, HHMMSS±HHMM); it takes both."""
    records = dict(_iptc_records(iptc or b""))
    date, time = records.get(55, ""), records.get(60, "")
    if not re.fullmatch(r"\d{8}", date) or not re.fullmatch(r"\d{6}([+-]\d{4})?", time):
        return None
    text = f"{date[:4]}:{date[4:6]}:{date[6:]} {time[:2]}:{time[2:4]}:{time[4:6]}"
    # Writers that know no zone write +0000, so only another offset is information.
    return _moment(text, zone="" if time[6:] in ("+0000", "-0000") else time[6:])


def _iptc_records(iptc: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, dataset, length = struct.unpack_from(">BBH", iptc, at + 1)
        if length & 0x8000:  # an extended dataset: none of ours is that long
            return
        if record == 2:
            yield dataset, iptc[at + 5 : at + 5 + length].decode("ascii", "replace").strip(" \0")
        at += 5 + length
