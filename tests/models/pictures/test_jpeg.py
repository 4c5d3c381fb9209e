"""A JPEG is walked by its segments, up to its end."""

from __future__ import annotations

import io
import struct
import threading
import time

import pytest

from models.errors import Unreadable
from models.pictures.jpeg import SCAN, Frame, end_of, frame_of, segments
from tests.models.pictures.mutations import drawing, encoded, samples


def scans(data: bytes) -> int:
    return sum(segment.marker == SCAN for segment in segments(io.BytesIO(data)))


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk"])
def test_a_jpeg_ends_at_its_end_whatever_follows(name: str) -> None:
    data = samples()[name]
    film = b"\xff\xda" * 1000 + b"\xff\xd9"
    assert end_of(io.BytesIO(data)) == len(data)
    assert end_of(io.BytesIO(data + film)) == len(data)
    assert scans(data + film) == scans(data)


def test_the_first_of_several_pictures_ends_where_the_second_begins() -> None:
    data = samples()["mpo"]
    end = end_of(io.BytesIO(data))
    assert end is not None
    assert data[end : end + 3] == b"\xff\xd8\xff"
    assert end_of(io.BytesIO(data), end) == len(data)


def test_a_picture_in_the_metadata_is_none_of_the_picture() -> None:
    data = encoded(drawing(), "JPEG")
    thumbnail = encoded(drawing(64, 48), "JPEG", progressive=True)
    with_thumbnail = data[:2] + segment(0xE1, b"Exif\0\0" + thumbnail) + data[2:]
    assert scans(with_thumbnail) == 1
    assert end_of(io.BytesIO(with_thumbnail)) == len(with_thumbnail)
    assert frame_of(io.BytesIO(with_thumbnail)) == Frame(width=160, height=120, is_progressive=False)


def test_a_jpeg_may_lie_anywhere_in_a_file() -> None:
    data = encoded(drawing(), "JPEG", progressive=True)
    file = io.BytesIO(b"raw " * 100 + data + b"raw")
    assert frame_of(file, 400) == Frame(width=160, height=120, is_progressive=True)
    assert end_of(file, 400) == 400 + len(data)
    assert frame_of(file) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff\xe0\0\0" + bytes(50),
        b"\xff\xd8" + b"\xff" * 50_000,
        b"\xff\xd8\xff\xda\0\x02" + bytes(50_000),
    ],
)
def test_a_jpeg_without_an_end_has_none(data: bytes) -> None:
    assert end_of(io.BytesIO(data)) is None
    assert frame_of(io.BytesIO(data)) is None


def test_lossless_pixels_are_none_that_are_decoded_here() -> None:
    data = encoded(drawing(), "JPEG")
    at = data.index(b"\xff\xc0")
    assert frame_of(io.BytesIO(data[: at + 1] + b"\xc3" + data[at + 2 :])) is None


def test_coded_data_of_many_windows_is_searched_to_its_end() -> None:
    coded = (b"\xff\0" + bytes(61) + b"\xff\xd3") * 100_000
    data = b"\xff\xd8" + segment(0xDA, bytes(6)) + coded + b"\xff\xd9"
    assert end_of(io.BytesIO(data)) == len(data)
    for cut in range(1, 40):  # the end marker lies on every side of a window's edge
        moved = b"\xff\xd8" + segment(0xDA, bytes(6)) + bytes((1 << 12) - cut) + b"\xff\xd9" + bytes(100)
        assert end_of(io.BytesIO(moved)) == len(moved) - 100


def test_segments_without_end_are_refused() -> None:
    with pytest.raises(Unreadable, match="more than 50000 segments"):
        end_of(io.BytesIO(b"\xff\xd8" + b"\xff\xe0\0\x02" * 60_000))


def test_other_threads_run_while_a_large_jpeg_is_walked() -> None:
    coded = b"\xff\0" * 20_000_000
    file = io.BytesIO(b"\xff\xd8" + segment(0xDA, bytes(6)) + coded + b"\xff\xd9")
    longest, stopped = 0.0, threading.Event()

    def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while not stopped.is_set():
            time.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        began = time.monotonic()
        assert end_of(file) is not None
        took = time.monotonic() - began
    finally:
        stopped.set()
        ticking.join()
    assert longest < max(0.1, took / 3)
