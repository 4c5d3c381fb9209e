from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from models.pictures.moments import Moment
from models.pictures.sidecars import Sidecar, read_sidecar


def takeout(**told: Any) -> Sidecar:
    return read_sidecar(json.dumps(told).encode())


def test_takeout_tells_when_a_photo_was_taken_and_when_google_got_it() -> None:
    found = takeout(
        photoTakenTime={"timestamp": "1717236000", "formatted": "whatever"},
        creationTime={"timestamp": "1719828000"},
    )
    assert found.taken == Moment(at=datetime(2024, 6, 1, 10, tzinfo=UTC))
    assert found.received == Moment(at=datetime(2024, 7, 1, 10, tzinfo=UTC))


def test_a_scan_may_be_older_than_1970() -> None:
    assert takeout(photoTakenTime={"timestamp": "-594000000"}).taken == Moment(
        at=datetime(1951, 3, 7, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "stamp", [None, "", "0", 0, "soon", [], {}, "9" * 400, "nan", "inf", "-99999999999", "1e999"]
)
def test_an_impossible_stamp_is_no_time(stamp: object) -> None:
    assert takeout(photoTakenTime={"timestamp": stamp}) == Sidecar()
    assert takeout(photoTakenTime=stamp) == Sidecar()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"geoData": {"latitude": 43.5, "longitude": -11}}, (43.5, -11.0)),
        (
            {
                "geoData": {"latitude": 0.0, "longitude": 0.0},
                "geoDataExif": {"latitude": 1.0, "longitude": 2.0},
            },
            (1.0, 2.0),
        ),
        (
            {
                "geoData": {"latitude": 3.0, "longitude": 4.0},
                "geoDataExif": {"latitude": 1.0, "longitude": 2.0},
            },
            (3.0, 4.0),
        ),
        ({"geoData": {"latitude": 0.0, "longitude": 0.0}}, None),
        ({"geoData": {"latitude": 91, "longitude": 0}}, None),
        ({"geoData": {"latitude": "43.5", "longitude": "11"}}, None),
        ({"geoData": {"latitude": True, "longitude": 1}}, None),
        ({"geoData": {"latitude": 1}}, None),
        ({"geoData": [1, 2]}, None),
    ],
)
def test_takeout_tells_where(told: dict[str, Any], expected: tuple[float, float] | None) -> None:
    assert takeout(**told).place == expected


def test_anything_else_may_be_a_packet() -> None:
    assert read_sidecar(b"<x/>") == Sidecar(xmp=b"<x/>")


@pytest.mark.parametrize(
    "data",
    [b"{", b"{}", b"{]", b"\xef\xbb\xbf{}", b'{"a": \xff}', b'{"a":' * 100_000, b"{" + b" " * 5_000_000],
)
def test_what_is_broken_says_nothing(data: bytes) -> None:
    assert read_sidecar(data) == Sidecar()
