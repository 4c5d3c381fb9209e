"""RGB colour spaces by their numbers, as ICC profiles that a colour engine takes to sRGB.

A space is what its numbers mean on a screen: three primaries, a white, and how signal becomes light. That of
HDR is brighter than the white of sRGB; its highlights are compressed by the curve that television uses.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import mul
from typing import Final

Chromaticity = tuple[float, float]
"""x and y of CIE 1931."""
_Vector = tuple[float, float, float]
_Matrix = tuple[_Vector, _Vector, _Vector]


class Transfer(StrEnum):
    """How signal becomes light, where that is no plain power."""

    SRGB = "srgb"
    PQ = "pq"
    HLG = "hlg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Primaries:
    """What full red, green and blue are, and the three together."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity

    def near(self, other: Primaries) -> bool:
        """Whether nobody would see a difference: writers round, and convert there and back."""
        return all(
            abs(one - another) <= _ROUNDING
            for mine, theirs in zip(self._points, other._points, strict=True)
            for one, another in zip(mine, theirs, strict=True)
        )

    @property
    def _points(self) -> tuple[Chromaticity, ...]:
        return self.red, self.green, self.blue, self.white


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A colour space; `transfer` as a number is the power of the signal that is its light."""

    primaries: Primaries
    transfer: Transfer | float

    @property
    def bright(self) -> bool:
        """Whether it speaks of more light than a screen's white."""
        return self.transfer in (Transfer.PQ, Transfer.HLG)


_ROUNDING: Final = 0.001
_D65: Final = (0.3127, 0.3290)
BT_709: Final = Primaries(red=(0.64, 0.33), green=(0.30, 0.60), blue=(0.15, 0.06), white=_D65)
BT_2020: Final = Primaries(red=(0.708, 0.292), green=(0.170, 0.797), blue=(0.131, 0.046), white=_D65)
P3: Final = Primaries(red=(0.680, 0.320), green=(0.265, 0.690), blue=(0.150, 0.060), white=_D65)
SRGB: Final = Space(primaries=BT_709, transfer=Transfer.SRGB)
ADOBE_RGB: Final = Space(  # Adobe RGB (1998) Color Image Encoding, 4.3
    primaries=Primaries(red=(0.64, 0.33), green=(0.21, 0.71), blue=(0.15, 0.06), white=_D65),
    transfer=563 / 256,
)

# ITU-T H.273, tables 2 and 3. Curves of cameras for video (1, 6, 7, 11, 12, 14, 15) are not those of screens;
# photos that name them were made to be seen on the same screens as sRGB, and browsers show them so.
_UNSPECIFIED: Final = 2
_PRIMARIES: Final = {
    1: BT_709,
    4: Primaries(red=(0.67, 0.33), green=(0.21, 0.71), blue=(0.14, 0.08), white=(0.310, 0.316)),
    5: Primaries(red=(0.64, 0.33), green=(0.29, 0.60), blue=(0.15, 0.06), white=_D65),
    6: Primaries(red=(0.630, 0.340), green=(0.310, 0.595), blue=(0.155, 0.070), white=_D65),
    7: Primaries(red=(0.630, 0.340), green=(0.310, 0.595), blue=(0.155, 0.070), white=_D65),
    8: Primaries(red=(0.681, 0.319), green=(0.243, 0.692), blue=(0.145, 0.049), white=(0.310, 0.316)),
    9: BT_2020,
    11: Primaries(red=(0.680, 0.320), green=(0.265, 0.690), blue=(0.150, 0.060), white=(0.314, 0.351)),
    12: P3,
    22: Primaries(red=(0.630, 0.340), green=(0.295, 0.605), blue=(0.155, 0.077), white=_D65),
}
_TRANSFERS: Final[dict[int, Transfer | float]] = {4: 2.2, 5: 2.8, 8: 1.0, 16: Transfer.PQ, 18: Transfer.HLG}


def coded_space(primaries: int, transfer: int) -> Space | None:
    """The space of two code points of ITU-T H.273; None if they leave it open.

    What is unspecified or unknown of it counts as that of sRGB (ISO/IEC 23000-22, 7.3.6.4).
    """
    if primaries == transfer == _UNSPECIFIED:
        return None
    return Space(
        primaries=_PRIMARIES.get(primaries, BT_709), transfer=_TRANSFERS.get(transfer, Transfer.SRGB)
    )


@lru_cache(maxsize=64)
def icc_profile(space: Space) -> bytes:
    """The space as a display profile (ICC.1:2001-04, three-component matrix), about 800 bytes.

    Its curves have one entry for each of 256 signals, which eight bits therefore meet exactly. Raises
    ValueError for primaries that span no colours.
    """
    try:
        columns = zip(*_to_d50(space.primaries), strict=True)
        colorants = [b"XYZ \0\0\0\0" + _fixed(column) for column in columns]
    except (ZeroDivisionError, OverflowError, struct.error) as error:
        raise ValueError("primaries that span no colours") from error
    light = _light_of(space.transfer)
    levels = [round(65535 * min(max(light(signal / 255), 0.0), 1.0)) for signal in range(256)]
    curve = b"curv\0\0\0\0" + struct.pack(">I256H", 256, *levels)
    first = _HEADER + struct.calcsize(">I") + 6 * struct.calcsize(_TAG)
    after = first + sum(map(len, colorants))
    tags = [
        struct.pack(_TAG, name, first + number * len(colorant), len(colorant))
        for number, (name, colorant) in enumerate(zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True))
    ]
    tags += [struct.pack(_TAG, name, after, len(curve)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    body = struct.pack(">I", len(tags)) + b"".join((*tags, *colorants, curve))
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        _HEADER + len(body),
        0x02100000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        _fixed(_D50),
    )
    return header + body


_HEADER: Final = 128  # bytes
_TAG: Final = ">4sII"  # name, first byte, length
_D50: Final[_Vector] = (0.9642, 1.0, 0.8249)
# The Bradford cone responses (ICC.1:2022, annex E).
_BRADFORD: Final[_Matrix] = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


def _fixed(numbers: Sequence[float]) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(65536 * number) for number in numbers))


def _to_d50(primaries: Primaries) -> _Matrix:
    """The matrix from linear RGB to XYZ, seen by eyes that are used to D50."""
    points = [_xyz(point) for point in (primaries.red, primaries.green, primaries.blue)]
    raw: _Matrix = tuple(zip(*points, strict=True))  # type: ignore[assignment]  # three rows of three
    white = _xyz(primaries.white)
    amounts = _times(_inverse(raw), white)
    cones = [to / of for to, of in zip(_times(_BRADFORD, _D50), _times(_BRADFORD, white), strict=True)]
    adapted = [
        _times(_inverse(_BRADFORD), _scaled(cones, _times(_BRADFORD, _scaled([amount] * 3, point))))
        for amount, point in zip(amounts, points, strict=True)
    ]
    return tuple(zip(*adapted, strict=True))  # type: ignore[return-value]  # three rows of three


def _xyz(point: Chromaticity) -> _Vector:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _scaled(factors: Sequence[float], vector: _Vector) -> _Vector:
    return factors[0] * vector[0], factors[1] * vector[1], factors[2] * vector[2]


def _times(matrix: _Matrix, vector: _Vector) -> _Vector:
    one, two, three = (sum(map(mul, row, vector)) for row in matrix)
    return one, two, three


def _inverse(matrix: _Matrix) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    one, two, three = (_scaled([1 / determinant] * 3, row) for row in cofactors)
    return one, two, three


def _light_of(transfer: Transfer | float) -> Callable[[float], float]:
    """The light of a signal, both 0..1, where 1 is a screen's white."""
    match transfer:
        case Transfer.SRGB:
            return _srgb_light
        case Transfer.PQ:
            return lambda signal: compressed(pq_light(signal)) / WHITE
        case Transfer.HLG:
            return lambda signal: compressed(hlg_light(signal)) / WHITE
        case exponent:
            return lambda signal: signal ** float(exponent)


def _srgb_light(signal: float) -> float:
    """IEC 61966-2-1, 5.2."""
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


# cd/m²: of paper in the sun (ITU-R BT.2408, 2.1), which is what a screen's white shows; and of the brightest
# there is on the screens that HDR is made for, where the file does not say.
WHITE: Final = 203.0
PEAK: Final = 1000.0
# ITU-R BT.2100, table 4.
_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
# ITU-R BT.2100, table 5.
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA: Final = 1.2


def pq_light(signal: float) -> float:
    """cd/m² of a PQ signal, 0..1."""
    power: float = signal ** (1 / _M2)
    light: float = 10000 * (max(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def pq_signal(light: float) -> float:
    """The PQ signal, 0..1, of cd/m²."""
    power = (light / 10000) ** _M1
    signal: float = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def hlg_light(signal: float) -> float:
    """cd/m² of an HLG signal, 0..1, on a screen of `PEAK`.

    The screen's gamma is applied to each component, as television without HDR does, and not to their
    luminance: the same for greys, and strong colours become a little stronger.
    """
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - _C) / _A) + _B) / 12
    light: float = PEAK * scene**_HLG_GAMMA
    return light


def compressed(light: float) -> float:
    """cd/m² for a screen of `WHITE`: the same up to nearly half of it, then ever less; of `PEAK` it is white.

    The EETF of Report ITU-R BT.2390, 5.4, without its lift of blacks, for each of red, green and blue: very
    bright colours fade to white, as they do on film.
    """
    whole = pq_signal(PEAK)
    signal, most = min(pq_signal(light) / whole, 1.0), pq_signal(WHITE) / whole
    knee = 1.5 * most - 0.5
    if signal <= knee:
        return light
    t = (signal - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    )
    return pq_light(spline * whole)
