"""Which colours the numbers of a file mean, by whatever carries word of it.

The first that speaks is believed:

1. PNG's cICP (PNG, third edition, 4.3: it overrides all other chunks);
2. HDR in code points, of the container (HEIF, AVIF) or within a profile (ICC.1:2022, 9.2.17): the curves of a
   profile know nothing brighter than white, so those beside the code points are a makeshift;
3. the ICC profile: it leaves of the container's code points only matrix and range (ISO/IEC 23000-22,
   7.3.6.4), and these are the decoder's affair: libheif 1.23 and libavif 1.4 apply both and nothing else;
4. the container's code points; JPEG XL's own words for a space, where they say more of what was decoded than
   its profile; PNG's sRGB, then gAMA and cHRM together;
5. EXIF: its ColorSpace, and for what is uncalibrated the interoperability index, which is all that cameras
   may say of Adobe RGB (CIPA DC-009, DCF option files).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from struct import error as struct_error
from struct import unpack_from
from typing import Final

from models.pictures import jpeg_xl
from models.pictures.exif import Metadata
from models.pictures.isobmff import colour_codes
from models.pictures.sniff import Format
from models.pictures.spaces import (
    ADOBE_RGB,
    BT_709,
    SRGB,
    Primaries,
    Space,
    Transfer,
    coded_space,
    icc_profile,
)
from models.pictures.tiff_tags import integer, look_up, text_of

_EXIF, _COLOUR_SPACE, _INTEROPERABILITY, _INDEX = 0x8769, 0xA001, 0xA005, 1  # tags
_POWER_OF_SRGB: Final = 2.2
_TOLERANCE: Final = 0.05  # of a power, below which libpng, too, sees no difference
_GAMMAS: Final = (0.1, 10.0)  # others are no colours that anyone meant


def colour_profile(data: bytes, kind: Format, embedded: bytes | None, metadata: Metadata) -> bytes | None:
    """The ICC profile of the picture: `embedded`, or one that says the same as what else the file says.

    None for sRGB and where nothing is said. Never fails.
    """
    space = _space_beside(data, kind, embedded, metadata)
    if space is None:
        return embedded
    if space.transfer is Transfer.SRGB and space.primaries.near(SRGB.primaries):
        return None
    try:
        return icc_profile(space)
    except ValueError:
        return embedded


def _space_beside(data: bytes, kind: Format, embedded: bytes | None, metadata: Metadata) -> Space | None:
    """What is believed rather than the embedded profile."""
    chunks = _chunks(data) if kind is Format.PNG else {}
    if space := _cicp(chunks.get(b"cICP", b"")):
        return space
    if kind is Format.JPEG_XL:
        return jpeg_xl.space_of(io.BytesIO(data))
    contained = None
    if kind in (Format.HEIF, Format.AVIF) and (codes := colour_codes(data)):
        contained = coded_space(*codes)
    for space in (contained, _space_within(embedded or b"")):
        if space and space.bright:
            return space
    if embedded:
        return None
    return contained or _png_space(chunks) or _exif_space(metadata)


def _chunks(png: bytes) -> Mapping[bytes, bytes]:
    """What speaks of colour before a PNG's pixels, by name; the first of each."""
    found: dict[bytes, bytes] = {}
    at = 8
    while at + 8 <= len(png):
        length, name = unpack_from(">I4s", png, at)
        if name == b"IDAT":
            break
        if name in (b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            found.setdefault(name, png[at + 8 : at + 8 + length])
        at += 12 + length
    return found


def _cicp(chunk: bytes) -> Space | None:
    """Full-range RGB is all that is read, as it is all that is written."""
    if len(chunk) != 4 or chunk[2:] != b"\0\x01":
        return None
    return coded_space(chunk[0], chunk[1])


def _space_within(profile: bytes) -> Space | None:
    """The code points that an ICC profile carries beside its curves."""
    try:
        (tags,) = unpack_from(">I", profile, 128)
        for tag in range(min(tags, 100)):
            name, at, length = unpack_from(">4sII", profile, 132 + 12 * tag)
            if name == b"cicp" and length >= 12 and profile[at : at + 4] == b"cicp":
                return coded_space(profile[at + 8], profile[at + 9])
    except (struct_error, IndexError):
        pass
    return None


def _png_space(chunks: Mapping[bytes, bytes]) -> Space | None:
    if b"sRGB" in chunks:
        return SRGB
    primaries, power = _chromaticities(chunks.get(b"cHRM", b"")), _power(chunks.get(b"gAMA", b""))
    if primaries is None and power is None:
        return None
    space = Space(primaries=primaries or BT_709, transfer=power or Transfer.SRGB)
    # The power that writers of sRGB put in place of its curve.
    likely = power is not None and abs(power / _POWER_OF_SRGB - 1) <= _TOLERANCE
    return SRGB if likely and space.primaries.near(BT_709) else space


def _chromaticities(chunk: bytes) -> Primaries | None:
    if len(chunk) != 32:
        return None
    numbers = [number / 100000 for number in unpack_from(">8I", chunk)]
    if not all(0 < number < 1 for number in numbers[:2]) or max(numbers) > 1:
        return None
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return Primaries(red=red, green=green, blue=blue, white=white)


def _power(chunk: bytes) -> float | None:
    if len(chunk) != 4:
        return None
    gamma = unpack_from(">I", chunk)[0] / 100000
    least, most = _GAMMAS
    return 1 / gamma if least <= gamma <= most else None


def _exif_space(metadata: Metadata) -> Space | None:
    match integer(look_up(metadata.exif, _EXIF, _COLOUR_SPACE)):
        case 1:
            return SRGB
        case 2:  # never in the standard, and written all the same
            return ADOBE_RGB
    index = text_of(look_up(metadata.exif, _EXIF, _INTEROPERABILITY, _INDEX))
    return ADOBE_RGB if index == "R03" else None
