import struct

import pytest

from models.pictures.isobmff import colour_codes, container_turn


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


@pytest.mark.parametrize(("quarters", "orientation"), [(0, 1), (1, 8), (2, 3), (3, 6)])
def test_quarter_turns_are_told_as_orientations(quarters: int, orientation: int) -> None:
    turned = box(b"ftyp", b"heic") + box(b"meta", bytes(4) + box(b"irot", bytes([quarters])))

    assert container_turn(turned) == orientation


def test_mirroring_is_a_declaration_too() -> None:
    assert container_turn(box(b"meta", box(b"imir", b"\0"))) == 1


def test_the_properties_may_stand_behind_the_pixels() -> None:
    pixels = struct.pack(">I4sQ", 1, b"mdat", 16 + 30) + b"irot\x03".ljust(30)

    assert container_turn(box(b"ftyp", b"heic") + pixels + box(b"meta", box(b"irot", b"\x01"))) == 8


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
