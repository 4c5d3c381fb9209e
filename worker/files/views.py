"""Several readers of one open file, each with a position of its own."""

from __future__ import annotations

import io
import os
from typing import IO, Any


def view(file: IO[bytes]) -> IO[bytes]:
    """Another reader of `file`, at position 0, which takes no memory; `file` may be closed before it."""
    if isinstance(file, io.BytesIO):
        return io.BytesIO(file.getvalue())  # which shares the bytes, as long as nobody writes
    return io.BufferedReader(_Raw(file.fileno()))


class _Raw(io.RawIOBase):
    """Reads a descriptor by position, which leaves the descriptor's own alone."""

    def __init__(self, descriptor: int) -> None:
        # Its own: the number of one that another closes may soon be that of somebody else's file.
        self._descriptor = os.dup(descriptor)
        self._at = 0

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size()}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        count = os.preadv(self._descriptor, [buffer], self._at)
        self._at += count
        return count

    def readall(self) -> bytes:
        """At once, where the base class would read piece by piece."""
        data = bytearray(max(0, self._size() - self._at))
        rest = memoryview(data)
        while rest and (count := self.readinto(rest)):
            rest = rest[count:]
        return bytes(data[: len(data) - len(rest)])

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size
