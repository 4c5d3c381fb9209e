"""The blocks of metadata in a file, as its decoder hands them over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.pictures.exif import Metadata
from models.pictures.iptc import records_of

_TEXTS: Final = ("Creation Time", "exif:DateTimeOriginal", "exif:DateTimeDigitized", "exif:DateTime")
"""PNG's own keyword, and what ImageMagick makes of EXIF."""
_IPTC_RESOURCE: Final = 0x0404
_LONGEST_PROFILE: Final = 9 * 1024 * 1024  # characters: four megabytes in lines of 72
_XMP_IN_APP1: Final = b"http://ns.adobe.com/xap/1.0/\0"


def metadata_of(info: Mapping[Any, Any], *, exif: bytes | None = None) -> Metadata:
    """The blocks that Pillow keeps in a picture's `info`; `exif` takes the place of what is there."""
    photoshop = info.get("photoshop")
    copy = _raw_profiles(info)
    return Metadata(
        exif=exif or _block(info.get("exif")) or copy.exif,
        xmp=_block(info.get("xmp")) or _block(info.get("XML:com.adobe.xmp")) or copy.xmp,
        iptc=_block(photoshop.get(_IPTC_RESOURCE)) if isinstance(photoshop, dict) else copy.iptc,
        texts={name: text for name in _TEXTS if isinstance(text := info.get(name), str)},
        copy=copy if copy != Metadata() else None,
    )


def _raw_profiles(info: Mapping[Any, Any]) -> Metadata:
    """What ImageMagick keeps of another file's blocks in a PNG's texts."""
    app1 = _raw_profile(info, "APP1") or b""
    is_xmp = app1.startswith(_XMP_IN_APP1)
    resources = _raw_profile(info, "iptc") or _raw_profile(info, "8bim")
    return Metadata(
        exif=_raw_profile(info, "exif") or (None if is_xmp else app1 or None),
        xmp=_raw_profile(info, "xmp") or (app1.removeprefix(_XMP_IN_APP1) if is_xmp else None),
        iptc=records_of(resources) or resources,
    )


def _raw_profile(info: Mapping[Any, Any], name: str) -> bytes | None:
    """A block as ImageMagick writes it: three lines of header, then hexadecimal."""
    text = info.get(f"Raw profile type {name}")
    if not isinstance(text, str) or len(text) > _LONGEST_PROFILE:
        return None
    try:
        return bytes.fromhex("".join(text.split("\n")[3:])) or None
    except ValueError:
        return None


def _block(value: object) -> bytes | None:
    if isinstance(value, str):  # PNG keeps some of it as text
        return value.encode("utf-8", "replace")
    return value if isinstance(value, bytes) and value else None
