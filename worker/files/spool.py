"""A download on its way in: in memory while small, in a temporary file when large, never beyond the limit."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import io
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile, gettempdir, mkdtemp
from typing import IO

import httpx

from worker.core.errors import StorageUnavailable, TooLarge

PLAIN = {"Accept-Encoding": "identity"}
"""Headers of a request whose body a spool will take."""
IN_MEMORY = 16 * 1024 * 1024
"""Bytes of one file kept in memory; this times the running jobs bounds what downloads hold."""
_PREFIX = "kizu-spool-"
_FOLDER = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")  # as mkdtemp names it


def has_room() -> bool:
    """Whether the temporary folder takes as much as a download writes at once; blocks."""
    try:
        with TemporaryFile() as file:
            file.write(bytes(IN_MEMORY))
            file.flush()  # a raw write (`io.RawIOBase`) would put down a part and say nothing
    except OSError as error:
        return error.errno not in (errno.ENOSPC, errno.EDQUOT)
    return True


def version_of(response: httpx.Response) -> str | None:
    """What the server calls the version of the file it sends or describes; None if it does not say."""
    return response.headers.get("etag") or None


class Folder:
    """A new folder for one download that needs a name; only this user of the machine may look into it.

    It is locked while in use, which ends with the process however that ends. A process id in its name would
    not tell: in containers that share a temporary folder every worker has the same.
    """

    def __init__(self) -> None:
        while True:
            self.path = Path(mkdtemp(prefix=_PREFIX))
            with suppress(FileNotFoundError):  # another process took it for a leftover before it was locked
                self._lock = os.open(self.path, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                if self.path.exists():
                    return
                os.close(self._lock)

    def remove(self) -> None:
        """Delete the folder with what is in it; again does nothing; blocks."""
        shutil.rmtree(self.path, ignore_errors=True)
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


def remove_leftovers() -> None:
    """Remove the folders of processes that were killed before they could; blocks."""
    for path in Path(gettempdir()).iterdir():
        if _FOLDER.fullmatch(path.name):
            with suppress(OSError):  # locked, somebody else's, or gone
                lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if os.fstat(lock).st_uid == os.getuid():
                        shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(lock)


class Spool:
    """A buffer of at most `max_bytes`, handed over once with `take`; to be closed in any case.

    With a `path` all of it goes to that file, which whoever made its folder deletes.
    """

    def __init__(self, max_bytes: int, *, path: Path | None = None) -> None:
        self._max_bytes = max_bytes
        self._path = path
        self._size = 0
        # Kept as they come and joined once: a file in memory that grows piece by piece is copied over and
        # over, which takes longer than the download.
        self._pieces: list[bytes] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self.version: str | None = None
        """What the server that filled it calls this version of the file."""

    def check(self, size: int) -> None:
        """Refuse `size` bytes before they are read.

        Raises:
            TooLarge: more than the limit.
        """
        if size > self._max_bytes:
            raise TooLarge(f"The file has more than {self._max_bytes} bytes")

    async def write(self, piece: bytes) -> None:
        """Add `piece` to the end.

        Raises:
            TooLarge: it would be more than the limit.
        """
        self.check(self._size + len(piece))
        self._size += len(piece)
        if self._held + len(piece) > IN_MEMORY:
            await asyncio.to_thread(self._put_aside)
        self._pieces.append(piece)
        self._held += len(piece)

    async def fill(self, response: httpx.Response) -> None:
        """Read the body of `response`, in place of what there was.

        Raises:
            TooLarge: by its header or by what really arrives.
            StorageUnavailable: compressed unasked; a few bytes could become gigabytes.
        """
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise StorageUnavailable("The server compressed the file although it was asked not to")
        announced = response.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit():
            self.check(int(announced))
        self.close()
        self.version = version_of(response)
        async for piece in response.aiter_raw():
            await self.write(piece)

    async def take(self) -> IO[bytes]:
        """The whole file at position 0, which the caller closes."""
        if self._file is None and self._path is None:
            file: IO[bytes] = io.BytesIO(b"".join(self._pieces))
        else:
            file = await asyncio.to_thread(self._put_aside)
            self._file = None
            file.seek(0)
        self.close()
        return file

    def close(self) -> None:
        """Forget everything that was not taken."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._pieces.clear()
        self._size = self._held = 0

    def _put_aside(self) -> IO[bytes]:
        """Move what is in memory to the file; blocks."""
        if self._file is None:
            # Whoever takes it closes it.
            self._file = self._path.open("w+b") if self._path else TemporaryFile()  # noqa: SIM115
        self._file.writelines(self._pieces)
        self._pieces.clear()
        self._held = 0
        return self._file
