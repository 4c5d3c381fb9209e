"""Raw files, documents and what a process of its own decodes, damaged; the same ones every time."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.models.pictures.documents import document, jpeg2000
from tests.models.pictures.mutations import ANY, OK, SALVAGED, Mutation, drawing
from tests.models.pictures.raws import (
    Below,
    adobe,
    canon_2,
    canon_3,
    fujifilm,
    jpeg,
    nikon,
    olympus,
    panasonic,
    sigma,
    sony,
    thumbnail,
    tiff_file,
)


def more_mutations() -> Iterator[Mutation]:
    """All of them."""
    chance = random.Random(20240602)
    large, small = jpeg(480, 320), jpeg(64, 48)
    raws = {
        "nef": nikon(large),
        "dng": adobe((small, 64, 48), (large, 480, 320)),
        "cr2": canon_2(large, small),
        "arw": sony(small, large),
        "rw2": panasonic(large),
        "orf": olympus(large),
        "raf": fujifilm(large),
        "x3f": sigma(small, large),
        "cr3": canon_3(small, large, small),
    }
    others = {
        "psd": document(drawing(161, 121).split(), depth=16, is_packed=True, resources={1058: b"II*\0"}),
        "tiff of a preview and more": tiff_file(
            {**thumbnail(), 0x014A: (4, Below([{**thumbnail(60, 40), 0x00FE: (4, 0)}]))}
        ),
    }
    for name, data in {**raws, **others}.items():
        yield Mutation(f"{name} as it is", data, OK)
        for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
            yield Mutation(f"{name} cut at {share:.0%}", data[: int(len(data) * share)], ANY)
        for number in range(10):
            yield Mutation(f"{name} flip {number}", _with_bits(data, chance, 1), ANY)
            yield Mutation(f"{name} flips {number}", _with_bits(data, chance, 30), ANY)
        yield Mutation(f"{name} zeroed from its middle", data[: len(data) // 2].ljust(len(data), b"\0"), ANY)
    apart = jpeg2000(drawing())
    yield Mutation("jpeg 2000", apart, OK)
    yield Mutation("jpeg 2000 cut at half", apart[: len(apart) // 2], SALVAGED)
    for number in range(3):
        yield Mutation(f"jpeg 2000 flips {number}", _with_bits(apart, chance, 5), ANY)
    yield Mutation("jpeg xl cut in its header", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x20jxlc\xff\x0a\xdd", ANY)


def _with_bits(data: bytes, chance: random.Random, count: int) -> bytes:
    """With bits changed, mostly where the structure is."""
    changed = bytearray(data)
    for _ in range(count):
        at = chance.randrange(min(600, len(data)) if chance.random() < 0.8 else len(data))
        changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)
