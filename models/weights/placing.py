"""Whole files put where they belong: members of archives, room on the disk, a name at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from models.errors import BadWeights
from models.weights.archives import BROKEN, open_member

PIECE: Final = 1024 * 1024
LARGEST: Final = 32 * 1024**3
"""Bytes, of a file that nobody knows the size of."""
SPARE: Final = 64 * 1024**2
"""Bytes left free on the disk."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be had from a URL."""

    target: Path
    member: str | None
    """In the archive at the URL, where that is one."""
    sha256: str | None
    size: int | None
    archive_sha256: str | None = None
    """Of all that is at the URL, where that is an archive; it is checked before anything is unpacked."""

    @property
    def whole(self) -> str | None:
        """The digest of all that is at the URL, if it is known."""
        return self.sha256 if self.member is None else self.archive_sha256


def unpack(archive: Path, file: Wanted) -> str:
    """Write one member of an archive to its target. Only the member's content comes from the archive."""
    unpacked = file.target.with_name(f".{file.target.name}.part")
    try:
        with open_member(archive, file.member or "") as (size, content):
            limit = LARGEST if file.size is None else file.size
            if size > limit or (file.size is not None and size != file.size):
                raise BadWeights(f"{file.member} has {size} bytes, expected {limit}")
            file.target.parent.mkdir(parents=True, exist_ok=True)
            check_room(file.target.parent, size)
            with unpacked.open("wb") as plain:
                digest = _copy(content, plain, size)
        if file.sha256 is not None and digest != file.sha256:
            raise wrong_digest(file.target.name, archive.name[1:].removesuffix(".part"), file.sha256, digest)
        put(unpacked, file.target)
        return digest
    except BROKEN as error:
        raise BadWeights(f"{file.target.name} cannot be unpacked: {error}") from error
    finally:
        unpacked.unlink(missing_ok=True)


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> str:
    """Copy exactly `size` bytes, whatever an archive says."""
    digest, copied = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        copied += len(piece)
        if copied > size:
            break
        digest.update(piece)
        target.write(piece)
    if copied != size:
        raise BadWeights(f"the archive announced {size} bytes and holds another number")
    return digest.hexdigest()


def put(part: Path, target: Path) -> None:
    """Give a whole file its name, so that it stays whole when the power fails."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_room(folder: Path, wanted: int) -> None:
    """Raises OSError (ENOSPC) where `wanted` bytes would fill the disk."""
    free = shutil.disk_usage(folder).free
    if wanted + SPARE > free:
        raise OSError(errno.ENOSPC, f"{wanted / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB free")


def wrong_digest(name: str, source: str, expected: str, found: str) -> BadWeights:
    """The error for a file whose SHA-256 is another than expected."""
    return BadWeights(f"{name} from {source} has SHA-256 {found}, expected {expected}; it was not kept")
