"""Readers of one file do not disturb each other, nor does its end disturb them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO

import pytest

from worker.files.views import view

DATA = bytes(range(256)) * 1000


def in_memory() -> IO[bytes]:
    return io.BytesIO(DATA)


def on_disk() -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115  # the test closes it
    file.write(DATA)
    file.flush()
    return file


@pytest.mark.parametrize("make", [in_memory, on_disk])
def test_each_reader_has_its_own_position(make: Callable[[], IO[bytes]]) -> None:
    with make() as file:
        file.seek(7)
        with view(file) as one, view(file) as other:
            assert one.read(10) == DATA[:10]
            one.seek(-5, os.SEEK_END)
            other.seek(300)
            other.seek(-100, os.SEEK_CUR)
            assert (one.read(), other.read(4), other.tell()) == (DATA[-5:], DATA[200:204], 204)
            assert other.read() == DATA[204:]
            assert (one.read(), other.read()) == (b"", b"")
        assert file.tell() == 7


@pytest.mark.parametrize("make", [in_memory, on_disk])
def test_reader_outlives_the_file(make: Callable[[], IO[bytes]]) -> None:
    file = make()
    reader = view(file)
    file.close()
    with on_disk() as somebody_elses:  # takes the number of the descriptor that became free
        somebody_elses.write(bytes(len(DATA)))
        assert reader.read() == DATA
    reader.close()
    reader.close()
