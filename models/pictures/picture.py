"""A photo is decoded once per job; everything made of it starts from the same `Picture`.

    picture = open_picture(data, short_side=THUMBNAIL_SIDE, long_side=WEB_SIDE)
    thumbnail(picture), web_version(picture), picture.upright(), read_capture(picture.metadata)

All functions are pure, block, and may be called from any number of threads; nearly all their time is spent
in C with the interpreter lock released (decoding WebP is the exception).

Memory: beside `data`, decoding takes at most 17 bytes per pixel of the full picture (WebP; Photoshop 16, TIFF
13, AVIF 12, progressive JPEG 10, the rest 9), and a JPEG opened for its thumbnail 0.1 (progressive: 6). JPEG
2000 and JPEG XL take up to 40, in a process of their own. An animation that begins blank takes 64 MB more at
most. A `Picture` keeps 4 at most. Not more threads than cores: more of them
take memory and delay the event loop, and finish no sooner.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from PIL import Image

from models.pictures.colour import to_srgb
from models.pictures.decoding import decode
from models.pictures.detail import is_strip
from models.pictures.exif import Metadata
from models.pictures.orientation import swaps_sides, turn_upright, valid_orientation
from models.pictures.reading import scratch_file
from models.pictures.sniff import HEAD, Format, sniff

MAX_PIXELS: Final = 200_000_000
THUMBNAIL_SIDE: Final = 300
WEB_SIDE: Final = 4096
_THUMBNAIL_QUALITY: Final = 80
_WEB_QUALITY: Final = 92
# A JPEG decoded smaller keeps this many times the pixels wanted, so that the final Lanczos still has
# something to weigh: against full decoding the thumbnails of test photos then differ by about 0.5/255 on
# average, at factor 1.0 by up to 2.4.
_OVERSAMPLING: Final = 1.5
# Large reductions average whole blocks first, down to this many times the target size: as Pillow advises,
# 5x faster.
_REDUCING_GAP: Final = 2.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded photo. `width` and `height` are those of the full picture as one sees it, in pixels."""

    format: Format
    width: int
    height: int
    metadata: Metadata
    pixels: Image.Image  # as stored: not upright, L, RGB or CMYK, perhaps smaller than the full picture
    extent: tuple[
        float, float
    ]  # width and height of the photo within `pixels`, which may end in half a pixel
    orientation: int  # 1..8, turns `pixels` upright
    profile: bytes | None  # ICC, of `pixels`

    def upright(
        self, *, long_side: int | None = None, resampling: Image.Resampling = Image.Resampling.LANCZOS
    ) -> Image.Image:
        """The picture as one sees it: RGB, sRGB, scaled down to `long_side` pixels if it is longer.

        To be read only: it may share its pixels with the picture. Raises ValueError if the picture was
        opened for less.
        """
        longest = max(self.width, self.height)
        wanted = min(long_side or longest, longest)
        if wanted > max(self.extent):
            raise ValueError(f"{wanted} pixels wanted of a picture opened at {max(self.extent):.0f}")
        size = (_scaled(self.width, wanted, longest), _scaled(self.height, wanted, longest))
        return _render(self, size, (0.0, 0.0, *self.extent), resampling)


def open_picture(
    source: bytes | Path | IO[bytes],
    *,
    max_pixels: int = MAX_PIXELS,
    short_side: int | None = None,
    long_side: int | None = None,
    strip_side: int | None = None,
    orientation: object = None,
) -> Picture:
    """Decode `source`, told by its content, not its name.

    Of series it is the first picture, and of animations the first that is not blank, within limits.

    A file that is no picture, such as a video, is refused by its first bytes and not read into memory. An
    open file is read from its start and left open.

    Only a picture with `short_side` and `long_side` pixels at least is needed (None: does not matter; both
    None: all of it), and of a strip one whose short side has `strip_side`, which makes a JPEG several times
    faster. `orientation` 1..8 takes the place of the
    EXIF tag; anything else is ignored. In HEIF and AVIF a rotation declared by the container goes before
    both, since the standard says so and `orientation` speaks of the tag.

    A JPEG cut off within its last 2% of rows is shown as it is; any other truncation is Unreadable.
    Raises NotAnImage, UnsupportedFormat, Unreadable, TooLarge.
    """
    data, kind = _read(source)

    def scale(width: int, height: int) -> int:
        return spare_factor(width, height, short_side, long_side, strip_side)

    decoded = decode(
        data, kind, max_pixels=max_pixels, orientation=valid_orientation(orientation), scale=scale
    )
    width, height = decoded.size
    if swaps_sides(decoded.orientation):
        width, height = height, width
    return Picture(
        format=decoded.kind,
        width=width,
        height=height,
        metadata=decoded.metadata,
        pixels=decoded.pixels,
        extent=decoded.extent,
        orientation=decoded.orientation,
        profile=decoded.profile,
    )


def thumbnail(picture: Picture) -> bytes:
    """The square middle of the picture as JPEG: 300 x 300 pixels, or less if its short side is shorter."""
    side = min(THUMBNAIL_SIDE, picture.width, picture.height)
    width, height = picture.extent
    square = min(width, height)
    left, top = (width - square) / 2, (height - square) / 2
    if side == square:  # nothing to scale, so nothing should be shifted by half a pixel either
        left, top = left // 1, top // 1
    return jpeg(_render(picture, (side, side), (left, top, left + square, top + square)), _THUMBNAIL_QUALITY)


def web_version(picture: Picture) -> bytes:
    """The whole picture as JPEG, its long side at most 4096 pixels; never larger than the original."""
    return jpeg(picture.upright(long_side=WEB_SIDE), _WEB_QUALITY)


def _read(source: bytes | Path | IO[bytes]) -> tuple[bytes, Format]:
    if isinstance(source, bytes):
        return source, sniff(source)
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _read(file)
    source.seek(0)
    kind = sniff(source.read(HEAD))
    source.seek(0)
    return source.read(), kind


def spare_factor(
    width: int, height: int, short_side: int | None, long_side: int | None, strip_side: int | None = None
) -> int:
    """By how much (1, 2, 4 or 8) a picture may be divided and still serve."""
    if short_side is None and long_side is None:
        return 1
    if strip_side and is_strip(width, height):
        short_side = max(short_side or 0, strip_side)
    for factor in (8, 4, 2):
        enough = _OVERSAMPLING * factor
        if min(width, height) >= enough * (short_side or 0) and max(width, height) >= enough * (
            long_side or 0
        ):
            return factor
    return 1


def _scaled(side: int, wanted: int, longest: int) -> int:
    return side if wanted == longest else max(1, round(side * wanted / longest))


def _render(
    picture: Picture,
    size: tuple[int, int],
    box: Box,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """The part `box` of the stored pixels, as an upright sRGB image of `size`.

    Scaling comes first: colours are then converted and pixels turned only as far as they are seen.
    """
    stored = (size[1], size[0]) if swaps_sides(picture.orientation) else size
    image = picture.pixels
    if stored != image.size or box != (0.0, 0.0, float(image.width), float(image.height)):
        image = image.resize(stored, resampling, box=box, reducing_gap=_REDUCING_GAP)
    return turn_upright(to_srgb(image, picture.profile), picture.orientation)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """The picture as JPEG; quality 1 to 95."""
    # Into a real file, because encoding into memory keeps the interpreter lock: a web version would then
    # stop every other thread, the event loop included, for 50 ms and more.
    with scratch_file() as out:
        image.save(out, "JPEG", quality=quality)
        out.seek(0)
        return out.read()
