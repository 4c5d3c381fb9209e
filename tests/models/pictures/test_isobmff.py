import struct

import pytest

from models.pictures.isobmff import container_turn


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
