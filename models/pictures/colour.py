"""From whatever a file stores to eight bits of sRGB: palettes, alpha, deep greys, ink, colour profiles."""

import io
import math
from collections.abc import Callable
from functools import lru_cache
from itertools import chain, product
from typing import Final

from PIL import Image, ImageChops, ImageCms

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
    transform = (_transform if len(profile) <= _KEPT_BYTES else _transform.__wrapped__)(profile, image.mode)
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.mode != transform.input_mode:
        image = image.convert(transform.input_mode)
    # Without ImageCms's own function, which would leave a profile with the result and so in what is saved.
    converted = Image.new("RGB", image.size)
    transform.transform.apply(image.getim(), converted.getim())
    return converted


# Building a transform is among the slowest parts of a thumbnail, and photos of one camera have one profile.
# Those that are kept may be used by several threads at once. Larger ones are of printers, and rare.
_KEPT_BYTES: Final = 1 << 16


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes an image of `mode` to sRGB; None if it is that already."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    of = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(source.profile.xcolor_space)
    if of is None or (of != mode and (of, mode) != ("RGB", "L")):
        raise ValueError(f"a profile for {source.profile.xcolor_space!r} on a {mode} image")
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, of, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    return None if of == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether colours stay as they are but for rounding: most cameras embed sRGB itself, by many names."""
    return max(ImageChops.difference(_COLOURS, transform.apply(_COLOURS)).tobytes()) <= 1


_STEPS: Final = range(0, 256, 15)
_COLOURS: Final = Image.frombytes(
    "RGB", (len(_STEPS), len(_STEPS) ** 2), bytes(chain.from_iterable(product(_STEPS, repeat=3)))
)


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
