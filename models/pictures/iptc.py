"""IPTC-IIM records: the dates a picture desk writes."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from models.pictures.moments import Moment, read_moment

_CREATED, _DIGITISED = (55, 60), (62, 63)
"""Datasets of record 2: a date (CCYYMMDD) and a time (HHMMSS±HHMM)."""
_RESOURCE: Final = 0x0404


def created(records: bytes | None) -> Moment | None:
    """When what the picture shows was created; zeros stand for a month or a day that nobody knows."""
    return _moment(records, _CREATED)


def digitised(records: bytes | None) -> Moment | None:
    """When the file was first made, as by a scanner."""
    return _moment(records, _DIGITISED)


def records_of(photoshop: bytes | None) -> bytes | None:
    """The records in a block of Photoshop's image resources; None if it has none."""
    block, at = photoshop or b"", 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        (resource,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + (block[at + 6] | 1) + 1  # a name with its length, even together
        if at + 4 > len(block):
            break
        (size,) = struct.unpack_from(">I", block, at)
        at += 4
        if resource == _RESOURCE:
            return block[at : at + size] or None
        at += size + size % 2
    return None


def _moment(records: bytes | None, datasets: tuple[int, int]) -> Moment | None:
    found: dict[int, str] = {}
    for dataset, text in _read(records or b""):
        found.setdefault(dataset, text)
    date, time = (found.get(dataset, "") for dataset in datasets)
    if not re.fullmatch(r"\d{8}", date, re.ASCII):
        return None
    day = f"{date[:4]}:{date[4:6]}:{date[6:]}"
    if not re.fullmatch(r"\d{6}([+-]\d{4})?", time, re.ASCII):
        return read_moment(day)
    # Writers that know no zone write +0000, so only another offset is information.
    zone = "" if time[6:] in ("+0000", "-0000") else time[6:]
    return read_moment(f"{day} {time[:2]}:{time[2:4]}:{time[4:6]}", zone=zone)


def _read(iptc: bytes) -> Iterator[tuple[int, str]]:
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, dataset, length = struct.unpack_from(">BBH", iptc, at + 1)
        if length & 0x8000:  # an extended dataset: none of ours is that long
            return
        if record == 2:
            yield dataset, iptc[at + 5 : at + 5 + length].decode("ascii", "replace").strip(" \0")
        at += 5 + length
