"""What decoding a picture will take, told from its header before any of its pixels has memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final

from models.errors import ImageError
from models.pictures import apart, jpeg2000, jpeg_xl, photoshop
from models.pictures.decoding import open_header
from models.pictures.picture import spare_factor
from models.pictures.raw import preview_of
from models.pictures.sniff import HEAD, Format, sniff
from models.pictures.tiff import Tiff, picture_of

_QUICK: Final = 4
"""By how much a JPEG is decoded sooner than a HEIC of as many pixels, at least."""
_BYTES: Final = {
    Format.WEBP: 17,
    Format.AVIF: 12,
    Format.TIFF: 13,
    Format.JPEG2000: apart.BYTES_PER_PIXEL,
    Format.JPEG_XL: apart.BYTES_PER_PIXEL,
    Format.PHOTOSHOP: 16,
}
"""Most bytes per pixel while a picture of that kind is decoded, beside the file's own."""
_BYTES_OF_OTHERS: Final = 9
_BYTES_OF_COEFFICIENTS: Final = 6
"""What a progressive JPEG keeps per pixel until its last scan, however small it is decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What some work on pixels takes."""

    pixels: int = 0
    """A measure of its time: the pixels of a HEIC that takes as long."""
    bytes: int = 0
    """Of memory, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says of its picture."""

    format: Format
    width: int
    height: int
    progressive: bool = False

    @property
    def may_be_scaled(self) -> bool:
        """Whether it is decoded no larger than needed."""
        return self.format in (Format.JPEG, Format.RAW, Format.JPEG2000)

    def demand(
        self, *, short_side: int | None, long_side: int | None, strip_side: int | None = None
    ) -> Demand:
        """What `open_picture` takes for it when it is asked for so much."""
        pixels = self.width * self.height
        if self.format not in (Format.JPEG, Format.RAW):
            return Demand(pixels=pixels, bytes=pixels * _BYTES.get(self.format, _BYTES_OF_OTHERS))
        factor = spare_factor(self.width, self.height, short_side, long_side, strip_side)
        kept = _BYTES_OF_COEFFICIENTS if self.progressive else 0
        return Demand(pixels=pixels // _QUICK, bytes=pixels * kept + pixels * _BYTES_OF_OTHERS // factor**2)


def read_header(file: IO[bytes]) -> Header | None:
    """The header of a picture in an open file; None where it makes no sense, which decoding will explain.

    Reads little of most files and none of the pixels; blocks for some milliseconds at most.
    """
    try:
        file.seek(0)
        head = file.read(HEAD)
        kind = sniff(head)
        file.seek(0)
        match kind:
            case Format.WEBP:
                return _webp(head)
            case Format.TIFF | Format.RAW:
                return _tiff_or_raw(file)
            case Format.JPEG2000:
                return _of(kind, jpeg2000.size_of(file))
            case Format.JPEG_XL:
                return _of(kind, jpeg_xl.size_of(file))
            case Format.PHOTOSHOP:
                header = photoshop.read_header(file)
                return _of(kind, (header.width, header.height))
        image = open_header(file, kind)
        return Header(
            format=kind,
            width=image.width,
            height=image.height,
            progressive="progressive" in image.info,
        )
    except ImageError:
        return None
    except Exception:  # decoders fed with damaged bytes raise almost anything
        return None


def _of(kind: Format, size: tuple[int, int]) -> Header:
    return Header(format=kind, width=size[0], height=size[1])


def _tiff_or_raw(file: IO[bytes]) -> Header | None:
    if preview := preview_of(file):
        frame = preview.frame
        return Header(
            format=Format.RAW, width=frame.width, height=frame.height, progressive=frame.is_progressive
        )
    structure = Tiff(file)
    directory = picture_of(structure)
    size = structure.size(directory) if directory else (0, 0)
    return _of(Format.TIFF, size) if all(size) else None


def _webp(head: bytes) -> Header | None:
    """By hand, because Pillow (13.0) takes memory for a canvas when it opens one."""
    size = _WEBP_SIZES.get(head[12:16])
    if size is None:
        return None
    width, height = size(head)
    return Header(format=Format.WEBP, width=width, height=height)


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


# RFC 9649: sections 2.7 (extended), 2.6 and 3.4 (lossless), 2.5 and RFC 6386, 9.1 (lossy).
_WEBP_SIZES: Final[dict[bytes, Callable[[bytes], tuple[int, int]]]] = {
    b"VP8X": lambda head: (_little(head[24:27]) + 1, _little(head[27:30]) + 1),
    b"VP8L": lambda head: ((_little(head[21:25]) & 0x3FFF) + 1, (_little(head[21:25]) >> 14 & 0x3FFF) + 1),
    b"VP8 ": lambda head: (_little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF),
}
