"""Directories of tags that say what they like: what makes no sense is passed over."""

from __future__ import annotations

import math
import struct

import pytest

from models.pictures.tiff_tags import Value, directories, integer, look_up, text_of
from tests.models.pictures.mutations import Entry, exif_of

TAG = 0x0110


def main(*entries: Entry) -> dict[int, Value]:
    return dict(directories(exif_of(list(entries)))[0])


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ((TAG, 1, 4, b"\x01\x02\x03\xff"), (1, 2, 3, 255)),
        ((TAG, 2, 6, b"Pixel\0"), "Pixel"),
        ((TAG, 2, 9, b" a \0 rest\0"), "a"),  # it ends with its first zero
        ((TAG, 2, 3, b"\xc3\xa9\0"), "é"),
        ((TAG, 2, 2, b"\xe9\0"), "\N{REPLACEMENT CHARACTER}"),
        ((TAG, 2, 1, b"\0"), ""),
        ((TAG, 3, 1, 6), (6,)),
        ((TAG, 3, 3, struct.pack("<3H", 1, 2, 65535)), (1, 2, 65535)),
        ((TAG, 4, 1, 2**32 - 1), (2**32 - 1,)),
        ((TAG, 5, 1, struct.pack("<2I", 1, 4)), (0.25,)),
        ((TAG, 7, 4, b"0231"), "0231"),  # undefined: as some cameras write text
        ((TAG, 9, 1, 2**32 - 1), (-1,)),
        ((TAG, 10, 1, struct.pack("<2i", -1, 4)), (-0.25,)),
        ((TAG, 11, 1, struct.pack("<f", 0.5)), (0.5,)),
        ((TAG, 12, 1, struct.pack("<d", 0.1)), (0.1,)),
        ((TAG, 13, 1, 8), (8,)),
    ],
)
def test_each_type_is_read_as_what_it_holds(entry: Entry, value: Value) -> None:
    assert main(entry) == {TAG: value}


def test_a_fraction_of_nothing_is_no_number() -> None:
    value = main((TAG, 5, 2, struct.pack("<4I", 0, 0, 1, 0)))[TAG]
    assert isinstance(value, tuple)
    assert math.isnan(value[0])
    assert value[1] == math.inf


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ((TAG, 3, 0, 0), "no value"),
        ((TAG, 0, 1, 0), "no type"),
        ((TAG, 6, 1, 0), "a type that nothing here needs"),
        ((TAG, 99, 1, 0), "a type that there is not"),
        ((TAG, 2, 257, b"x" * 257), "too long"),
        ((TAG, 4, 2**32 - 1, 8), "longer than any file"),
        ((TAG, 2, 40, 2**32 - 1), "beyond the end"),
        ((TAG, 12, 1, 60), "half beyond the end"),
    ],
)
def test_an_entry_that_makes_no_sense_is_passed_over(entry: Entry, why: str) -> None:
    assert main(entry, (0x0112, 3, 1, 6)) == {0x0112: (6,)}, why


def test_text_of_the_greatest_length_is_read() -> None:
    assert main((TAG, 2, 256, b"x" * 256)) == {TAG: "x" * 256}


def test_the_first_of_a_repeated_tag_counts_if_it_can_be_read() -> None:
    assert main((TAG, 3, 1, 1), (TAG, 3, 1, 2)) == {TAG: (1,)}
    assert main((TAG, 99, 1, 1), (TAG, 3, 1, 2)) == {TAG: (2,)}


def test_the_three_directories_are_told_apart() -> None:
    found = directories(exif_of([(TAG, 3, 1, 1)], [(TAG, 3, 1, 2)], [(TAG, 3, 1, 3)]))
    assert [directory[TAG] for directory in found] == [(1,), (2,), (3,)]


@pytest.mark.parametrize("pointer", [0, 4, 7, 10_000, 2**32 - 1])
def test_a_directory_that_is_nowhere_is_empty(pointer: int) -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, pointer, 0)
    main, exif, gps = directories(block)
    assert main == {0x8769: (pointer,)}
    assert (exif, gps) == ({}, {})


@pytest.mark.parametrize("headers", [0, 1, 3])
def test_headers_in_front_are_skipped(headers: int) -> None:
    block = exif_of([(TAG, 3, 1, 6)]).removeprefix(b"Exif\0\0")
    assert directories(b"Exif\0\0" * headers + block)[0] == {TAG: (6,)}


@pytest.mark.parametrize(
    "block", [None, b"", b"Exif\0\0", b"II*\0", b"II*\0\x08\0\0", b"MM*\0\0\0\0\x08\0\0", b"<x:xmpmeta/>"]
)
def test_what_is_no_tiff_has_no_tags(block: bytes | None) -> None:
    assert directories(block) == ({}, {}, {})


def test_a_count_that_lies_ends_with_the_block() -> None:
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 65535, TAG, 3, 1, 6)
    assert directories(block)[0] == {TAG: (6,)}


def test_no_more_than_a_thousand_entries_are_looked_at() -> None:
    many: list[Entry] = [(1, 3, 1, number) for number in range(1024)]
    assert main(*many) == {1: (0,)}
    assert main(*many, (TAG, 3, 1, 6)) == {1: (0,)}
    assert main(*many[1:], (TAG, 3, 1, 6)) == {1: (1,), TAG: (6,)}


@pytest.mark.parametrize(
    ("value", "number"), [((6,), 6), ((6, 7), None), ((6.0,), None), ("6", None), ((), None), (None, None)]
)
def test_an_integer_is_a_single_whole_number(value: Value | None, number: int | None) -> None:
    assert integer(value) == number


@pytest.mark.parametrize(("value", "text"), [("x", "x"), ((6,), ""), (None, "")])
def test_text_is_nothing_where_there_is_none(value: Value | None, text: str) -> None:
    assert text_of(value) == text


def test_one_value_is_looked_up_without_the_others() -> None:
    block = exif_of([(0x0112, 3, 1, 6)], [(0xA001, 3, 1, 2), (0x9003, 2, 20, b"2024:06:01 12:00:00\0")])
    assert look_up(block, 0x0112) == (6,)
    assert look_up(block, 0x8769, 0xA001) == (2,)
    assert look_up(block, 0x8769, 0x9003) == "2024:06:01 12:00:00"
    for nowhere in ((0x0113,), (0x8769, 0x0112), (0x8825, 1), (0x0112, 1), (0x8769, 0x9003, 1)):
        assert look_up(block, *nowhere) is None
    assert look_up(None, 0x0112) is None
    assert look_up(b"II*\0", 0x0112) is None
