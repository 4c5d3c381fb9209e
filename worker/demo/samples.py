"""Sample photos for a first look: pictures that come with installed packages, and ones drawn here.

No package of the core installation carries photos, so most samples are drawn: landscapes in every format the
worker reads, shapes to search for, pictures turned by their EXIF orientation, and one broken file, so that
the summary has a failure to show.
"""

from __future__ import annotations

import importlib.util
import io
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

KNOWN = ("astronaut", "camera", "chelsea", "clock_motion", "coffee", "coins", "motorcycle_left", "page")
"""Names of PNG files in them that are photos, among many that are not."""
PACKAGES = ("skimage", "sklearn", "ultralytics", "scipy", "matplotlib", "insightface")
"""Installed packages that carry photos, if they are there."""
MOST_FOUND = 20
SMALLEST_SIDE = 200
TURNED_BACK = {3: 180, 6: 90, 8: 270}
"""EXIF orientation and the degrees (counter-clockwise) by which a picture saved with it is turned."""
SHAPES = {"red": 90, "blue": 4, "green": 3}
"""Colours, and how many corners each has: something to search for. With ninety it is a circle."""
EXIF_ORIENTATION = 0x0112
EXIF_TAKEN = 0x9003
EXIF_OFFSET = 0x9011


def write_samples(folder: Path) -> Path:
    """Fill `folder` once; answers it."""
    done = folder / ".complete"
    if done.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for photo in _found_photos():
        (folder / f"{photo.stem}{photo.suffix.lower()}").write_bytes(photo.read_bytes())
    _draw_all(folder)
    done.touch()
    return folder


def _found_photos() -> list[Path]:
    photos: list[Path] = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for root in spec.submodule_search_locations or [] if spec else []:
            found = Path(root).rglob("*.[jp][pn]g")
            photos += sorted(photo for photo in found if photo.suffix == ".jpg" or photo.stem in KNOWN)
    return [photo for photo in photos if _is_big_enough(photo)][:MOST_FOUND]


def _is_big_enough(photo: Path) -> bool:
    with Image.open(photo) as image:
        return min(image.size) >= SMALLEST_SIDE


def _draw_all(folder: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    for number, ending in enumerate(("jpg", "png", "webp", "avif", "tiff", "heic")):
        _scene(number).save(folder / f"drawn-{number}.{ending}")
    for colour, corners in SHAPES.items():
        plain = Image.new("RGB", (800, 600), "gainsboro")
        ImageDraw.Draw(plain).regular_polygon((400, 300, 220), corners, fill=colour)
        plain.save(folder / f"shape-{colour}.png")
    for orientation, degrees in TURNED_BACK.items():
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        details = exif.get_ifd(0x8769)
        details[EXIF_TAKEN], details[EXIF_OFFSET] = "2024:07:14 18:30:00", "+02:00"
        _scene(6).rotate(degrees, expand=True).save(folder / f"turned-{orientation}.jpg", exif=exif)
    ImageOps.grayscale(_scene(7)).save(folder / "grey.jpg")
    _scene(8).convert("CMYK").save(folder / "print.jpg")
    cut = io.BytesIO()
    _scene(9).save(cut, "JPEG")
    (folder / "cut-off.jpg").write_bytes(cut.getvalue()[: len(cut.getvalue()) // 3])


def _scene(number: int, size: tuple[int, int] = (1600, 1200)) -> Image.Image:
    """A landscape with a sun, different for every number; upright is obvious."""
    width, height = size
    hue = (number * 47) % 256
    sky = Image.merge(
        "HSV",
        (
            Image.new("L", size, hue),
            Image.linear_gradient("L").resize(size),
            Image.new("L", size, 235),
        ),
    ).convert("RGB")
    draw = ImageDraw.Draw(sky)
    centre = width * (0.2 + 0.6 * (number % 5) / 4)
    draw.ellipse((centre - 130, 160, centre + 130, 420), fill=(255, 244, 214))
    for layer in range(3):
        base = height * (0.6 + 0.12 * layer)
        ridge = [
            (x, base - 90 * math.sin(x / (170 + 60 * layer) + number + layer))
            for x in range(0, width + 20, 20)
        ]
        shade = 90 - 28 * layer
        draw.polygon([(0, height), *ridge, (width, height)], fill=(shade, shade + 20, shade + 30))
    return sky
