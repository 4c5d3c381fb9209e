from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from models.pictures.colour import flatten, to_srgb
from models.pictures.spaces import ADOBE_RGB, icc_profile
from tests.models.pictures.mutations import profile_of


def _pixel(image: Image.Image, at: tuple[int, int] = (0, 0)) -> object:
    return image.getpixel(at)


@pytest.mark.parametrize(
    ("image", "pixel", "why"),
    [
        (Image.new("1", (3, 3), 1), 255, "black and white"),
        (Image.new("I;16", (3, 3), 65535), 255, "16 bits"),
        (Image.new("I;16", (3, 3), 32896), 128, "16 bits, middle grey"),
        (Image.new("I;16B", (3, 3), 257), 1, "16 bits, big-endian"),
        (Image.new("I", (3, 3), 32896), 128, "16 bits in 32"),
        (Image.new("I", (3, 3), 200), 200, "8 bits in 32"),
        (Image.new("F", (3, 3), 0.5), 128, "floats from 0 to 1"),
        (Image.new("F", (3, 3), float("nan")), 0, "no number"),
        (Image.new("RGBA", (3, 3), (255, 0, 0, 0)), (255, 255, 255), "transparent red"),
        (Image.new("RGBA", (3, 3), (255, 0, 0, 255)), (255, 0, 0), "opaque red"),
        (Image.new("RGBA", (3, 3), (0, 0, 0, 51)), (204, 204, 204), "a fifth of black"),
        (Image.new("LA", (3, 3), (0, 0)), (255, 255, 255), "transparent grey"),
        (Image.new("PA", (3, 3), (0, 0)), (255, 255, 255), "transparent palette"),
        (Image.new("YCbCr", (3, 3), (255, 128, 128)), (255, 255, 255), "luma and chroma"),
        (Image.new("LAB", (3, 3), (255, 128, 128)), (255, 255, 255), "Lab"),
    ],
)
def test_every_mode_becomes_8_bits_on_white(image: Image.Image, pixel: object, why: str) -> None:
    flat = flatten(image)

    assert flat.mode in ("L", "RGB"), why
    if image.mode == "LAB":
        assert all(channel > 250 for channel in flat.getpixel((0, 0))), why  # type: ignore[union-attr]
    else:
        assert _pixel(flat) == pixel, why


def test_a_transparent_palette_entry_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 0

    assert [_pixel(flatten(image), (x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_a_transparent_colour_is_white() -> None:
    image = Image.new("RGB", (2, 1), "red")
    image.putpixel((1, 0), (0, 0, 255))
    image.info["transparency"] = (255, 0, 0)

    assert [_pixel(flatten(image), (x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_bands_join_without_a_seam() -> None:
    image = Image.linear_gradient("L").resize((3000, 1000))
    see_through = Image.merge("LA", (image, Image.new("L", image.size, 255)))

    assert flatten(see_through).getchannel("R").tobytes() == image.tobytes()


def test_what_is_flat_already_is_not_copied() -> None:
    image = Image.new("CMYK", (2, 2))

    assert flatten(image) is image


def test_ink_becomes_light() -> None:
    assert _pixel(to_srgb(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), None)) == (255, 0, 0)


def test_a_colour_profile_is_used() -> None:
    swapped = bytearray(_srgb_profile())
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    _rename(swapped)

    red_pixel = _pixel(to_srgb(Image.new("RGB", (2, 2), (255, 0, 0)), bytes(swapped)))

    assert isinstance(red_pixel, tuple)
    assert red_pixel[1] > 200 > 100 > red_pixel[0]


def test_the_profile_of_srgb_changes_nothing() -> None:
    image = Image.new("RGB", (2, 2), (12, 34, 56))

    assert to_srgb(image, _srgb_profile()).tobytes() == image.tobytes()


@pytest.mark.parametrize("profile", [b"", b"nonsense", bytes(500)])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    assert _pixel(to_srgb(Image.new("RGB", (2, 2), (12, 34, 56)), profile)) == (12, 34, 56)


def test_a_profile_of_another_colour_space_is_ignored() -> None:
    assert _pixel(to_srgb(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), _srgb_profile())) == (255, 0, 0)


def test_greys_go_through_a_profile_for_colours() -> None:
    assert to_srgb(Image.new("L", (2, 2), 100), _srgb_profile()).mode == "RGB"


def _srgb_profile() -> bytes:
    return profile_of("sRGB")


def _rename(profile: bytearray) -> None:
    """Take the name away by which sRGB is recognised."""
    for encoding in ("ascii", "utf-16-be"):
        name = "sRGB".encode(encoding)
        while (at := profile.find(name)) >= 0:
            profile[at : at + len(name)] = "else".encode(encoding)


def test_profiles_that_change_nothing_are_told_by_what_they_do() -> None:
    image = Image.new("RGB", (2, 2), (12, 34, 56))
    nameless = bytearray(_srgb_profile())
    _rename(nameless)

    assert to_srgb(image, bytes(nameless)) is image


def test_one_transform_serves_several_threads_at_once() -> None:
    """It is kept for photos with the same profile, and a colour engine may remember the colour before."""
    profile = icc_profile(ADOBE_RGB)
    images = [Image.effect_noise((400, 400), 80 + number).convert("RGB") for number in range(4)]
    alone = [to_srgb(image, profile).tobytes() for image in images]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            assert [image.tobytes() for image in threads.map(to_srgb, images, [profile] * 4)] == alone
    assert alone[0] != images[0].tobytes()
