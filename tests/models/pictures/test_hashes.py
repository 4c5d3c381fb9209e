from __future__ import annotations

import io
import itertools
import math
import random
import re
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from models.pictures.hashes import bit_string, perceptual_hash
from models.pictures.picture import open_picture
from tests.paths import ROOT, TESTDATA

_PHOTOS = TESTDATA / "photos"
# One of each scene: others of the folder are the same photo with other metadata, or turned.
_SCENES = (
    "gps/DSCN0010.jpg",
    "gps/DSCN0012.jpg",
    "gps/DSCN0021.jpg",
    "gps/iphone_hdr_YES.jpg",
    "faces/portrait.jpg",
    "orientation/Landscape_1.jpg",
    "text/japanese-shop.jpg",
)


def _scene(seed: int, side: int = 640) -> Image.Image:
    """Soft blobs of light and dark, as different from one another as photos are."""
    dice = random.Random(seed)
    image = Image.new("RGB", (side, side * 3 // 4), (dice.randrange(256), dice.randrange(256), 128))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = dice.randrange(side), dice.randrange(side), dice.randrange(side // 12, side // 3)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.randrange(256) for _ in range(3)))
    return image.filter(ImageFilter.GaussianBlur(4))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def _apart(one: Image.Image, other: Image.Image) -> int:
    return (_hash(one) ^ _hash(other)).bit_count()


def _hash(image: Image.Image) -> int:
    found = perceptual_hash(image)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_scaled_compressed_or_toned_is_the_same_picture(seed: int) -> None:
    image = _scene(seed)
    assert _apart(image, _jpeg(image, 30)) <= 8
    assert _apart(image, image.resize((200, 150))) <= 8
    assert _apart(image, _jpeg(image.resize((1600, 1200)), 60)) <= 8
    assert _apart(image, image.convert("L")) <= 1
    assert _apart(image, ImageEnhance.Brightness(image).enhance(0.8)) <= 8


def test_different_pictures_are_far_apart() -> None:
    hashes = [_hash(_scene(seed)) for seed in range(20)]
    distances = [(a ^ b).bit_count() for a, b in itertools.combinations(hashes, 2)]
    assert min(distances) > 8
    assert sum(distance >= 20 for distance in distances) >= 0.95 * len(distances)


def test_the_hash_is_the_published_one() -> None:
    """Against the definition, written out; so small a picture is scaled in one step."""
    image = _scene(7, side=96)
    luma = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)

    def frequency(v: int, u: int) -> float:
        return sum(
            luma.getpixel((x, y))
            * math.cos(math.pi * u * (2 * x + 1) / 64)
            * math.cos(math.pi * v * (2 * y + 1) / 64)
            for y in range(32)
            for x in range(32)
        )

    frequencies = [frequency(v, u) for v in range(8) for u in range(8)]
    middle = sum(sorted(frequencies)[31:33]) / 2
    expected = "".join("1" if one > middle else "0" for one in frequencies)
    assert bit_string(perceptual_hash(image)) == expected


@pytest.mark.parametrize("colour", ["white", "grey", "black", "red", (3, 3, 3)])
def test_blank_pictures_of_any_shade_and_size_look_like_nothing(colour: str | tuple[int, int, int]) -> None:
    assert perceptual_hash(Image.new("RGB", (4000, 20), colour)) is None
    assert perceptual_hash(Image.new("RGB", (1, 1), colour)) is None


def test_noise_looks_like_nothing() -> None:
    """A covered lens, and a page without a word."""
    for deviation, shade in ((6, 0.1), (6, 0.9), (3, 0.5)):
        grain = Image.effect_noise((1280, 960), deviation).point(lambda level, by=shade: level * by)
        assert perceptual_hash(_jpeg(grain.convert("RGB"), 75)) is None


def test_colours_of_one_brightness_look_like_nothing() -> None:
    """Luma is all that is hashed."""
    red, green = Image.new("RGB", (64, 128), (150, 0, 0)), Image.new("RGB", (64, 128), (0, 76, 0))
    both = Image.new("RGB", (128, 128))
    both.paste(red, (0, 0))
    both.paste(green, (64, 0))
    assert perceptual_hash(both) is None


def test_little_is_not_nothing() -> None:
    """One word on a page, a faint haze, a lamp at night."""
    page = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(page).text((600, 800), "word", fill="black", font_size=30)
    haze = Image.linear_gradient("L").point(lambda level: 120 + level / 20)
    night = Image.new("RGB", (1600, 1200), (4, 4, 6))
    ImageDraw.Draw(night).ellipse((800, 600, 812, 612), fill=(255, 220, 150))
    hashes = [perceptual_hash(image) for image in (page, haze, night)]
    assert None not in hashes
    assert len(set(hashes)) == 3


def test_a_hash_is_text_that_postgres_reads_as_64_bits() -> None:
    assert bit_string(5) == "0" * 61 + "101"
    assert bit_string(0) == "0" * 64
    assert bit_string(None) is None
    assert re.fullmatch("[01]{64}", bit_string(perceptual_hash(_scene(1))) or "")


def test_photos_keep_their_hash_when_made_smaller_and_differ_from_each_other() -> None:
    if not all((_PHOTOS / name).is_file() for name in _SCENES):
        pytest.skip("the photos are not there (KIZU_TESTDATA names their folder)")
    pictures = [open_picture(_PHOTOS / name).upright(long_side=1600) for name in _SCENES]
    for picture in pictures:
        assert _apart(picture, _jpeg(picture.resize((picture.width // 3, picture.height // 3)), 50)) <= 8
    for one, other in itertools.combinations(pictures, 2):
        assert _apart(one, other) >= 20


def test_hashing_needs_pillow_and_nothing_heavier() -> None:
    code = """
import sys, models.pictures.hashes
print(sorted({'numpy', 'scipy', 'torch', 'cv2'} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
