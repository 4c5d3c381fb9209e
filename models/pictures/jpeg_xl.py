"""The size and the colours that a JPEG XL tells, by hand; `apart` decodes its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Final

from models.errors import Unreadable
from models.pictures import isobmff
from models.pictures.reading import piece
from models.pictures.spaces import BT_709, SRGB, Chromaticity, Primaries, Space, Transfer, coded_space

CODESTREAM: Final = b"\xff\x0a"
# ISO/IEC 18181-1, annex D.2: widths as ratios of the height.
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
# Annex B.2.2: four ways to write a number, as what it is at least and how many bits are added to that.
_SIDE: Final = ((1, 9), (1, 13), (1, 18), (1, 30))


_LONGEST_HEADER: Final = 4096  # bytes; more only where channels beyond the colours have long names
_ENUM: Final = ((0, 0), (1, 0), (2, 4), (18, 6))
_DEPTH: Final = ((8, 0), (10, 0), (12, 0), (1, 6))
_DEPTH_OF_FLOATS: Final = ((32, 0), (16, 0), (24, 0), (1, 6))
_CHANNELS: Final = ((0, 0), (1, 0), (2, 4), (1, 12))
_SHIFT: Final = ((0, 0), (3, 0), (4, 0), (1, 3))
_NAME: Final = ((0, 0), (0, 4), (16, 5), (48, 10))
_FILTER: Final = ((1, 0), (0, 2), (3, 4), (19, 8))
_PREVIEW_IN_BLOCKS: Final = ((16, 0), (32, 0), (1, 5), (33, 9))
_PREVIEW: Final = ((1, 6), (65, 8), (321, 10), (1345, 12))
_TICKS: Final = ((100, 0), (1000, 0), (1, 10), (1, 30))
_SECONDS: Final = ((1, 0), (1001, 0), (1, 8), (1, 10))
_LOOPS: Final = ((0, 0), (0, 3), (0, 16), (0, 32))
_COORDINATE: Final = ((0, 19), (1 << 19, 19), (1 << 20, 20), (1 << 21, 21))
_ALPHA, _SPOT_COLOUR, _COLOUR_FILTER = 0, 2, 5
_RGB, _GREY = 0, 1
_CUSTOM: Final = 2
_WHITES: Final[dict[int, Chromaticity]] = {10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}  # E and DCI, else D65
# The numbers of primaries and transfer are those of ITU-T H.273, but for P3, whose white stands apart.
_P3, _P3_OF_SCREENS = 11, 12
_ONE: Final = 10_000_000  # of a power
_LIGHT: Final = Space(primaries=BT_709, transfer=1.0)


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of the pixels, as stored. Raises Unreadable."""
    return _size(_header_of(file))


def space_of(file: IO[bytes]) -> Space | None:
    """What the numbers mean that `apart` answers; None where the ICC profile tells. Raises Unreadable.

    Lossy files keep colours as eyes see them, not as their profile has them. libjxl (0.11) knows no profiles,
    and makes light of sRGB's primaries of those.
    """
    bits = _header_of(file)
    _size(bits)
    if bits.take(1):
        return SRGB
    if bits.take(1):
        bits.take(3)  # orientation
        if bits.take(1):
            _size(bits)
        if bits.take(1):
            _pass_preview(bits)
        if bits.take(1):
            for way in (_TICKS, _SECONDS, _LOOPS):
                bits.number(way)
            bits.take(1)
    _pass_depth(bits)
    bits.take(1)
    for _ in range(bits.number(_CHANNELS)):
        _pass_channel(bits)
    is_seen = bits.take(1)
    if bits.take(1):
        return SRGB
    has_profile, kind = bits.take(1), bits.number(_ENUM)
    if has_profile:
        return _LIGHT if is_seen else None
    return _space(bits, kind) if kind in (_RGB, _GREY) else None


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)

    def side() -> int:
        return 8 * (bits.take(5) + 1) if is_small else bits.number(_SIDE)

    height = side()
    return _width(bits, height) or side(), height


def _width(bits: _Bits, height: int) -> int | None:
    """The width, if it is told as a ratio."""
    ratio = bits.take(3)
    times, parts = _RATIOS.get(ratio, (0, 1))
    return height * times // parts if ratio else None


def _pass_preview(bits: _Bits) -> None:
    way = _PREVIEW_IN_BLOCKS if bits.take(1) else _PREVIEW
    if not _width(bits, bits.number(way)):
        bits.number(way)


def _pass_depth(bits: _Bits) -> None:
    if bits.take(1):
        bits.number(_DEPTH_OF_FLOATS)
        bits.take(4)
    else:
        bits.number(_DEPTH)


def _pass_channel(bits: _Bits) -> None:
    if bits.take(1):
        return
    kind = bits.number(_ENUM)
    _pass_depth(bits)
    bits.number(_SHIFT)
    bits.take(8 * bits.number(_NAME))
    if kind == _ALPHA:
        bits.take(1)
    elif kind == _SPOT_COLOUR:
        bits.take(64)
    elif kind == _COLOUR_FILTER:
        bits.number(_FILTER)


def _space(bits: _Bits, kind: int) -> Space:
    white_number = bits.number(_ENUM)
    white = _point(bits) if white_number == _CUSTOM else _WHITES.get(white_number, BT_709.white)
    number = bits.number(_ENUM) if kind == _RGB else 1
    if number == _CUSTOM:
        red, green, blue = _point(bits), _point(bits), _point(bits)
        primaries = Primaries(red=red, green=green, blue=blue, white=white)
    else:
        named = coded_space(_P3_OF_SCREENS if number == _P3 else number, 1)
        primaries = replace(
            named.primaries if named else BT_709, white=white if kind == _RGB else BT_709.white
        )
    if bits.take(1):
        power = bits.take(24)
        return Space(primaries=primaries, transfer=_ONE / power if power else Transfer.SRGB)
    coded = coded_space(1, bits.number(_ENUM))
    return Space(primaries=primaries, transfer=coded.transfer if coded else Transfer.SRGB)


def _point(bits: _Bits) -> Chromaticity:
    x, y = (bits.number(_COORDINATE) for _ in range(2))
    return tuple((-(n + 1) // 2 if n & 1 else n // 2) / 1_000_000 for n in (x, y))  # type: ignore[return-value]


def _header_of(file: IO[bytes]) -> _Bits:
    at = _codestream_of(file)
    if at is None:
        raise Unreadable("damaged JPEG XL: no codestream")
    return _Bits(piece(file, at + len(CODESTREAM), _LONGEST_HEADER))


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

    def number(self, way: Sequence[tuple[int, int]]) -> int:
        """One that is written in one of four ways."""
        first, count = way[self.take(2)]
        return first + self.take(count)
