"""Arrays of numbers compiled into a shared object (ELF, 64 bits, little-endian), found by their symbols.

Nothing of it is run: it is read like any other file, on any system.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from models.errors import BadWeights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAGIC: Final = b"\x7fELF\x02\x01"
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_DYNAMIC_SYMBOLS: Final = 11
_NO_BITS: Final = 8
_OBJECT: Final = 1


class _Section(NamedTuple):
    kind: int
    address: int
    offset: int
    size: int
    link: int


def read_arrays(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Every exported object in the file, as flat arrays of float32 by name.

    Raises:
        BadWeights: the file is no such shared object, or is damaged.
    """
    import numpy as np

    stored = path.read_bytes()
    if not stored.startswith(_MAGIC):
        raise BadWeights(f"{path.name} is no shared object of a 64-bit Linux")
    try:
        sections = _sections(stored)
        return {
            name: np.frombuffer(stored, "<f4", size // 4, _offset(sections, number, address, size))
            for name, number, address, size in _objects(stored, sections)
        }
    except (struct.error, ValueError, IndexError) as error:
        raise BadWeights(f"{path.name} is a damaged shared object: {error}") from error


def _sections(stored: bytes) -> list[_Section]:
    header = _HEADER.unpack_from(stored)
    start, size, count = header[6], header[11], header[12]
    found = []
    for i in range(count):
        _, kind, _, address, offset, length, link, *_ = _SECTION.unpack_from(stored, start + i * size)
        found.append(_Section(kind, address, offset, length, link))
    return found


def _objects(stored: bytes, sections: list[_Section]) -> Iterator[tuple[str, int, int, int]]:
    """The name, the number of the section, the address and the bytes of each object with content."""
    for table in sections:
        if table.kind != _DYNAMIC_SYMBOLS:
            continue
        names = sections[table.link].offset
        for start in range(table.offset, table.offset + table.size, _SYMBOL.size):
            name, kind, _, number, address, size = _SYMBOL.unpack_from(stored, start)
            if kind & 0xF == _OBJECT and 0 < number < len(sections) and sections[number].kind != _NO_BITS:
                begin = names + name
                yield stored[begin : stored.index(b"\0", begin)].decode("ascii"), number, address, size


def _offset(sections: list[_Section], number: int, address: int, size: int) -> int:
    section = sections[number]
    if not section.address <= address <= address + size <= section.address + section.size:
        raise ValueError("a symbol lies outside of its section")
    return address - section.address + section.offset
