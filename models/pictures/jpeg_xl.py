"""The size that a JPEG XL tells, by hand; `apart` decodes its pixels."""

from __future__ import annotations

from typing import IO, Final

from models.errors import Unreadable
from models.pictures import isobmff
from models.pictures.reading import piece

CODESTREAM: Final = b"\xff\x0a"
# ISO/IEC 18181-1, annex D.2: widths as ratios of the height.
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_BITS: Final = (9, 13, 18, 30)


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of the pixels, as stored. Raises Unreadable."""
    at = _codestream_of(file)
    bits = _Bits(piece(file, at + 2, 16)) if at is not None else None
    if bits is None:
        raise Unreadable("damaged JPEG XL: no codestream")
    is_small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if is_small else bits.take(_BITS[bits.take(2)]) + 1

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    times, parts = _RATIOS[ratio]
    return height * times // parts, height


def _codestream_of(file: IO[bytes]) -> int | None:
    """Where the codestream begins: at once, or in a box, of which there may be several."""
    if piece(file, 0, 2) == CODESTREAM:
        return 0
    for box in isobmff.boxes(file):
        at = {b"jxlc": box.start, b"jxlp": box.start + 4}.get(box.kind)
        if at is not None:
            return at if piece(file, at, 2) == CODESTREAM else None
    return None


class _Bits:
    """Numbers of some bits each, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        number = self._rest & (1 << count) - 1
        self._rest >>= count
        return number
