"""Pieces of an open file by their places in it, which is how the structures of files point at things."""

from __future__ import annotations

import io
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
