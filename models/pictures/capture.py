"""When, where and by what a photo was taken, from all that its file, the files beside it and its name say.

A time counts by what it means, not by where it is written: when the picture was taken ("original"), when it
became a file ("digitised", as by a scanner), what satellites told the camera, when the file was changed; then
what sidecars know, the date in the file's name, and the time that a disk had for the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final

from models.pictures import iptc
from models.pictures.cameras import camera_name
from models.pictures.exif import Metadata, of_satellites, read_exif
from models.pictures.file_names import moment_in_name
from models.pictures.moments import Moment, Precision, instant, read_mail_date, read_moment
from models.pictures.offsets import SAME_SHOT, proven_offset
from models.pictures.places import Place, place_of
from models.pictures.sidecars import read_sidecar
from models.pictures.xmp import EXIF, PHOTOSHOP, TIFF, XMP, read_xmp, text_of

_FIRST_DISK: Final = 1990
"""Before it lie the times that disks and archives have for files whose time nobody kept: 1970, 1980."""


class Source(StrEnum):
    """What said when a photo was taken."""

    ORIGINAL = "original"
    DIGITISED = "digitised"
    SATELLITE = "satellite"
    MODIFIED = "modified"
    SIDECAR = "sidecar"
    FILE_NAME = "file_name"
    FILE_TIME = "file_time"


class PlaceSource(StrEnum):
    """What said where a photo was taken."""

    FILE = "file"
    SIDECAR = "sidecar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known of a photo's file beside its bytes."""

    file_name: str = ""
    modified_at: datetime | None = None  # as its owner's disk had it; aware
    sidecars: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A moment, and what said so."""

    moment: Moment
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """When, where and by which camera a photo was taken, as far as anything says so believably."""

    times: Sequence[Told] = ()
    """The most trustworthy first. Whether one is over yet, is for the database's clock to say."""
    place: Place | None = None
    place_source: PlaceSource | None = None
    camera: str | None = None
    """Its maker and its model."""


def read_capture(metadata: Metadata, origin: Origin = Origin()) -> Capture:
    """Time, place and camera of capture of a picture with these blocks, from this file. Never fails."""
    sidecars = [read_sidecar(data) for data in origin.sidecars]
    own = _Dates.of(metadata)
    beside = _Dates.all(_Dates.of(Metadata(xmp=sidecar.xmp)) for sidecar in sidecars if sidecar.xmp)
    taken = [sidecar.taken for sidecar in sidecars if sidecar.taken]
    received = [sidecar.received for sidecar in sidecars if sidecar.received]
    places = [
        *((place, PlaceSource.FILE) for place in own.places),
        *((place, PlaceSource.SIDECAR) for place in beside.places),
        *((sidecar.place, PlaceSource.SIDECAR) for sidecar in sidecars if sidecar.place),
    ]
    place, place_source = places[0] if places else (None, None)
    satellites = next(iter((*own.satellites, *beside.satellites)), None)

    def placed(moment: Moment) -> Moment:
        return _placed(moment, satellites, place)

    modified = [placed(moment) for moment in own.modified]
    # The satellites vouch for a camera that wrote no other time: nobody has changed the file since.
    vouched = [
        moment
        for moment in modified
        if satellites and moment.at.tzinfo and abs(moment.at - satellites.at) <= SAME_SHOT
    ]
    ranks: tuple[tuple[Source, Iterable[Moment]], ...] = (
        (Source.ORIGINAL, _sharpest_first(own.original)),
        (Source.SIDECAR, _sharpest_first([*beside.original, *taken])),
        (Source.DIGITISED, _sharpest_first(own.digitised)),
        (Source.SIDECAR, _sharpest_first(beside.digitised)),
        (Source.MODIFIED, vouched),
        (Source.SATELLITE, own.satellites),
        (Source.SIDECAR, beside.satellites),
        (Source.MODIFIED, modified),
        (Source.SIDECAR, beside.modified),
        (Source.FILE_NAME, _some(moment_in_name(origin.file_name))),
        (Source.SIDECAR, received),
        (Source.FILE_TIME, _some(_of_disk(origin.modified_at))),
    )
    times = [Told(moment=placed(moment), source=source) for source, moments in ranks for moment in moments]
    return Capture(
        times=tuple(dict.fromkeys(times)),
        place=place,
        place_source=place_source,
        camera=next(iter((*own.cameras, *beside.cameras)), None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dates:
    """Believable moments by what they mean, positions and cameras, of the most trustworthy block first."""

    original: Sequence[Moment] = ()
    digitised: Sequence[Moment] = ()
    satellites: Sequence[Moment] = ()
    modified: Sequence[Moment] = ()
    places: Sequence[Place] = ()
    cameras: Sequence[str] = ()

    @classmethod
    def all(cls, parts: Iterable[_Dates]) -> _Dates:
        listed = list(parts)
        return cls(
            original=[moment for part in listed for moment in part.original],
            digitised=[moment for part in listed for moment in part.digitised],
            satellites=[moment for part in listed for moment in part.satellites],
            modified=[moment for part in listed for moment in part.modified],
            places=[place for part in listed for place in part.places],
            cameras=[camera for part in listed for camera in part.cameras],
        )

    @classmethod
    def of(cls, metadata: Metadata) -> _Dates:
        exif = read_exif(metadata.exif)
        properties = read_xmp(metadata.xmp or exif.xmp)
        records = metadata.iptc or iptc.records_of(exif.photoshop) or exif.iptc
        texts = metadata.texts

        def said(name: str) -> str:
            return text_of(properties.get(name))

        def xmp(name: str) -> Moment | None:
            return read_moment(said(name))

        def png(keyword: str) -> Moment | None:
            text = texts.get(keyword, "")
            return read_moment(text) or read_mail_date(text)

        own = cls(
            original=_some(
                exif.original,
                xmp(f"{EXIF}DateTimeOriginal"),
                xmp(f"{PHOTOSHOP}DateCreated"),
                iptc.created(records),
                png("exif:DateTimeOriginal"),
                png("Creation Time"),
            ),
            digitised=_some(
                exif.digitised,
                xmp(f"{EXIF}DateTimeDigitized"),
                xmp(f"{XMP}CreateDate"),
                iptc.digitised(records),
                png("exif:DateTimeDigitized"),
            ),
            satellites=_some(
                exif.satellites,
                of_satellites(read_moment(said(f"{EXIF}GPSTimeStamp"), zone="Z")),
            ),
            modified=_some(
                exif.modified, xmp(f"{TIFF}DateTime"), xmp(f"{XMP}ModifyDate"), png("exif:DateTime")
            ),
            places=[
                place
                for place in (
                    exif.place,
                    place_of(
                        said(f"{EXIF}GPSLatitude"),
                        said(f"{EXIF}GPSLatitudeRef"),
                        said(f"{EXIF}GPSLongitude"),
                        said(f"{EXIF}GPSLongitudeRef"),
                    ),
                )
                if place
            ],
            cameras=[
                camera
                for camera in (exif.camera, camera_name(said(f"{TIFF}Make"), said(f"{TIFF}Model")))
                if camera
            ],
        )
        return cls.all((own, cls.of(metadata.copy))) if metadata.copy else own


def _some(*moments: Moment | None) -> list[Moment]:
    return [moment for moment in moments if moment]


def _sharpest_first(moments: Sequence[Moment]) -> Sequence[Moment]:
    """The moments in their order, before them one that says more of the same day, month or year."""
    sharper = next((moment for moment in moments[1:] if moment.sharpens(moments[0])), None)
    return [sharper, *moments] if sharper else moments


def _placed(moment: Moment, satellites: Moment | None, place: Place | None) -> Moment:
    """A clock's time with the offset from UTC that the satellites' time proves, if it proves one."""
    if moment.at.tzinfo or moment.precision not in (Precision.SECOND, Precision.MINUTE):
        return moment
    offset = proven_offset(moment.at, satellites.at, place[1]) if satellites and place else None
    if offset is None:
        return moment
    return replace(
        moment, at=moment.at.replace(tzinfo=timezone(timedelta(minutes=offset))), offset_minutes=offset
    )


def _of_disk(modified_at: datetime | None) -> Moment | None:
    moment = instant(modified_at.timestamp()) if modified_at else None
    return moment if moment and moment.at.year >= _FIRST_DISK else None
