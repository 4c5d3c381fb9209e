"""From whatever a file stores to eight bits of sRGB: palettes, alpha, deep greys, ink, colour profiles."""

import io
import math
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageCms

# Images are flattened in bands of so many pixels, so that no second full-size copy exists beside the result.
_BAND_PIXELS: Final = 1 << 20


def flatten(image: Image.Image) -> Image.Image:
    """`image` as 8-bit L, RGB or CMYK without alpha (on white); the same object if it is that already.

    Takes at most 4 bytes per pixel beside the input.
    """
    if image.mode in ("L", "RGB", "CMYK") and not image.has_transparency_data:
        return image
    flat = _flattener(image)
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    result: Image.Image | None = None
    for top in range(0, height, rows):
        band = flat(image.crop((0, top, width, min(height, top + rows))))
        if result is None:
            result = Image.new(band.mode, image.size)
        result.paste(band, (0, top))
    assert result is not None
    return result


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An 8-bit L, RGB or CMYK image as RGB in sRGB; a broken or unfitting profile is ignored."""
    if profile:
        try:
            return _through_profile(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return image if image.mode == "RGB" else image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space)
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        raise ValueError(f"a profile for {source.profile.xcolor_space!r} on a {image.mode} image")
    # Most cameras embed sRGB itself, and building a transform would be among the slowest parts of a
    # thumbnail.
    if (source.profile.profile_description or "").startswith("sRGB IEC61966"):
        return image
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(
        source, srgb, image.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


def _flattener(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """How to flatten one band of `image`."""
    if image.mode == "LAB":
        return _from_lab
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_deep_grey(image)
    if image.has_transparency_data:
        return _on_white
    return lambda band: band.convert("L" if image.mode == "1" else "RGB")


def _on_white(band: Image.Image) -> Image.Image:
    rgba = band.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _from_lab(band: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.applyTransform(band, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))
    assert converted is not None
    return converted


def _from_deep_grey(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """16-bit greys keep their scale; 32-bit integers and floats have none and are stretched if need be."""
    black, white = 0.0, 65535.0
    if not image.mode.startswith("I;16"):
        black, white = _range_of(image)
    scale = 255.0 / (white - black)
    offset = 0.5 - black * scale
    mode = "F" if image.mode == "F" else "I"
    return lambda band: band.convert(mode).point(lambda value: value * scale + offset).convert("L")


def _range_of(image: Image.Image) -> tuple[float, float]:
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]  # one band
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    for white in (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0):
        if low >= 0.0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1.0)
