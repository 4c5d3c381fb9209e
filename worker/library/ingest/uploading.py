"""Files named after their content and brought into Storage, within bounds of memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from worker.core.errors import StorageUnavailable, TimedOut, TooLarge
from worker.files.sources import ASSETS_BUCKET
from worker.files.storage import Files
from worker.library.ingest.looking import Left, Look, left_for, open_plain

AT_ONCE: Final = 4
"""Uploads under way at the same time."""
BYTES_AT_ONCE: Final = 128 * 1024 * 1024
"""Bytes of files in memory at the same time; a larger file goes alone."""
PIECE: Final = 1024 * 1024
MOST_REFUSED: Final = 20
"""Files refused one after the other, after which it is not their fault: a quota, or a full disk."""


class Changed(OSError):
    """A file is not what it was a moment ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A file on its way into the library, named after its content."""

    file: Look
    sha256: str
    key: str


def describe(file: Look, user_id: UUID, *, most: int, follow: bool = False) -> Original | Left:
    """Name a file of at most `most` bytes after its content; blocks."""
    if file.size > most:
        reason = f"it has {file.size} bytes, and a worker takes {most} (MAX_DOWNLOAD_BYTES)"
        return Left(path=file.path, code=TooLarge.code, reason=reason)
    try:
        with open_plain(file.path, follow=follow) as opened:
            sha256 = _digest(opened, file.size)
    except OSError as error:
        return _left_for(file.path, error)
    return Original(file=file, sha256=sha256, key=f"{user_id}/originals/{sha256}{file.ending}")


def _digest(opened: IO[bytes], size: int) -> str:
    """The SHA-256 of a file of that size, which is read no further, however much it grows."""
    digest, left = hashlib.sha256(), size + 1
    while piece := opened.read(min(PIECE, left)):
        digest.update(piece)
        left -= len(piece)
    if left != 1:
        raise Changed
    return digest.hexdigest()


def _left_for(path: Path, error: OSError) -> Left:
    if isinstance(error, Changed):
        return Left(path=path, code="changed", reason="it changes while it is read")
    return left_for(path, error)


class Uploads:
    """Uploads of one import: a few at a time, and as many bytes as memory is to hold."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._free = BYTES_AT_ONCE
        self._freed = asyncio.Condition()
        self._refused = 0

    async def upload(self, original: Original, *, follow: bool = False) -> Left | None:
        """Store a file; answers why it could not be.

        Raises:
            StorageUnavailable: Storage does not answer, or refuses everything, so that no file can be stored.
        """
        path = original.file.path
        async with self._gate, self._room(original.file.size):
            try:
                data = await asyncio.to_thread(_read_again, original, follow)
                await self._files.upload(ASSETS_BUCKET, original.key, data, original.file.mime_type)
            except OSError as error:
                return _left_for(path, error)
            except TooLarge as error:
                reason = f"it has {original.file.size} bytes, and Storage takes fewer"
                return Left(path=path, code=error.code, reason=reason)
            except (StorageUnavailable, TimedOut) as error:
                self._refused += 1
                if self._refused >= MOST_REFUSED or not await self._files.answers():
                    raise StorageUnavailable(str(error)) from error
                return Left(path=path, code=error.code, reason=str(error))
        self._refused = 0
        return None

    @asynccontextmanager
    async def _room(self, size: int) -> AsyncIterator[None]:
        """Wait until so many bytes may be in memory."""
        taken = min(size, BYTES_AT_ONCE)
        async with self._freed:
            await self._freed.wait_for(lambda: self._free >= taken)
            self._free -= taken
        try:
            yield
        finally:
            async with self._freed:
                self._free += taken
                self._freed.notify_all()


def _read_again(original: Original, follow: bool) -> bytes:
    """The bytes that were named: nothing else is stored under their name."""
    with open_plain(original.file.path, follow=follow) as opened:
        if os.fstat(opened.fileno()).st_size != original.file.size:
            raise Changed
        data = opened.read(original.file.size + 1)
    if hashlib.sha256(data).hexdigest() != original.sha256:
        raise Changed
    return data
