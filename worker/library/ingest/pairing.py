"""Which files of a folder are one photo: Live Photos, raw beside JPEG, bursts, and sidecars. Pure.

A pair that is missed is two photos; a false one hides a photo behind another. So names alone join nothing but
sidecars, and bursts whose names say BURST or COVER:

* **raw**: the same stem (`IMG_1.JPG` and `IMG_1.CR2`, `IMG_1.JPG.dng`, `IMG_1.dng.jpg`), and taken within two
  seconds by their EXIF; where one of them does not say, written within a minute.
* **live**: a film with the same content identifier as the picture, whatever their names; a different one on
  both never. Where one of them has none: the same stem (or Google's `X.MP` beside `X.MP.jpg`), at most six
  seconds long, and taken at the same time, in whatever zone; where one does not say, written within a minute.
* **burst**: the same burst identifier of Apple's, or names with the same burst mark, and by their EXIF taken
  within a minute of the cover. Names that could mean something else (Samsung's `20231207_101605_001.jpg`)
  need such a time, or to have been written together. The cover is who is called so, else the first.
* **sidecar**: `IMG.jpg.xmp` before `IMG.xmp`, which must have one photo to belong to; Takeout's `.json` by
  the whole name of its photo, however Takeout cut it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from worker.library.ingest.looking import RAW_TYPES, Left, Look, video

Kind = Literal["live", "raw", "burst", "sidecar"]

SAME_SHOT: Final = timedelta(seconds=2)
"""Between the raw and the JPEG of one press of the button."""
SAME_BURST: Final = timedelta(minutes=1)
SAME_WRITING: Final = timedelta(minutes=1)
"""Between the modification times of files that were written together."""
SAME_MOMENT: Final = timedelta(seconds=10)
"""Between a Live Photo and its film, which begins a second and a half earlier."""
ZONES: Final = timedelta(minutes=15)
"""All offsets from UTC are multiples of it."""
FARTHEST_ZONE: Final = timedelta(hours=15)
LONGEST_LIVE: Final = 6.0
"""Seconds; a Live Photo's film has three."""
CUT: Final = 46
"""Characters that Takeout leaves of a name before `.json`."""
SUPPLEMENT: Final = "supplemental-metadata"

_PICTURE: Final = "jpe?g|jpe|jfif|mpo|hei[cf]|hif|avif|webp|png|tiff?|gif|jxl"
_FILM: Final = "mov|mp4|m4v|mp|mv"
_RAW: Final = "|".join(ending[1:] for ending in RAW_TYPES)
_MEDIA: Final = re.compile(rf"(.+)\.({_PICTURE}|{_FILM}|{_RAW})", re.IGNORECASE | re.DOTALL)
_NUMBER: Final = re.compile(r"^(.*)(\(\d+\))$", re.DOTALL)
_BURSTS: Final = (
    # 00000IMG_00000_BURST20190830164840873_COVER (Nexus, Nothing), DSC_0035_BURST20230709220904977 (Sony)
    re.compile(r".*_BURST(?P<key>\d{13,17})(?P<cover>_COVER)?", re.ASCII),
    # IMG_20231014_183246_BURST001_COVER (Huawei, Oppo, Xiaomi)
    re.compile(r"(?P<key>.+)_BURST\d{1,4}(?P<cover>_COVER)?", re.ASCII),
    # PXL_20231026_210642603.RAW-01.COVER and .RAW-02.ORIGINAL (Pixel)
    re.compile(r"(?P<key>PXL_\d{8}_\d{9})\.[A-Z_]+-\d{2}\.(?:(?P<cover>COVER|MAIN)|ORIGINAL)", re.ASCII),
)
# 20231207_101605_001 (Samsung): any other series may be numbered like this.
_PERHAPS_BURST: Final = re.compile(r"(?P<key>\d{8}_\d{6})_\d{3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that belongs to a photo."""

    kind: Kind
    file: Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """What becomes one asset: a picture, and the files that belong to it."""

    main: Look
    parts: tuple[Part, ...] = ()
    again: bool = False
    """Whether the picture was given before, and is here for its parts."""


# By their names


def cluster(names: Iterable[str]) -> list[list[str]]:
    """Names of one folder, in order, put together where they may belong to one photo."""
    ordered = sorted(names)
    found: dict[str, list[str]] = {}
    for name in ordered:
        found.setdefault(_root(described_by(name, ordered) or name), []).append(name)
    return list(found.values())


def described_by(name: str, ordered: Sequence[str]) -> str | None:
    """The name of the file that a sidecar describes, for Takeout one of the sorted; None for no sidecar."""
    base, _, ending = name.rpartition(".")
    match ending.lower():
        case "xmp":
            return base
        case "json":
            return _described_by_takeout(base, ordered)
    return None


def _described_by_takeout(base: str, ordered: Sequence[str]) -> str | None:
    """By `IMG.jpg`, `IMG.jpg.supplemental-metadata` or a cut form of either, with `(1)` behind or not."""
    if _is_there(base, ordered):
        return base
    numbered = _NUMBER.match(base)
    plain, number = numbered.groups() if numbered else (base, "")
    whole, _, rest = plain.rpartition(".")
    for stem in (plain, whole if SUPPLEMENT.startswith(rest) else ""):
        first, dot, last = stem.rpartition(".")
        name = f"{first}{number}{dot}{last}"
        if stem and _is_there(name, ordered):
            return name
    if len(plain) >= CUT - 2 and not number:
        at = bisect_left(ordered, plain)
        alike = [name for name in ordered[at : at + 3] if name.startswith(plain) and _MEDIA.fullmatch(name)]
        return alike[0] if len(alike) == 1 else None
    return None


def _is_there(name: str, ordered: Sequence[str]) -> bool:
    at = bisect_left(ordered, name)
    return at < len(ordered) and ordered[at] == name and not name.lower().endswith((".json", ".xmp"))


def _root(name: str) -> str:
    """The name without the endings of media behind it; of a burst, what its names have in common."""
    stem = name
    while found := _MEDIA.fullmatch(stem):
        stem = found[1]
    mark = _mark(stem)
    return stem.casefold() if mark is None else f"{mark.key}\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """What a name says of a burst."""

    key: str
    is_cover: bool = False
    is_sure: bool = True


def _mark(stem: str) -> _Mark | None:
    for number, pattern in enumerate(_BURSTS):
        if found := pattern.fullmatch(stem):
            return _Mark(key=f"{number}{found['key']}", is_cover=found["cover"] is not None)
    if found := _PERHAPS_BURST.fullmatch(stem):
        return _Mark(key=found["key"], is_sure=False)
    return None


# By what is in them


@dataclass(slots=True)
class Pairing:
    """The pairing of one folder, cluster by cluster; Apple's identifiers hold between clusters, too."""

    _covers: dict[str, Look] = field(default_factory=dict)
    """By burst identifier."""
    _stills: dict[str, Look] = field(default_factory=dict)
    """By content identifier, those without a film yet."""
    _films: list[Look] = field(default_factory=list)
    """With a content identifier, and without a picture yet."""

    def add(self, files: Sequence[Look]) -> tuple[list[Photo], list[Left]]:
        """The photos of a cluster, and what is no photo and belongs to none."""
        photos = _bursts([file for file in files if file.what == "picture"])
        photos, left = _add_raws(photos, [file for file in files if file.what == "raw"])
        photos, alone = self._add_films(photos, [file for file in files if file.what == "film"])
        photos, unused = _add_sidecars(photos, [file for file in files if file.what == "sidecar"])
        return [self._within_burst(photo) for photo in photos], [*left, *alone, *unused]

    def finish(self) -> tuple[list[Photo], list[Left]]:
        """What the films that are left belong to, now that the whole folder has been seen."""
        photos, left = [], []
        for film in self._films:
            still = self._stills.pop(film.film.content_id or "", None)
            if still is None:
                left.append(video(film.path))
            else:
                photos.append(Photo(main=still, parts=(Part(kind="live", file=film),), again=True))
        return photos, left

    def _within_burst(self, photo: Photo) -> Photo:
        burst_id = photo.main.still.burst_id
        if not burst_id or photo.main.what != "picture":
            return photo
        cover = self._covers.setdefault(burst_id, photo.main)
        if cover is photo.main:
            return photo
        return Photo(main=cover, parts=(Part(kind="burst", file=photo.main), *photo.parts), again=True)

    def _add_films(self, photos: Sequence[Photo], films: Sequence[Look]) -> tuple[list[Photo], list[Left]]:
        found, left = list(photos), []
        for film in films:
            at = next((at for at, photo in enumerate(found) if _is_live(photo, film)), None)
            if at is not None:
                found[at] = _with(found[at], "live", film)
            elif film.film.content_id:
                self._films.append(film)
            else:
                left.append(video(film.path))
        for photo in found:
            if photo.main.still.content_id and not _has(photo, "live"):
                self._stills.setdefault(photo.main.still.content_id, photo.main)
        return found, left


def _bursts(pictures: Sequence[Look]) -> list[Photo]:
    """The pictures, each a photo or part of a burst."""
    photos: list[Photo] = []
    series: dict[str, list[tuple[bool, Look]]] = {}
    for picture in pictures:
        mark = _mark(_stem(picture))
        if mark is None:
            photos.append(Photo(main=picture))
        else:
            series.setdefault(mark.key, []).append((not mark.is_cover, picture))
    for members in series.values():
        # A sort by whether it is the cover leaves the rest in order of their names.
        (_, cover), *others = sorted(members, key=lambda member: member[0])
        parts = [picture for _, picture in others if _is_of_burst(cover, picture)]
        photos.append(Photo(main=cover, parts=tuple(Part(kind="burst", file=part) for part in parts)))
        photos += [Photo(main=picture) for _, picture in others if picture not in parts]
    return photos


def _is_of_burst(cover: Look, picture: Look) -> bool:
    if cover.still.taken and picture.still.taken:
        return abs(cover.still.taken - picture.still.taken) <= SAME_BURST
    mark = _mark(_stem(picture))
    return (mark is not None and mark.is_sure) or _were_written_together(cover, picture)


def _add_raws(photos: Sequence[Photo], raws: Sequence[Look]) -> tuple[list[Photo], list[Left]]:
    found: list[Photo] = list(photos)
    left: list[Left] = []
    for raw in raws:
        at = next((at for at, photo in enumerate(found) if _is_raw_of(photo, raw)), None)
        if at is not None:
            found[at] = _with(found[at], "raw", raw)
        elif raw.refused is None:
            found.append(Photo(main=raw))
        else:
            left.append(Left(path=raw.path, code="unsupported_format", reason=raw.refused))
    return found, left


def _is_raw_of(photo: Photo, raw: Look) -> bool:
    if photo.main.what != "picture":
        return False
    mark, other = _mark(_stem(photo.main)), _mark(_stem(raw))
    is_marked = mark is not None and other is not None and mark.is_sure and mark.key == other.key
    if not is_marked and not _share_stem(photo.main, raw):
        return False
    if photo.main.still.taken and raw.still.taken:
        return abs(photo.main.still.taken - raw.still.taken) <= SAME_SHOT
    return _were_written_together(photo.main, raw)


def _is_live(photo: Photo, film: Look) -> bool:
    still = photo.main.still
    if photo.main.what != "picture" or _has(photo, "live"):
        return False
    if still.content_id and film.film.content_id:
        return still.content_id == film.film.content_id
    seconds = film.film.seconds
    if not _share_stem(photo.main, film) or seconds is None or seconds > LONGEST_LIVE:
        return False
    if still.taken and film.film.made:
        return _is_same_moment(still.taken, film.film.made)
    return _were_written_together(photo.main, film)


def _is_same_moment(local: datetime, utc: datetime) -> bool:
    """Whether a clock on the wall somewhere showed the one when it was the other in UTC."""
    apart = abs(local - utc)
    rest = apart % ZONES
    return apart <= FARTHEST_ZONE and min(rest, ZONES - rest) <= SAME_MOMENT


def _were_written_together(one: Look, other: Look) -> bool:
    return (
        one.modified is not None
        and other.modified is not None
        and abs(one.modified - other.modified) <= SAME_WRITING
    )


def _add_sidecars(photos: Sequence[Photo], sidecars: Sequence[Look]) -> tuple[list[Photo], list[Left]]:
    found, left = list(photos), []
    names = sorted(file.name for photo in photos for file in _files(photo))
    for sidecar in sidecars:
        whole = described_by(sidecar.name, names) or ""
        owners = [at for at, photo in enumerate(found) if any(file.name == whole for file in _files(photo))]
        if not owners and sidecar.ending == ".xmp":
            owners = [
                at
                for at, photo in enumerate(found)
                if any(_stem(file).casefold() == whole.casefold() for file in _files(photo))
            ]
        if len(owners) == 1:
            found[owners[0]] = _with(found[owners[0]], "sidecar", sidecar)
        else:
            reason = (
                "it describes a file that is not here" if not owners else "it may describe several photos"
            )
            left.append(Left(path=sidecar.path, code="sidecar", reason=reason))
    return found, left


def _share_stem(picture: Look, other: Look) -> bool:
    """`IMG_1.JPG` and `IMG_1.CR2`, `IMG_1.JPG.dng`, `IMG_1.dng.jpg`; `PXL_1.MP.jpg` and `PXL_1.MP`."""
    stems = {_stem(picture).casefold(), picture.name.casefold()}
    return _stem(other).casefold() in stems or other.name.casefold() in stems


def _stem(file: Look) -> str:
    return file.path.stem


def _files(photo: Photo) -> list[Look]:
    return [photo.main, *(part.file for part in photo.parts)]


def _has(photo: Photo, kind: Kind) -> bool:
    return any(part.kind == kind for part in photo.parts)


def _with(photo: Photo, kind: Kind, file: Look) -> Photo:
    return replace(photo, parts=(*photo.parts, Part(kind=kind, file=file)))
