"""A download on its way in: in memory while small, in a temporary file when large, never beyond the limit."""

from __future__ import annotations

import asyncio
from tempfile import SpooledTemporaryFile
from typing import IO

import httpx

from worker.errors import StorageUnavailable, TooLarge

PLAIN = {"Accept-Encoding": "identity"}
"""Headers of a request whose body a spool will take."""
IN_MEMORY = 16 * 1024 * 1024
"""Bytes of one file kept in memory; this times the running jobs bounds what downloads hold."""


class Spool:
    """Collects at most `max_bytes`; whoever takes `file` closes it."""

    def __init__(self, max_bytes: int) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
        self._max_bytes = max_bytes
        self._size = 0

    def check(self, size: int) -> None:
        """Refuse `size` bytes before they are read.

        Raises:
            TooLarge: more than the limit.
        """
        if size > self._max_bytes:
            raise TooLarge(f"The file has more than {self._max_bytes} bytes")

    async def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self.check(self._size)
        if self._size > IN_MEMORY:
            await asyncio.to_thread(self.file.write, chunk)
        else:
            self.file.write(chunk)

    async def fill(self, response: httpx.Response) -> None:
        """Read the body of `response`, from the start of the file.

        Raises:
            TooLarge: by its header or by what really arrives.
            StorageUnavailable: compressed unasked; a few bytes could become gigabytes.
        """
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise StorageUnavailable("The server compressed the file although it was asked not to")
        announced = response.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit():
            self.check(int(announced))
        self.file.seek(0)
        self.file.truncate()
        self._size = 0
        async for chunk in response.aiter_raw():
            await self.write(chunk)
        self.file.seek(0)
