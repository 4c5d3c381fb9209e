"""Files beside a photo that tell of it: an XMP packet, or the JSON that Google Takeout adds."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from models.pictures.moments import Moment, instant
from models.pictures.places import Place, decimal_place

MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What one file says; an XMP packet is still to be read."""

    xmp: bytes | None = None
    taken: Moment | None = None
    received: Moment | None = None
    """When Google got the photo, which it was taken before."""
    place: Place | None = None


def read_sidecar(data: bytes) -> Sidecar:
    """What a sidecar says, told by its content; nothing if it is neither, or too long, never an error."""
    if len(data) > MAX_BYTES:
        return Sidecar()
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _takeout(data)
    return Sidecar(xmp=data)


def _takeout(data: bytes) -> Sidecar:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):  # also for what is no UTF-8
        return Sidecar()
    return Sidecar(
        taken=_time(told, "photoTakenTime"),
        received=_time(told, "creationTime"),
        place=_place(told, "geoData") or _place(told, "geoDataExif"),
    )


def _time(told: dict[str, Any], name: str) -> Moment | None:
    """Seconds since 1970 in UTC, as a text; 0 is Google's word for none."""
    stamp = told[name].get("timestamp") if isinstance(told.get(name), dict) else None
    try:
        seconds = float(stamp)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return instant(seconds) if seconds and math.isfinite(seconds) else None


def _place(told: dict[str, Any], name: str) -> Place | None:
    position = told.get(name)
    if not isinstance(position, dict):
        return None
    return decimal_place(position.get("latitude"), position.get("longitude"))
