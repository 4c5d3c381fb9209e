"""Pieces of an open file by their places in it, which is how the structures of files point at things."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from typing import IO


def piece(file: IO[bytes], at: int, count: int) -> bytes:
    """`count` bytes from `at` on; fewer, or none, where the file does not reach that far."""
    if at < 0 or count <= 0:
        return b""
    file.seek(at)
    return file.read(count)


def length(file: IO[bytes]) -> int:
    """How many bytes the file has."""
    return file.seek(0, io.SEEK_END)


def scratch_file() -> IO[bytes]:
    """A file that no directory lists, in memory where the system has such a thing."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("picture"), "w+b")
    else:  # noqa: RET505  # the type checker knows a platform check only by its two branches
        return tempfile.TemporaryFile()
