from __future__ import annotations

import io
import itertools
import random
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from models.pictures.picture import open_picture
from models.pictures.quality import FINE_BITS, measure_quality
from tests.paths import ROOT, TESTDATA

_PHOTOS = TESTDATA / "photos"
_SCENES = (
    "gps/DSCN0010.jpg",
    "gps/iphone_hdr_YES.jpg",
    "faces/portrait.jpg",
    "objects/bus.jpg",
    "orientation/Landscape_1.jpg",
)


def _scene(seed: int, side: int = 1600) -> Image.Image:
    """A blurred background with a sharp subject of fine lines."""
    dice = random.Random(seed)
    image = Image.new("RGB", (side, side * 3 // 4), (dice.randrange(256), dice.randrange(256), 128))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = dice.randrange(side), dice.randrange(side), dice.randrange(side // 12, side // 3)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.randrange(256) for _ in range(3)))
    image = image.filter(ImageFilter.GaussianBlur(12))
    draw = ImageDraw.Draw(image)
    for _ in range(200):
        x, y = dice.randrange(side // 4, side // 2), dice.randrange(side // 4, side // 2)
        draw.line((x, y, x + dice.randrange(-60, 60), y + dice.randrange(-60, 60)), "white", 2)
    return image


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")


def _noisy(image: Image.Image) -> Image.Image:
    noise = Image.effect_noise(image.size, 24).convert("RGB")
    return Image.blend(image, noise, 0.25)


def _sharpness(image: Image.Image) -> float:
    return measure_quality(image).sharpness


def _apart(one: Image.Image, other: Image.Image) -> int:
    first, second = measure_quality(one).fine_hash, measure_quality(other).fine_hash
    assert first is not None
    assert second is not None
    return (first ^ second).bit_count()


@pytest.mark.parametrize("seed", range(3))
def test_blurred_and_small_pictures_are_less_sharp(seed: int) -> None:
    image = _scene(seed)
    own = _sharpness(image)
    assert _sharpness(image.filter(ImageFilter.GaussianBlur(2))) < 0.7 * own
    assert _sharpness(image.filter(ImageFilter.GaussianBlur(6))) < 0.45 * own
    assert _sharpness(image.resize((400, 300))) < 0.8 * own


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_compression_are_no_detail(seed: int) -> None:
    image = _scene(seed)
    own = _sharpness(image)
    assert _sharpness(_jpeg(image, 50)) < 1.15 * own
    assert _sharpness(_noisy(image)) < 1.15 * own


def test_a_subject_is_as_sharp_before_a_blurred_background() -> None:
    image = _scene(1)
    subject = image.crop((400, 400, 800, 700)).resize((1600, 1200))
    assert _sharpness(image) > 2 * _sharpness(subject.filter(ImageFilter.GaussianBlur(12)))


def test_exposure_prefers_what_can_be_seen() -> None:
    image = _scene(2)
    own = measure_quality(image).exposure
    dark, light = (ImageEnhance.Brightness(image).enhance(factor) for factor in (0.25, 3.0))
    assert own > measure_quality(dark).exposure
    assert own > measure_quality(light).exposure
    assert measure_quality(Image.new("RGB", (99, 99), "black")).exposure == 0
    assert measure_quality(Image.new("RGB", (99, 99), "white")).exposure == 0
    assert measure_quality(Image.new("RGB", (99, 99), (128, 128, 128))).exposure > 0.99


def test_a_page_with_a_line_has_little_contrast_and_a_blank_one_no_hash() -> None:
    page = Image.new("RGB", (1000, 1400), "white")
    assert measure_quality(page).fine_hash is None
    assert measure_quality(page).contrast == 0
    ImageDraw.Draw(page).text((100, 100), "Kizu", "black")
    assert measure_quality(page).contrast < 10
    assert measure_quality(_scene(1)).contrast > 10


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (30, 20_000)])
def test_any_size_is_measured(size: tuple[int, int]) -> None:
    quality = measure_quality(Image.new("RGB", size, "teal"))
    assert quality.sharpness == 0
    assert 0 < quality.exposure <= 1


@pytest.mark.parametrize("name", _SCENES)
def test_variants_of_a_photo_share_fine_bits_that_moved_views_do_not(name: str) -> None:
    if not (_PHOTOS / name).is_file():
        pytest.skip("the photos are not there (KIZU_TESTDATA names their folder)")
    with (_PHOTOS / name).open("rb") as file:
        image = open_picture(file, long_side=1600).upright(long_side=1600)
    width, height = image.size
    for variant in (
        _jpeg(image, 20),
        image.resize((width // 2, height // 2)),
        image.resize((200, 200 * height // width)),
        ImageEnhance.Brightness(image).enhance(1.2),
        ImageEnhance.Contrast(image).enhance(1.2),
        image.crop((width // 100, height // 100, width - width // 100, height - height // 100)),
    ):
        assert _apart(image, variant) <= 40
    shown = (width * 4 // 5, height * 4 // 5)
    views = [image.crop((left, 0, left + shown[0], shown[1])) for left in (0, width // 10, width // 5)]
    assert all(_apart(one, other) > 40 for one, other in itertools.combinations(views, 2))


def test_a_hash_has_as_many_bits_as_its_column() -> None:
    found = measure_quality(_scene(3)).fine_hash
    assert found is not None
    assert 0 <= found < 2**FINE_BITS


def test_quality_is_measured_without_numpy() -> None:
    script = "import sys, models.pictures.quality; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
