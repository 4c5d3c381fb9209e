"""A patch of known colour, said by each carrier in turn, has the sRGB value that the formulas give."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Literal

import pillow_heif
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from models.pictures.picture import open_picture, thumbnail
from models.pictures.spaces import ADOBE_RGB, BT_2020, P3, Space, Transfer, icc_profile
from tests.models.pictures.mutations import encoded, exif_of, profile_of

Colour = tuple[int, int, int]
Matrix = Sequence[Sequence[float]]

# Linear light of each space to linear sRGB, as CSS Color 4 (17) and Adobe RGB (1998) print the matrices to
# and from XYZ; multiplied out and rounded to six digits.
FROM_P3: Matrix = (
    (1.224940, -0.224940, 0.0),
    (-0.042057, 1.042057, 0.0),
    (-0.019638, -0.078636, 1.098274),
)
FROM_ADOBE: Matrix = ((1.398284, -0.398283, 0.0), (0.0, 1.0, 0.0), (0.0, -0.042938, 1.042938))
FROM_2020: Matrix = (
    (1.660491, -0.587641, -0.072850),
    (-0.124550, 1.132900, -0.008349),
    (-0.018151, -0.100579, 1.118730),
)
AS_IT_IS: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PATCHES: Sequence[Colour] = ((200, 60, 120), (60, 160, 70), (40, 80, 190), (128, 128, 128), (250, 240, 235))


def expected(colour: Colour, light: Callable[[float], float], matrix: Matrix) -> list[float]:
    linear = [light(signal / 255) for signal in colour]
    return [255 * _encoded(sum(map(lambda a, b: a * b, row, linear))) for row in matrix]


def _encoded(light: float) -> float:
    light = min(max(light, 0.0), 1.0)
    return 12.92 * light if light <= 0.0031308 else 1.055 * math.pow(light, 1 / 2.4) - 0.055


def srgb(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else math.pow((signal + 0.055) / 1.055, 2.4)


def adobe(signal: float) -> float:
    return math.pow(signal, 2.19921875)


def pq(signal: float) -> float:
    return toned(_from_pq(signal))


def hlg(signal: float) -> float:
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    return toned(1000 * (signal**2 / 3 if signal <= 0.5 else (math.exp((signal - c) / a) + b) / 12) ** 1.2)


def toned(light: float) -> float:
    """BT.2390's EETF from 1000 to 203 cd/m², in shares of the latter."""
    most = _to_pq(203) / _to_pq(1000)
    one, knee = min(1.0, _to_pq(light) / _to_pq(1000)), 1.5 * most - 0.5
    if one > knee:
        t = (one - knee) / (1 - knee)
        one = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
        one += (-2 * t**3 + 3 * t**2) * most
    return _from_pq(one * _to_pq(1000)) / 203


def _from_pq(signal: float) -> float:
    power = signal ** (32 / 2523)
    root = max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return float(10000 * root ** (16384 / 2610))


def _to_pq(light: float) -> float:
    power = (light / 10000) ** (2610 / 16384)
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32))


def seen(data: bytes) -> Colour:
    """The colour in the middle of what models are shown."""
    image = open_picture(data).upright()
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


# The colour engine computes with 14 bits and rounds once, which is less than 1 of 255.
EXACT = 1.0


def stored(colour: Colour, light: Callable[[float], float], matrix: Matrix) -> float:
    """What may be missed where luma and chroma are stored.

    Blue is luma and 1.772 times chroma, each rounded when written, and rounded itself when read: it moves by
    less than 2, and no other by more. In the dark, and where a gamut is wide or a curve steep, such a step of
    the signal is several of sRGB.
    """
    near = product(*((max(part - 2, 0), part, min(part + 2, 255)) for part in colour))
    right = expected(colour, light, matrix)
    return EXACT + max(apart(expected((r, g, b), light, matrix), right) for r, g, b in near)


def patch(colour: Colour) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


def png(colour: Colour, **chunks: bytes) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, content in chunks.items():
        info.add(name.encode(), content)
    return encoded(patch(colour), "PNG", pnginfo=info)


def cicp(primaries: int, transfer: int) -> bytes:
    return bytes((primaries, transfer, 0, 1))


def chrm(numbers: Iterable[float]) -> bytes:
    return struct.pack(">8I", *(round(100000 * number) for number in numbers))


P3_POINTS = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE_POINTS = (0.3127, 0.3290, 0.640, 0.330, 0.210, 0.710, 0.150, 0.060)
SRGB_POINTS = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)


def gama(gamma: float) -> bytes:
    return struct.pack(">I", round(100000 * gamma))


def heif(colour: Colour, primaries: int, transfer: int, **options: object) -> bytes:
    pillow_heif.register_heif_opener()
    settings = {"matrix_coefficients": 6, "full_range_flag": 1, **options}
    codes = {"color_primaries": 1, "transfer_characteristics": 13}
    return _coded(
        encoded(patch(colour), "HEIF", quality=-1, chroma=444, **codes, **settings), primaries, transfer
    )


def avif(colour: Colour, primaries: int, transfer: int, **options: object) -> bytes:
    data = encoded(patch(colour), "AVIF", quality=100, subsampling="4:4:4", speed=10, **options)
    return _coded(data, primaries, transfer)


def _coded(data: bytes, primaries: int, transfer: int) -> bytes:
    """With other code points in the container: not every writer takes all, and a viewer believes these."""
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


# Code points of ITU-T H.273

CODES = pytest.mark.parametrize(
    ("primaries", "transfer", "light", "matrix"),
    [
        (12, 13, srgb, FROM_P3),
        (9, 13, srgb, FROM_2020),
        (9, 1, srgb, FROM_2020),
        (9, 16, pq, FROM_2020),
        (9, 18, hlg, FROM_2020),
        (12, 16, pq, FROM_P3),
        (1, 4, lambda signal: signal**2.2, AS_IT_IS),
        (1, 8, float, AS_IT_IS),
        (1, 13, srgb, AS_IT_IS),
        (2, 2, srgb, AS_IT_IS),
    ],
)


@CODES
@pytest.mark.parametrize("colour", PATCHES)
def test_code_points_of_a_png(
    primaries: int, transfer: int, light: Callable[[float], float], matrix: Matrix, colour: Colour
) -> None:
    data = png(colour, cICP=cicp(primaries, transfer))

    assert apart(seen(data), expected(colour, light, matrix)) <= EXACT


@CODES
@pytest.mark.parametrize("colour", PATCHES)
@pytest.mark.parametrize("write", [heif, avif])
def test_code_points_of_a_container(
    write: Callable[[Colour, int, int], bytes],
    primaries: int,
    transfer: int,
    light: Callable[[float], float],
    matrix: Matrix,
    colour: Colour,
) -> None:
    data = write(colour, primaries, transfer)

    assert apart(seen(data), expected(colour, light, matrix)) <= stored(colour, light, matrix)


@pytest.mark.parametrize(("matrix", "full_range"), [(9, 1), (9, 0), (0, 1), (1, 0)])
def test_matrix_and_range_are_the_decoders_affair(matrix: int, full_range: int) -> None:
    data = heif((200, 60, 120), 12, 13, matrix_coefficients=matrix, full_range_flag=full_range)

    assert apart(seen(data), expected((200, 60, 120), srgb, FROM_P3)) <= 2 * EXACT


def test_code_points_of_another_item_are_not_the_pictures() -> None:
    """A file of two pictures, each with its own."""
    colour = (200, 60, 120)
    plain, wide = patch(colour), patch(colour)
    shared = {"transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
    plain.info["nclx_profile"] = {"color_primaries": 1, **shared}
    wide.info["nclx_profile"] = {"color_primaries": 12, **shared}
    pillow_heif.register_heif_opener()
    options = {"quality": -1, "chroma": 444, "save_all": True, "append_images": [wide]}
    first, second = (encoded(plain, "HEIF", primary_index=index, **options) for index in (0, 1))

    assert apart(seen(first), colour) <= EXACT
    assert apart(seen(second), expected(colour, srgb, FROM_P3)) <= 2 * EXACT


# Tone mapping


def test_greys_of_hdr_keep_their_order_and_have_no_tint() -> None:
    for transfer in (16, 18):
        seen_greys = [seen(png((level, level, level), cICP=cicp(9, transfer))) for level in range(0, 256, 5)]
        assert all(len(set(grey)) == 1 for grey in seen_greys)
        levels = [grey[0] for grey in seen_greys]
        assert levels == sorted(levels)
        assert (levels[0], levels[-1]) == (0, 255)


def test_hdr_keeps_greys_of_ordinary_brightness_and_has_room_above_paper() -> None:
    """Middle grey (26 cd/m² of 203, BT.2408 table 1) stays what it is; paper is bright, and not the end."""
    grey, paper = (round(255 * _to_pq(light)) for light in (26, 203))
    assert seen(png((grey,) * 3, cICP=cicp(9, 16)))[0] == pytest.approx(255 * _encoded(26 / 203), abs=3)
    assert 220 < seen(png((paper,) * 3, cICP=cicp(9, 16)))[0] < 240


# Which carrier is believed


def test_chunks_of_a_png_in_the_order_of_its_third_edition() -> None:
    colour = (60, 160, 70)
    chunks = {
        "cICP": (cicp(12, 13), expected(colour, srgb, FROM_P3)),
        "iCCP": (b"icc\0\0" + zlib.compress(icc_profile(ADOBE_RGB)), expected(colour, adobe, FROM_ADOBE)),
        "sRGB": (b"\0", list(map(float, colour))),
        "gAMA": (gama(1.0), expected(colour, float, AS_IT_IS)),
    }
    names = list(chunks)
    for first in range(len(names)):
        data = _with_chunks(png(colour), {name: chunks[name][0] for name in names[first:]})
        assert apart(seen(data), chunks[names[first]][1]) <= EXACT, names[first]


def _with_chunks(data: bytes, chunks: dict[str, bytes]) -> bytes:
    """With `chunks` before the pixels, the last first, so that their place does not decide."""
    made = b""
    for name, content in reversed(chunks.items()):
        body = name.encode() + content
        made += struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + made + data[33:]


def test_chromaticities_and_gamma_of_a_png() -> None:
    colour = (60, 160, 70)
    both = png(colour, cHRM=chrm(P3_POINTS), gAMA=gama(1 / 1.8))
    assert apart(seen(both), expected(colour, lambda signal: signal**1.8, FROM_P3)) <= EXACT
    assert apart(seen(png(colour, cHRM=chrm(P3_POINTS))), expected(colour, srgb, FROM_P3)) <= EXACT
    # What stands in for the curve of sRGB where a power is all that can be written.
    assert seen(png(colour, gAMA=gama(0.45455))) == colour
    assert seen(png(colour, gAMA=gama(0.45455), cHRM=chrm(SRGB_POINTS))) == colour
    # With other primaries it is meant.
    wide = png((20, 30, 25), cHRM=chrm(ADOBE_POINTS), gAMA=gama(256 / 563))
    assert apart(seen(wide), expected((20, 30, 25), adobe, FROM_ADOBE)) <= EXACT
    grey = encoded(Image.new("L", (64, 64), 60), "PNG", pnginfo=_info(gAMA=gama(1.0)))
    assert apart(seen(grey), expected((60, 60, 60), float, AS_IT_IS)) <= EXACT


def _info(**chunks: bytes) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, content in chunks.items():
        info.add(name.encode(), content)
    return info


@pytest.mark.parametrize(
    "chunks",
    [
        {"gAMA": gama(0)},
        {"gAMA": gama(1000)},
        {"gAMA": b"\xff\xff\xff\xff"},
        {"cHRM": bytes(32)},
        {"cHRM": chrm((0.3127, 0.3290, *(0.3, 0.3) * 3))},
        {"cHRM": chrm((0.3127, 0.3290, *(0.5, 0.00001) * 3))},
        {"cHRM": b"\xff" * 32},
        {"cICP": b""},
        {"cICP": cicp(200, 201)},
        {"cICP": bytes((9, 16, 9, 1))},
        {"cICP": bytes((9, 16, 0))},
    ],
)
def test_chunks_without_sense_are_passed_over(chunks: dict[str, bytes]) -> None:
    assert seen(png((60, 160, 70), **chunks)) == (60, 160, 70)


def test_a_profile_goes_before_the_containers_code_points_unless_they_mean_hdr() -> None:
    colour = (60, 160, 70)
    profile = icc_profile(ADOBE_RGB)
    data = avif(colour, 12, 13, icc_profile=profile)
    assert apart(seen(data), expected(colour, adobe, FROM_ADOBE)) <= stored(colour, adobe, FROM_ADOBE)
    data = avif(colour, 9, 16, icc_profile=profile)
    assert apart(seen(data), expected(colour, pq, FROM_2020)) <= stored(colour, pq, FROM_2020)


def test_code_points_within_a_profile_mean_hdr() -> None:
    """As exports of HDR have: the curves, which end at the brightest screen's white, would show night."""
    colour = (60, 160, 70)
    honest = _with_tag(icc_profile(Space(primaries=BT_2020, transfer=1.0)), bytes((9, 16, 0, 1)))
    data = encoded(patch(colour), "PNG", icc_profile=honest)
    assert apart(seen(data), expected(colour, pq, FROM_2020)) <= EXACT
    # Code points that tell no more than the curves do leave these alone.
    wide = _with_tag(icc_profile(ADOBE_RGB), bytes((12, 13, 0, 1)))
    data = encoded(patch(colour), "PNG", icc_profile=wide)
    assert apart(seen(data), expected(colour, adobe, FROM_ADOBE)) <= EXACT


def _with_tag(profile: bytes, codes: bytes) -> bytes:
    """`profile` with a tag for code points."""
    body = b"cicp\0\0\0\0" + codes
    (count,) = struct.unpack_from(">I", profile, 128)
    shift = 12
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * tag) for tag in range(count)]
    table = b"".join(struct.pack(">4sII", name, at + shift, length) for name, at, length in entries)
    table += struct.pack(">4sII", b"cicp", len(profile) + shift, len(body))
    made = profile[:128] + struct.pack(">I", count + 1) + table + profile[132 + 12 * count :] + body
    return struct.pack(">I", len(made)) + made[4:]


# EXIF


def camera_exif(colour_space: int | None, index: bytes | None) -> bytes:
    """What DCF cameras write of colours; the interoperability directory stands at the block's end."""
    exif: list[tuple[int, int, int, int | bytes]] = []
    if colour_space is not None:
        exif.append((0xA001, 3, 1, colour_space))
    plain = exif_of([(0x0112, 3, 1, 1)], [*exif, (0xA005, 4, 1, 0)])
    if index is None:
        return exif_of([(0x0112, 3, 1, 1)], exif or [(0xA002, 4, 1, 64)])
    start = len(plain) - len(b"Exif\0\0")
    with_pointer = exif_of([(0x0112, 3, 1, 1)], [*exif, (0xA005, 4, 1, start)])
    return with_pointer + struct.pack("<HHHI4sI", 1, 1, 2, 4, index, 0)


ADOBE_PATCH = expected((60, 160, 70), adobe, FROM_ADOBE)


@pytest.mark.parametrize(
    ("colour_space", "index", "is_adobe"),
    [
        (0xFFFF, b"R03\0", True),
        (None, b"R03\0", True),
        (2, None, True),
        (2, b"R98\0", True),
        (1, b"R98\0", False),
        (1, b"R03\0", False),
        (0xFFFF, b"R98\0", False),
        (0xFFFF, None, False),
        (None, None, False),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_what_exif_says_of_colour(
    kind: str, colour_space: int | None, index: bytes | None, is_adobe: bool
) -> None:
    exif = camera_exif(colour_space, index)
    if kind == "TIFF":
        data = _tiff(exif)
    else:
        options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True}
        data = encoded(patch((60, 160, 70)), kind, exif=exif, **options)
    missed = stored((60, 160, 70), adobe, FROM_ADOBE) if kind == "JPEG" else EXACT
    assert apart(seen(data), ADOBE_PATCH if is_adobe else (60, 160, 70)) <= missed


def _tiff(exif: bytes) -> bytes:
    """A TIFF whose directories are those of `exif`, and a strip of 64 x 64 pixels behind them."""
    block = bytearray(exif[6:])
    pixels = bytes((60, 160, 70)) * 64 * 64
    strip = len(block)
    block += pixels
    (exif_at,) = (
        struct.unpack_from("<I", block, at + 8)[0]
        for at in range(10, 10 + 12 * struct.unpack_from("<H", block, 8)[0], 12)
        if struct.unpack_from("<H", block, at)[0] == 0x8769
    )
    bits = len(block)
    block += struct.pack("<HHH", 8, 8, 8)
    entries = [
        (0x100, 3, 1, 64),
        (0x101, 3, 1, 64),
        (0x102, 3, 3, bits),
        (0x103, 3, 1, 1),
        (0x106, 3, 1, 2),
        (0x111, 4, 1, strip),
        (0x115, 3, 1, 3),
        (0x116, 3, 1, 64),
        (0x117, 4, 1, len(pixels)),
        (0x8769, 4, 1, exif_at),
    ]
    struct.pack_into("<I", block, 4, len(block))
    block += struct.pack("<H", len(entries))
    for entry in entries:
        block += struct.pack("<HHII", *entry)
    return bytes(block + bytes(4))


def test_a_profile_goes_before_exif() -> None:
    """Editors convert to sRGB, embed its profile, and leave the camera's words as they were."""
    exif = camera_exif(0xFFFF, b"R03\0")
    data = encoded(patch((60, 160, 70)), "PNG", exif=exif, icc_profile=profile_of("sRGB"))
    assert seen(data) == (60, 160, 70)
    wide = icc_profile(Space(primaries=P3, transfer=Transfer.SRGB))
    data = encoded(patch((60, 160, 70)), "PNG", exif=exif, icc_profile=wide)
    assert apart(seen(data), expected((60, 160, 70), srgb, FROM_P3)) <= EXACT


def test_what_a_container_says_goes_before_exif() -> None:
    exif = camera_exif(0xFFFF, b"R03\0")
    data = avif((60, 160, 70), 12, 13, exif=exif)
    assert apart(seen(data), expected((60, 160, 70), srgb, FROM_P3)) <= stored((60, 160, 70), srgb, FROM_P3)
    data = avif((60, 160, 70), 2, 2, exif=exif)
    assert apart(seen(data), ADOBE_PATCH) <= stored((60, 160, 70), adobe, FROM_ADOBE)
    data = png((60, 160, 70), sRGB=b"\0", eXIf=exif[6:])
    assert seen(data) == (60, 160, 70)


def test_ink_has_no_space_of_light() -> None:
    data = encoded(
        Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", exif=camera_exif(2, None), quality=100
    )
    plain = encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=100)
    assert seen(data) == seen(plain)


# What is made of it


def test_thumbnails_show_what_models_see_and_carry_no_profile() -> None:
    data = png((60, 160, 70), cICP=cicp(9, 16))
    made = Image.open(io.BytesIO(thumbnail(open_picture(data))))
    pixel = made.convert("RGB").getpixel((20, 20))
    assert isinstance(pixel, tuple)
    assert apart(pixel, expected((60, 160, 70), pq, FROM_2020)) <= 3 * EXACT  # once more as JPEG
    assert "icc_profile" not in made.info


@pytest.mark.parametrize("space", ["sRGB"])
def test_a_picture_in_srgb_is_not_touched(space: Literal["sRGB"]) -> None:
    for data in (
        png((1, 2, 3)),
        png((1, 2, 3), sRGB=b"\0", gAMA=gama(0.45455), cHRM=chrm(SRGB_POINTS)),
        png((1, 2, 3), cICP=cicp(1, 13)),
        encoded(patch((1, 2, 3)), "PNG", icc_profile=profile_of(space)),
    ):
        picture = open_picture(data)
        assert picture.upright() is picture.pixels


def test_a_space_as_a_profile_is_read_by_the_colour_engine() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(Space(primaries=P3, transfer=Transfer.SRGB))))
    assert profile.profile.is_matrix_shaper
    assert profile.profile.red_colorant is not None
    assert profile.profile.red_colorant[0] == pytest.approx((0.5151, 0.2412, -0.0011), abs=0.0002)
