"""One file of a folder, looked at: what its content is, and what it says of the files that belong to it."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Literal

from models.errors import ImageError, NotAnImage, UnsupportedFormat
from models.pictures.siblings import Film, Still, read_film, read_still
from models.pictures.sniff import HEAD, Format, sniff

What = Literal["picture", "raw", "film", "sidecar"]

RAW_TYPES: Final = {
    ".3fr": "image/x-hasselblad-3fr",
    ".arw": "image/x-sony-arw",
    ".cr2": "image/x-canon-cr2",
    ".cr3": "image/x-canon-cr3",
    ".crw": "image/x-canon-crw",
    ".dng": "image/x-adobe-dng",
    ".erf": "image/x-epson-erf",
    ".fff": "image/x-hasselblad-fff",
    ".iiq": "image/x-phaseone-iiq",
    ".nef": "image/x-nikon-nef",
    ".nrw": "image/x-nikon-nrw",
    ".orf": "image/x-olympus-orf",
    ".pef": "image/x-pentax-pef",
    ".raf": "image/x-fuji-raf",
    ".raw": "image/x-raw",
    ".rw2": "image/x-panasonic-rw2",
    ".rwl": "image/x-leica-rwl",
    ".sr2": "image/x-sony-sr2",
    ".srw": "image/x-samsung-srw",
    ".x3f": "image/x-sigma-x3f",
}
"""Endings of camera raw: most of it is TIFF inside, so that only the name tells it from other TIFFs."""
STORED_AS: Final = {
    Format.JPEG: ("image/jpeg", ".jpg"),
    Format.HEIF: ("image/heic", ".heic"),
    Format.PHOTOSHOP: ("image/vnd.adobe.photoshop", ".psd"),
}
"""MIME type and ending of those formats whose names are neither."""
LONGEST_SIDECAR: Final = 4 << 20
"""Bytes; more is no description of a photo."""
TAKEOUT: Final = (b'"photoTakenTime"', b'"geoData"', b'"creationTime"')
"""A sidecar of Google's Takeout has these names."""
_FILM_BOXES: Final = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"))
_FILM_MAGIC: Final = (
    b"\x1a\x45\xdf\xa3",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"FLV\x01",
)
_GONE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ESTALE))


_STILL: Final = Still()
_FILM: Final = Film()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A file that may come into the library."""

    path: Path
    what: What
    mime_type: str
    ending: str
    """With its dot; stored files are named after their content and this."""
    size: int = 0
    modified: datetime | None = None
    """In UTC; None for a time that no calendar has."""
    still: Still = _STILL
    film: Film = _FILM
    refused: str | None = None
    """Why it cannot be a photo by itself, though it can be a part of one."""

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A file or folder that is no photo, or did not come in: a stable code (ERRORS.md), and why."""

    path: Path
    code: str
    reason: str


def look(path: Path, *, follow: bool = False) -> Look | Left:
    """See what a file is; blocks. `follow` is for links that somebody named, and meant."""
    try:
        with open_plain(path, follow=follow) as file:
            status = os.fstat(file.fileno())
            return _look(path, file, status)
    except OSError as error:
        return left_for(path, error)


class NotPlain(OSError):
    """What the path names is no file with bytes in it, but a pipe, a socket or a device."""


def open_plain(path: Path, *, follow: bool = False) -> IO[bytes]:
    """Open a file for reading without ever waiting for a pipe or a device that took its place.

    Raises:
        NotPlain: it is something else than a file.
        OSError: as `open` does; a link is refused unless `follow`.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlain(f"{path} is no file")
    return os.fdopen(descriptor, "rb")


def left_for(path: Path, error: OSError) -> Left:
    """Why a file or folder could not be read."""
    if isinstance(error, NotPlain) or error.errno in (errno.ENXIO, errno.EOPNOTSUPP):
        return Left(path=path, code="special", reason="it is a pipe, a socket or a device")
    if error.errno == errno.ELOOP:
        return Left(path=path, code="link", reason="it is a symbolic link")
    if error.errno in _GONE:
        return Left(path=path, code="not_found", reason="it is not there, or not any more")
    return Left(path=path, code="unreadable", reason=error.strerror or type(error).__name__)


def _look(path: Path, file: IO[bytes], status: os.stat_result) -> Look | Left:
    if status.st_size == 0:
        return Left(path=path, code="empty", reason="it has no bytes")
    head = file.read(HEAD)
    ending = path.suffix.lower()
    refused: ImageError | None = None
    kind: Format | None = None
    try:
        kind = sniff(head)
    except ImageError as error:
        refused = error
    may_be_raw = kind == Format.TIFF or isinstance(refused, UnsupportedFormat)

    def seen(what: What, mime_type: str, ending: str, *, still: Still = _STILL, film: Film = _FILM) -> Look:
        return Look(
            path=path,
            what=what,
            mime_type=mime_type,
            ending=ending,
            size=status.st_size,
            modified=_utc(status.st_mtime),
            still=still,
            film=film,
            refused=None if refused is None else str(refused),
        )

    if kind == "raw" or (ending in RAW_TYPES and may_be_raw):
        kept = ending if ending in RAW_TYPES else ".raw"
        return seen("raw", RAW_TYPES[kept], kept, still=read_still(file, None))
    if kind is not None:
        mime_type, ending = STORED_AS.get(kind, (f"image/{kind}", f".{kind}"))
        return seen("picture", mime_type, ending, still=read_still(file, kind))
    if is_film(head) and isinstance(refused, NotAnImage):
        is_mp4 = head[4:8] == b"ftyp" and head[8:12] != b"qt  "
        mime_type, ending = ("video/mp4", ".mp4") if is_mp4 else ("video/quicktime", ".mov")
        return seen("film", mime_type, ending, film=read_film(file))
    if (sidecar := _sidecar_type(file, ending, status.st_size)) is not None:
        return seen("sidecar", sidecar, ending)
    if is_other_video(head):
        return video(path)
    assert refused is not None
    return Left(path=path, code=refused.code, reason=str(refused))


def is_film(head: bytes) -> bool:
    """Whether it begins as QuickTime and MP4 do; HEIC and AVIF do, too, but `sniff` knows those."""
    return head[4:8] in _FILM_BOXES


def is_other_video(head: bytes) -> bool:
    """Whether it begins as Matroska, MPEG, Windows Media, Flash or AVI do, which are no part of any photo."""
    return head.startswith(_FILM_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def video(path: Path) -> Left:
    """Films wait for a worker that transcodes them."""
    return Left(path=path, code="video", reason="videos are not imported yet")


def _sidecar_type(file: IO[bytes], ending: str, size: int) -> str | None:
    """The MIME type of a file that describes a photo; None if this one does not."""
    if ending not in (".xmp", ".json") or size > LONGEST_SIDECAR:
        return None
    file.seek(0)
    content = file.read(LONGEST_SIDECAR)
    if ending == ".xmp":
        return "application/rdf+xml" if b"rdf:RDF" in content or b"x:xmpmeta" in content else None
    return "application/json" if any(name in content for name in TAKEOUT) else None


def _utc(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
