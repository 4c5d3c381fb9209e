"""Files of the ISO media container, made by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def full_box(kind: bytes, content: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + content)


def meta(
    properties: Sequence[bytes],
    associations: Sequence[tuple[int, Sequence[int]]],
    *,
    primary: int = 1,
    wide: bool = False,
    before: bytes = b"",
) -> bytes:
    """A `meta` box of properties and (item, numbers of its properties from 1); `wide` in large numbers."""
    table = struct.pack(">I", len(associations))
    for item, numbers in associations:
        table += struct.pack(">I" if wide else ">H", item) + bytes([len(numbers)])
        table += b"".join(
            struct.pack(">H", number | 0x8000) if wide else bytes([number | 0x80]) for number in numbers
        )
    return full_box(
        b"meta",
        before
        + full_box(b"pitm", struct.pack(">I" if wide else ">H", primary), version=int(wide))
        + box(
            b"iprp",
            box(b"ipco", b"".join(properties)) + full_box(b"ipma", table, version=int(wide), flags=int(wide)),
        ),
    )


def film(brand: bytes = b"mp42", samples: bytes = bytes(5000)) -> bytes:
    """The boxes of a film, if not what is in them."""
    return (
        box(b"ftyp", brand + bytes(4) + brand)
        + box(b"moov", full_box(b"mvhd", bytes(96)))
        + box(b"mdat", samples)
    )
