"""Bytes of a known kind become pixels: within limits, no larger than needed, with one family of errors.

Pillow's format classes are used directly instead of through `Image.open`: nothing is registered, no decoder
can be reached that `sniff` did not choose, and no global pixel limit of another library user gets in the
way.
"""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, Final

from PIL import Image, ImageChops, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from models.errors import ImageError, TooLarge, Unreadable
from models.pictures import jpeg2000, jpeg_xl, photoshop
from models.pictures.apart import decode_apart
from models.pictures.carriers import colour_profile
from models.pictures.colour import flatten
from models.pictures.exif import ORIENTATION_TAG, Metadata, read_camera
from models.pictures.frames import first_seen
from models.pictures.isobmff import container_turn
from models.pictures.jpeg import SCAN, segments
from models.pictures.libtiff import silence_libtiff
from models.pictures.limits import gif_within, give_room, webp_within, within
from models.pictures.metadata import metadata_of
from models.pictures.orientation import AS_STORED, undo_turn, valid_orientation
from models.pictures.raw import preview_of
from models.pictures.sniff import Format
from models.pictures.tiff import Tiff, exif_of, picture_of

# An honest progressive JPEG has about ten scans. Thousands of empty scans over a huge picture are an attack
# that costs minutes per megabyte.
_MAX_JPEG_SCANS: Final = 100
# A JPEG that lost its last bytes is worth showing, one that lost visible rows is not.
_MAX_MISSING_ROWS: Final = 0.02
_END_OF_IMAGE: Final = b"\xff\xd9"
_FILLINGS: Final = (bytes(254), bytes(range(1, 255)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Pixels as a file stores them, with what is still to be done to them."""

    kind: Format  # as the whole file tells
    pixels: Image.Image  # 8-bit L, RGB or CMYK without alpha, not yet turned upright
    extent: tuple[float, float]  # width and height of the photo within `pixels`, from the top left corner
    size: tuple[int, int]  # full width and height, as stored
    orientation: int  # 1..8, still to be applied
    profile: bytes | None  # ICC, as `colour_profile` tells it
    metadata: Metadata


Scale = Callable[
    [int, int], int
]  # full width and height -> the factor by which they may be divided: 1, 2, 4 or 8


def decode(data: bytes, kind: Format, *, max_pixels: int, orientation: int | None, scale: Scale) -> Decoded:
    """Decode the first picture in `data`, of animations the first with content.

    `orientation` (1..8) takes the place of the embedded one.

    `scale` is asked only where decoding smaller is cheaper than decoding in full, which is JPEG. Raises
    TooLarge before decoding, Unreadable, UnsupportedFormat; MemoryError is left alone, because trying again
    elsewhere could help.
    """
    _silence_pillow()
    try:
        match kind:
            case Format.JPEG:
                decoded = _decode_jpeg(data, max_pixels, orientation, scale)
            case Format.HEIF:
                decoded = _decode_heif(data, max_pixels, orientation)
            case Format.TIFF | Format.RAW:
                decoded = _decode_tiff_or_raw(data, max_pixels, orientation, scale)
            case Format.JPEG2000:
                decoded = _decode_jpeg2000(data, max_pixels, orientation, scale)
            case Format.JPEG_XL:
                decoded = _decode_jpeg_xl(data, max_pixels)
            case Format.PHOTOSHOP:
                decoded = _decode_photoshop(data, max_pixels, orientation)
            case _:
                decoded = _decode_plain(data, kind, max_pixels, orientation)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # which `limits` leaves no picture to
        raise TooLarge(str(error)) from error
    except Exception as error:  # decoders fed with damaged bytes raise almost anything
        raise Unreadable(f"damaged {kind.upper()}: {str(error)[:200] or type(error).__name__}") from error
    decoded.pixels.info.clear()  # some of it (a comment, for one) would follow the pixels into what is saved
    return replace(decoded, profile=colour_profile(data, kind, decoded.profile, decoded.metadata))


def _decode_jpeg(data: bytes, max_pixels: int, orientation: int | None, scale: Scale) -> Decoded:
    scans = (segment for segment in segments(io.BytesIO(data)) if segment.marker == SCAN)
    if sum(1 for _ in islice(scans, _MAX_JPEG_SCANS + 1)) > _MAX_JPEG_SCANS:
        raise Unreadable(f"the JPEG has more than {_MAX_JPEG_SCANS} scans")
    image = JpegImageFile(io.BytesIO(data))
    width, height = within(image.size, max_pixels)
    metadata = _metadata(image)
    factor = scale(width, height)
    try:
        extent = _load_scaled(image, factor)
    except OSError:
        # What a progressive file has lost is not rows but detail everywhere.
        if "progressive" in image.info or _rows_missing(data) > _MAX_MISSING_ROWS:
            raise
        image = JpegImageFile(io.BytesIO(data + _END_OF_IMAGE))
        extent = _load_scaled(image, factor)
    return Decoded(
        kind=Format.JPEG,
        pixels=flatten(image),
        extent=extent,
        size=(width, height),
        orientation=orientation or read_camera(metadata).orientation or AS_STORED,
        profile=_profile(image),
        metadata=metadata,
    )


def _load_scaled(image: JpegImageFile, factor: int) -> tuple[float, float]:
    """Decode at 1/factor of the size, which spares most of the work (all but the entropy decoding).

    Answers how much of the loaded pixels the picture takes. A picture that is slimmer than the factor is
    decoded at a smaller one, or whole: `JpegImageFile.draft` (Pillow 13.0) goes by the lesser of the two
    sides' ratios, rounded down to a power of two, and says in its box what it took.
    """
    extent: tuple[float, float] = image.size
    if factor > 1:
        drafted = image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
        if drafted is not None:
            _, (_, _, width, height) = drafted
            extent = (width, height)
    image.load()
    return extent


def _rows_missing(data: bytes) -> float:
    """The share of a truncated JPEG's rows that its data does not reach, told without decoding it in full.

    The rows that were not reached are those that depend on what is put in place of the missing data; none,
    if the file lost nothing but its end marker.
    """
    one, other = (JpegImageFile(io.BytesIO(data + filling + _END_OF_IMAGE)) for filling in _FILLINGS)
    _load_scaled(one, 8)
    _load_scaled(other, 8)
    invented = ImageChops.difference(one, other).getbbox()
    return 1 - invented[1] / one.height if invented else 0.0


def _decode_plain(data: bytes, kind: Format, max_pixels: int, orientation: int | None) -> Decoded:
    image = _CLASSES[kind](_FILES.get(kind, _as_it_is)(data, max_pixels))
    size = within(image.size, max_pixels)
    image.load()
    metadata = _metadata(image)  # after loading: PNG may carry it behind the pixels
    if kind is Format.AVIF:
        # Pillow shows the container's rotation as if it were EXIF and drops what EXIF says, as the standard
        # demands. A caller's orientation speaks of the EXIF, so it must not displace a rotation that the
        # container declares.
        orientation = orientation if container_turn(data) is None else None
    return Decoded(
        kind=kind,
        pixels=first_seen(image, data),
        extent=(float(size[0]), float(size[1])),
        size=size,
        orientation=orientation or read_camera(metadata).orientation or AS_STORED,
        profile=_profile(image),
        metadata=metadata,
    )


_ImageClass = Callable[[IO[bytes]], ImageFile.ImageFile]
_CLASSES: Final[dict[Format, _ImageClass]] = {
    Format.PNG: PngImageFile,
    Format.WEBP: WebPImageFile,
    Format.AVIF: AvifImageFile,
    Format.GIF: GifImageFile,
    Format.BMP: BmpImageFile,
}
_FILES: Final = {Format.WEBP: webp_within, Format.GIF: gif_within}
_HEIF: Final[_ImageClass] = HeifImageFile


def open_header(file: IO[bytes], kind: Format) -> ImageFile.ImageFile:
    """A picture whose pixels are not decoded yet; raises almost anything for a damaged one."""
    classes: dict[Format, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
        **_CLASSES,
        Format.HEIF: _HEIF,
        Format.JPEG: JpegImageFile,
    }
    return classes[kind](file)


def _decode_tiff_or_raw(data: bytes, max_pixels: int, orientation: int | None, scale: Scale) -> Decoded:
    file = io.BytesIO(data)
    preview = preview_of(file)
    if preview is None:
        return _decode_tiff(file, max_pixels, orientation)
    jpeg = data[preview.first_byte : preview.first_byte + preview.bytes]
    decoded = _decode_jpeg(jpeg, max_pixels, orientation or preview.orientation, scale)
    said, beside = preview.metadata, decoded.metadata
    return replace(
        decoded,
        kind=Format.RAW,
        metadata=replace(
            beside,
            exif=said.exif or beside.exif,
            xmp=said.xmp or beside.xmp,
            iptc=said.iptc or beside.iptc,
        ),
    )


def _decode_tiff(file: io.BytesIO, max_pixels: int, orientation: int | None) -> Decoded:
    silence_libtiff()
    structure = Tiff(file)
    directory = picture_of(structure)
    image = TiffImageFile(structure.beginning_at(directory))
    give_room(image, max_pixels)
    metadata = _metadata(image, exif=exif_of(structure))
    own = valid_orientation(image.tag_v2.get(ORIENTATION_TAG))
    said = own or read_camera(metadata).orientation or AS_STORED  # if not here, in the file's first directory
    image.load()
    # For TIFF alone Pillow turns the pixels upright itself, as the directory says that it decodes.
    applied = said if directory is None or directory.at == structure.first else own or AS_STORED
    pixels: Image.Image = image
    remaining = AS_STORED
    if (wanted := orientation or said) != applied:
        pixels, remaining = undo_turn(image, applied), wanted
    return _whole(Format.TIFF, pixels, metadata, orientation=remaining, profile=_profile(image))


def _decode_jpeg2000(data: bytes, max_pixels: int, orientation: int | None, scale: Scale) -> Decoded:
    file = io.BytesIO(data)
    width, height = within(jpeg2000.size_of(file), max_pixels)
    metadata = jpeg2000.metadata_of(file)
    photo = decode_apart(data, Format.JPEG2000, width * height, factor=scale(width, height))
    return _whole(
        Format.JPEG2000,
        photo.image,
        metadata,
        size=(width, height),
        orientation=orientation or read_camera(metadata).orientation,
        profile=jpeg2000.profile_of(file),
    )


def _decode_jpeg_xl(data: bytes, max_pixels: int) -> Decoded:
    width, height = within(jpeg_xl.size_of(io.BytesIO(data)), max_pixels)
    photo = decode_apart(data, Format.JPEG_XL, width * height)
    # The codestream's orientation is applied, and the standard gives EXIF's no say.
    return _whole(Format.JPEG_XL, photo.image, photo.metadata, orientation=None, profile=photo.profile)


def _decode_photoshop(data: bytes, max_pixels: int, orientation: int | None) -> Decoded:
    file = io.BytesIO(data)
    header = photoshop.read_header(file)
    within((header.width, header.height), max_pixels)
    document = photoshop.read_document(file)
    orientation = orientation or read_camera(document.metadata).orientation
    return _whole(
        Format.PHOTOSHOP,
        document.image,
        document.metadata,
        orientation=orientation,
        profile=document.profile,
    )


def _whole(
    kind: Format,
    pixels: Image.Image,
    metadata: Metadata,
    *,
    orientation: int | None,
    profile: bytes | None,
    size: tuple[int, int] | None = None,
) -> Decoded:
    """A picture all of whose pixels show it; `size` is the full one, if they are fewer."""
    return Decoded(
        kind=kind,
        pixels=flatten(pixels),
        extent=(float(pixels.width), float(pixels.height)),
        size=size or pixels.size,
        orientation=orientation or AS_STORED,
        profile=profile,
        metadata=metadata,
    )


def _decode_heif(data: bytes, max_pixels: int, orientation: int | None) -> Decoded:
    image: ImageFile.ImageFile = _HEIF(io.BytesIO(data))
    within(image.size, max_pixels)
    metadata = _metadata(image)
    camera = read_camera(metadata)
    # The library rewrites an EXIF orientation to 1 and keeps the original aside.
    embedded = valid_orientation(image.info.get("original_orientation")) or camera.orientation
    image.load()
    size = within(image.size, max_pixels)  # the stream may disagree with the header
    pixels: Image.Image = image
    turn = container_turn(data)
    if turn is None:
        remaining = orientation or embedded or AS_STORED
    elif turn != AS_STORED and embedded is not None and _MISTURNING_FIRMWARE.match(camera.software):
        pixels, remaining = undo_turn(image, turn), embedded
    else:
        remaining = AS_STORED
    return Decoded(
        kind=Format.HEIF,
        pixels=flatten(pixels),
        extent=(float(pixels.width), float(pixels.height)),
        size=pixels.size if pixels is not image else size,
        orientation=remaining,
        profile=_profile(image),
        metadata=metadata,
    )


# HMD's Nokia phones write the same container rotation however the phone was held, and the truth into EXIF.
_MISTURNING_FIRMWARE: Final = re.compile(r"00W[WE]_\d")


def _as_it_is(data: bytes, _max_pixels: int) -> io.BytesIO:
    return io.BytesIO(data)


def _metadata(image: Image.Image, exif: bytes | None = None) -> Metadata:
    return metadata_of(image.info, exif=exif)


def _profile(image: Image.Image) -> bytes | None:
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None


def _silence_pillow() -> None:
    """Keep Pillow from warning about what strangers put into files, which our error codes tell.

    A filter for good, since `warnings.catch_warnings` is not safe with threads. Looked up each time,
    because others (pytest for one) put the list of filters back.
    """
    if _PILLOW_NOISE not in warnings.filters:
        warnings.filterwarnings("ignore", module=_PILLOW_NOISE[3].pattern)


_PILLOW_NOISE: Final = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
