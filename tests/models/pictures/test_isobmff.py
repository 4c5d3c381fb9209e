import struct

import pytest

from models.pictures.isobmff import colour_codes, container_turn
from tests.models.pictures.boxes import box, full_box, meta

SIZE = box(b"ispe", bytes(4) + struct.pack(">II", 40, 30))
FTYP = box(b"ftyp", b"heic")


def turn(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("quarters", "orientation"), [(0, 1), (1, 8), (2, 3), (3, 6)])
def test_quarter_turns_are_told_as_orientations(quarters: int, orientation: int, wide: bool) -> None:
    turned = FTYP + meta([SIZE, turn(quarters)], [(1, [1, 2])], wide=wide)

    assert container_turn(turned) == orientation


def test_mirroring_is_a_declaration_too() -> None:
    assert container_turn(meta([SIZE, box(b"imir", b"\0"), turn(1)], [(1, [1, 2, 3])])) == 1


def test_the_properties_may_stand_behind_the_pixels() -> None:
    pixels = struct.pack(">I4sQ", 1, b"mdat", 16 + 30) + b"irot\x03".ljust(30)

    assert container_turn(FTYP + pixels + meta([turn(1)], [(1, [1])])) == 8


def test_what_another_picture_of_the_file_declares_is_its_own() -> None:
    """A thumbnail lies as the sensor saw it, the photo does not."""
    properties = [turn(3), SIZE, turn(1), box(b"imir", b"\0")]
    associations = [(7, [1, 4]), (20, [2, 3]), (21, [2])]

    assert container_turn(FTYP + meta(properties, associations, primary=20)) == 8
    assert container_turn(FTYP + meta(properties, associations, primary=7)) == 1
    assert container_turn(FTYP + meta(properties, associations, primary=21)) is None
    assert container_turn(FTYP + meta(properties, associations, primary=22)) is None


def test_a_name_of_four_letters_is_no_box() -> None:
    named = box(b"infe", b"\2\0\0\0\0\1\0\0hvc1irot\3 imir\0")

    assert container_turn(FTYP + meta([SIZE], [(1, [1])], before=box(b"iinf", named))) is None
    assert container_turn(FTYP + meta([box(b"uuid", b"irot\3 imir"), turn(1)], [(1, [1, 2])])) == 8


def test_numbers_of_properties_that_are_not_there_mean_nothing() -> None:
    assert container_turn(FTYP + meta([turn(1)], [(1, [0, 9, 100])])) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(100),
        b"\xff" * 100,
        box(b"meta", b""),
        box(b"meta", b"irot"),
        box(b"mdat", b"irot\x03"),
        box(b"meta", bytes(4) + turn(1)),
        meta([turn(1)], [(1, [1])])[:-3],
        meta([box(b"irot", b"")], [(1, [1])]),
    ],
)
def test_anything_else_declares_nothing(data: bytes) -> None:
    assert container_turn(data) is None


def coded(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 6, 0x80))


def meta_of(properties: list[bytes], primary: bytes, associations: bytes) -> bytes:
    inside = box(b"ipco", b"".join(properties)) + box(b"ipma", associations)
    return box(b"ftyp", b"heic") + box(b"meta", bytes(4) + box(b"pitm", primary) + box(b"iprp", inside))


PROFILE = box(b"colr", b"prof" + bytes(200))
PROPERTIES = [box(b"ispe", bytes(12)), coded(9, 16), PROFILE, coded(12, 13)]


@pytest.mark.parametrize("item", [1, 2, 7])
def test_code_points_are_those_of_the_primary_item(item: int) -> None:
    """Associations name properties by number from 1; the first bit says that one is essential."""
    narrow = struct.pack(">IIHBBBHBBBB", 0, 2, 1, 2, 1, 0x82, 2, 3, 1, 3, 4)
    data = meta_of(PROPERTIES, bytes(4) + struct.pack(">H", item), narrow)
    assert colour_codes(data) == {1: (9, 16), 2: (12, 13), 7: None}[item]


def test_code_points_of_files_with_many_items() -> None:
    wide = struct.pack(">IIIBHIBHH", 0x01000001, 2, 1, 1, 2, 70000, 2, 0x8001, 0x8004)
    data = meta_of(PROPERTIES, bytes((1, 0, 0, 0)) + struct.pack(">I", 70000), wide)
    assert colour_codes(data) == (12, 13)


def test_bytes_that_look_like_code_points_are_none() -> None:
    free = box(b"free", coded(9, 16))
    assert colour_codes(box(b"ftyp", b"heic") + free + box(b"meta", bytes(4) + free)) is None


def test_broken_properties_declare_no_colours() -> None:
    narrow = struct.pack(">IIHBBB", 0, 1, 1, 2, 1, 2)
    data = meta_of(PROPERTIES, bytes(4) + struct.pack(">H", 1), narrow)
    assert colour_codes(data) == (9, 16)
    for cut in range(len(data)):
        assert colour_codes(data[:cut]) in (None, (9, 16))
    for associations in (struct.pack(">II", 0, 0xFFFFFFFF), struct.pack(">IIHBB", 0, 1, 1, 1, 200), b""):
        assert colour_codes(meta_of(PROPERTIES, bytes(4) + struct.pack(">H", 1), associations)) is None


def test_a_table_ends_with_its_box() -> None:
    """Read to the file's end, each of thousands of tables would be a list of everything behind it."""
    table = full_box(b"ipma", struct.pack(">IHBB", 9, 7, 1, 1))
    stray = full_box(b"free", struct.pack(">HBB", 1, 1, 1))
    held = box(b"iprp", box(b"ipco", turn(1)) + table)
    pictures = full_box(b"meta", full_box(b"pitm", b"\0\1") + held + b"\0\1\1\1" * 20 + stray)

    assert container_turn(FTYP + pictures) is None
