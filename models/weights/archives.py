"""One file out of an archive: a zip (packs, wheels) or a gzipped tar (source packages, npm's packages).

Only the file's content is taken from the archive; its path, owner, mode and kind count for nothing.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from models.errors import BadWeights

BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    RuntimeError,  # a password is needed, or a way of packing that zipfile does not know
    EOFError,
    ValueError,  # of a tar header's numbers
    IndexError,  # zipfile looks at the last character of a file without a name
    zlib.error,
    lzma.LZMAError,
)
"""What a damaged archive raises."""
_GZIP: Final = b"\x1f\x8b"
_MEMBERS: Final = 100_000
_AT_ONCE: Final = 4 * 1024**2
"""Bytes: more than any read for a file's content, and than any header of a tar that means well."""
_INFLATION: Final = 50
"""A tar has so many times the bytes of its packed form at most; weights can hardly be packed at all."""
_SMALL: Final = 64 * 1024**2
"""Bytes that a tar may have whatever its packed form has."""


@contextmanager
def open_member(archive: Path, name: str) -> Iterator[tuple[int, IO[bytes]]]:
    """The size and content of an archive's file of a name, or of the only one so called in whichever folder.

    Nothing makes sure that the content has the size that the archive announces.

    Raises:
        BadWeights: there is no such file, or there are several; or the archive is damaged.
        BROKEN: the archive is none, or is damaged.
    """
    with archive.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    try:
        with (_open_in_tar if packed else _open_in_zip)(archive, name) as found:
            yield found
    except OSError as error:
        # No disk says so: zipfile goes to a place before the file's beginning, or bz2 was given nonsense.
        if isinstance(error, BROKEN) or error.errno not in (None, errno.EINVAL):
            raise
        raise BadWeights(f"the archive cannot be unpacked: {error}") from error


@contextmanager
def _open_in_zip(path: Path, name: str) -> Iterator[tuple[int, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        files = [member for member in archive.infolist() if not member.is_dir()]
        member = files[_index([file.filename for file in files], name)]
        with archive.open(member) as content:
            yield member.file_size, content


@contextmanager
def _open_in_tar(path: Path, name: str) -> Iterator[tuple[int, IO[bytes]]]:
    limit = max(_SMALL, _INFLATION * path.stat().st_size)
    with gzip.open(path) as plain, tarfile.open(fileobj=cast("IO[bytes]", _Bounded(plain, limit))) as archive:
        files = _plain_files(archive)
        member = files[_index([file.name for file in files], name)]
        content = archive.extractfile(member)
        assert content is not None
        yield member.size, content


def _plain_files(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The members that are files with content of their own: no links, devices, folders or sparse files."""
    files, at = [], -1
    for count, member in enumerate(archive):
        if member.offset <= at or member.size < 0 or count >= _MEMBERS:
            raise BadWeights("the archive has members without end")
        at = member.offset
        if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
            files.append(member)
    return files


def _index(names: list[str], name: str) -> int:
    """The index of a file by its whole path, or else by its last part."""
    found = [i for i, one in enumerate(names) if one == name] or [
        i for i, one in enumerate(names) if one.rpartition("/")[2] == name
    ]
    if len(found) != 1:
        raise BadWeights(f"the archive holds {len(found)} files called {name}, expected one")
    return found[0]


class _Bounded:
    """What is unpacked from a gzip file, up to a limit; a tar's headers may ask for any number of bytes."""

    def __init__(self, plain: gzip.GzipFile, limit: int) -> None:
        self._plain, self._limit = plain, limit
        self.name = ""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _AT_ONCE:
            raise BadWeights("a header of the archive is not of any size that headers have")
        self._check(self._plain.tell() + size)
        return self._plain.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._plain.seek(position)

    def tell(self) -> int:
        return self._plain.tell()

    def _check(self, position: int) -> None:
        if not 0 <= position <= self._limit:
            raise BadWeights(f"the archive unpacks to more than {self._limit} bytes")
