import struct

import pytest

from models.pictures.exif import Metadata, read_camera
from tests.models.pictures.mutations import Entry, exif_of
from tests.models.pictures.packets import xmp_of


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ((0x0112, 3, 1, 6), 6),
        ((0x0112, 4, 1, 6), 6),
        ((0x0112, 1, 1, 6), 6),
        ((0x0112, 3, 1, 0), None),
        ((0x0112, 3, 1, 9), None),
        ((0x0112, 3, 2, 6), None),
        ((0x0112, 2, 2, b"6\0"), None),
        ((0x0112, 3, 0xFFFFFFFF, 6), None),
    ],
)
def test_an_orientation_is_one_whole_number_from_1_to_8(entry: Entry, expected: int | None) -> None:
    assert read_camera(Metadata(exif=exif_of([entry]))).orientation == expected


def test_big_endian_is_read_too() -> None:
    block = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)

    assert read_camera(Metadata(exif=block)).orientation == 6


@pytest.mark.parametrize(
    ("written", "expected"), [("6", 6), ("9", None), ("66", None), ("x", None), ("", None)]
)
def test_a_packet_tells_the_orientation_if_exif_does_not(written: str, expected: int | None) -> None:
    packet = xmp_of(f'tiff:Orientation="{written}"')
    assert read_camera(Metadata(xmp=packet)).orientation == expected
    assert read_camera(Metadata(exif=exif_of([(0x0112, 3, 1, 3)]), xmp=packet)).orientation == 3


def test_the_orientation_of_an_earlier_file_is_not_this_ones() -> None:
    history = '<xmpMM:DerivedFrom tiff:Orientation="6"/>'
    assert read_camera(Metadata(xmp=xmp_of("", history))).orientation is None
