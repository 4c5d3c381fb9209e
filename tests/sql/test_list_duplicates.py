"""Groups of duplicates as an app lists them: what is alike, what is not, and which is the best."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.duplicates import FINE, LOOKS, Album, bits, turned

pytestmark = pytest.mark.stack


@pytest.fixture
def album(queue: Any) -> Album:
    return Album(queue)


def other(seed: object) -> dict[str, str]:
    """The looks of another picture."""
    return {"looks": bits(f"looks {seed}", 64), "fine": bits(f"fine {seed}", 256)}


def test_the_same_bytes_are_exact_duplicates_whatever_is_known_besides(album: Album) -> None:
    album.photo("a", sha256="a" * 64, similarity=None)
    album.photo("b", sha256="a" * 64, similarity=None)
    album.photo("c", sha256="c" * 64, **other("c"))
    assert album.together() == album.together("exact") == [{"a", "b"}]
    assert album.together("near") == album.together("burst") == []


@pytest.mark.parametrize(
    ("looks", "why", "near"),
    [
        ({}, "all the same", True),
        ({"looks": turned(LOOKS, 7)}, "7 of 64 bits", True),
        ({"looks": turned(LOOKS, 8)}, "8 of 64 bits", False),
        ({"fine": turned(FINE, 40)}, "40 of 256 bits", True),
        ({"fine": turned(FINE, 41)}, "41 of 256 bits: another page of the same layout", False),
        ({"contrast": 9.9}, "nearly one colour", False),
        ({"looks": None, "fine": None, "contrast": 0}, "blank", False),
        ({"similarity": 0.81}, "vectors alike", True),
        ({"similarity": 0.79}, "vectors of something else", False),
        ({"similarity": None}, "without a vector", False),
    ],
)
def test_near_duplicates_share_hash_fine_hash_and_vector(
    album: Album, looks: dict[str, Any], why: str, near: bool
) -> None:
    album.photo("a")
    album.photo("b", **looks)
    assert album.together("near") == ([{"a", "b"}] if near else []), why
    assert album.together("exact") == []


@pytest.mark.parametrize("seed", range(40))
def test_seven_bits_are_found_wherever_they_are(album: Album, seed: int) -> None:
    album.photo("a")
    album.photo("b", looks=turned(LOOKS, 7, seed))
    assert album.together() == [{"a", "b"}]


NOON = "2026-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("columns", "why", "burst"),
    [
        ({"taken_at": "2026-05-01T12:00:03Z"}, "three seconds", True),
        ({"taken_at": "2026-05-01T12:00:04Z"}, "four seconds", False),
        ({"taken_at": "2026-05-01T12:00:01Z", "width": 3000, "height": 4000}, "turned", True),
        ({"taken_at": "2026-05-01T12:00:01Z", "width": 3000, "height": 2000}, "another camera", False),
        ({"taken_at": "2026-05-01T12:00:01Z", "similarity": 0.91}, "alike", True),
        ({"taken_at": "2026-05-01T12:00:01Z", "similarity": 0.89}, "the other way", False),
        ({"taken_at": NOON, "taken_at_precision": "day"}, "a day is no moment", False),
        ({"taken_at": NOON, "taken_at_source": "file_time"}, "copied in the same moment", False),
        ({"taken_at": None}, "nobody knows when", False),
    ],
)
def test_bursts_are_of_one_camera_within_seconds_and_alike(
    album: Album, columns: dict[str, Any], why: str, burst: bool
) -> None:
    album.photo("a", taken_at=NOON, **other(1))
    album.photo("b", **other(2), **columns)
    assert album.together("burst") == ([{"a", "b"}] if burst else []), why
    assert album.together("near") == []


def test_a_burst_is_one_group_however_long(album: Album) -> None:
    for second in range(0, 12, 2):
        album.photo(f"{second:02}", taken_at=f"2026-05-01T12:00:{second:02}Z", **other(second))
    assert album.together("burst") == [{"00", "02", "04", "06", "08", "10"}]


def test_kinds_are_within_each_other(album: Album) -> None:
    album.photo("a", sha256="a" * 64, taken_at=NOON)
    album.photo("copy", sha256="a" * 64, taken_at=NOON)
    album.photo("small", looks=turned(LOOKS, 3))
    album.photo("next", taken_at="2026-05-01T12:00:02Z", **other("next"))
    assert album.together("exact") == [{"a", "copy"}]
    assert album.together("near") == [{"a", "copy", "small"}]
    assert album.together("burst") == album.together() == [{"a", "copy", "small", "next"}]
    (group,) = album.call("list_duplicates")["groups"]
    assert group["kind"] == "burst"
    why = {album.names[member["asset_id"]]: member["why"] for member in group["members"]}
    kinds = sorted(reason["kind"] for reason in why.values() if reason)
    assert kinds == ["burst", "exact", "near"]


def test_users_have_no_duplicates_in_common(queue: Any, album: Album) -> None:
    album.photo("a", sha256="a" * 64)
    another = Album(queue)
    another.photo("b", sha256="a" * 64)
    assert album.together() == another.together() == []
