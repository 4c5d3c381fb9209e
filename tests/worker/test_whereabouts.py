"""What a photo's row says of its place and its time, together with what its file says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from models.pictures.capture import Capture, PlaceSource, Source, Told, read_capture
from models.pictures.moments import Moment, Precision
from models.pictures.picture import open_picture
from tests.paths import TESTDATA
from worker import whereabouts
from worker.core.errors import PackageMissing
from worker.handlers.optimize_image import to_rows

ROME = (41.8902, 12.4922)


def rows(
    moment: Moment, place: tuple[float, float] | None = ROME, language: str = "en"
) -> list[dict[str, Any]]:
    capture = Capture(
        times=(Told(moment=moment, source=Source.ORIGINAL),),
        place=place,
        place_source=PlaceSource.FILE if place else None,
    )
    there = whereabouts.locate([place], language)[0] if place else None
    return to_rows(capture, there)


def at(text: str, **more: Any) -> Moment:
    return Moment(at=datetime.fromisoformat(text), **more)


def test_a_place_has_its_name_and_the_data_it_is_from() -> None:
    _, place = rows(at("2024-06-01T20:00"), language="de-AT")
    assert place["location_name"] == "Rom, Latium, Italien"
    assert place["located_by"] == whereabouts.data_for("de")
    assert place["located_by"].endswith("/de")
    assert whereabouts.data_for("tlh").endswith("/en"), "nobody has names in Klingon"


@pytest.mark.parametrize(
    ("moment", "instant", "offset", "zone", "why"),
    [
        (at("2024-06-01T20:00"), "2024-06-01T18:00:00+00:00", 120, "Europe/Rome", "a clock in summer"),
        (at("2024-12-01T20:00"), "2024-12-01T19:00:00+00:00", 60, "Europe/Rome", "a clock in winter"),
        (at("1955-07-01T20:00"), "1955-07-01T19:00:00+00:00", 60, "Europe/Rome", "no summer time that year"),
        (at("2024-10-27T02:30"), "2024-10-27T00:30:00+00:00", 120, "Europe/Rome", "shown twice: the first"),
        (at("2024-03-31T02:30"), "2024-03-31T01:30:00+00:00", 60, "Europe/Rome", "never shown"),
        (at("2024-06-01T18:00Z"), "2024-06-01T18:00:00+00:00", 120, "Europe/Rome", "an instant stays"),
        (
            at("2024-06-01T20:00+09:00", offset_minutes=540),
            "2024-06-01T20:00:00+09:00",
            540,
            None,
            "the file says it, wrong as it may be",
        ),
        (
            at("2024-06-01T20:00Z", offset_minutes=0),
            "2024-06-01T20:00:00+00:00",
            0,
            None,
            "zero is an offset, too",
        ),
        (
            at("2024-06-01T00:00", precision=Precision.DAY),
            "2024-06-01T00:00:00+00:00",
            None,
            None,
            "a day is one in every zone",
        ),
    ],
)
def test_a_time_without_an_offset_has_that_of_its_place_on_that_day(
    moment: Moment, instant: str, offset: int | None, zone: str | None, why: str
) -> None:
    time, _ = rows(moment)
    told = (time["taken_at"], time["taken_at_offset_minutes"], time.get("taken_at_zone"))
    assert told == (instant, offset, zone), why


@pytest.mark.parametrize(
    ("place", "instant", "why"),
    [
        (None, "2024-06-01T20:00:00+00:00", "nothing says where"),
        ((30.0, -40.0), "2024-06-01T20:00:00+00:00", "far out at sea"),
        ((43.2, 15.2), "2024-06-01T18:00:00+00:00", "at sea, near a coast"),
        ((40.7128, -74.006), "2024-06-02T00:00:00+00:00", "after a flight, with a clock that was set"),
        ((35.68, 139.76), "2024-06-01T11:00:00+00:00", "and after another"),
        ((-16.82, 179.95), "2024-06-01T08:00:00+00:00", "beside the date line"),
        ((-16.85, -179.97), "2024-06-01T08:00:00+00:00", "on its other side, in the same country"),
    ],
)
def test_the_same_clock_is_another_instant_elsewhere(
    place: tuple[float, float] | None, instant: str, why: str
) -> None:
    assert rows(at("2024-06-01T20:00"), place)[0]["taken_at"] == instant, why


def test_without_the_data_there_is_a_word_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'tzfpy'", name="tzfpy")

    whereabouts._load.cache_clear()
    monkeypatch.setattr("worker.whereabouts.Places.load", missing)
    with pytest.raises(PackageMissing, match="the extra `places`"):
        whereabouts.locate([ROME], "en")
    monkeypatch.undo()
    assert whereabouts.locate([ROME], "en"), "once it is installed there is no need to start anew"


@pytest.mark.parametrize(
    ("name", "place", "taken_at", "offset"),
    [
        ("gps/DSCN0010.jpg", "Arezzo, Tuscany, Italy", "2008-10-22T14:28:39+00:00", 120),
        ("gps/iphone_hdr_NO.jpg", "Madrid, Spain", "2015-04-10T20:12:23.016000+02:00", 120),
        (
            "gps/thompson-springs.jpg",
            "Palisade, Colorado, United States",
            "2022-01-10T15:15:44.310000-06:00",
            -360,
        ),
        (
            "formats/gps-datetime.jpg",
            "San Francisco, California, United States",
            "2023-11-15T12:30:00+00:00",
            -480,
        ),
        (
            "heic/IMG_5195.HEIC",
            "Blue Springs, Missouri, United States",
            "2021-04-11T15:47:53.054000-05:00",
            -300,
        ),
        ("objects/bus.jpg", "Madrid, Spain", "2019-03-01T13:06:33.823000+01:00", 60),
    ],
)
def test_real_photos_have_sensible_places_and_times(
    name: str, place: str, taken_at: str, offset: int
) -> None:
    path = TESTDATA / "photos" / name
    if not path.is_file():
        pytest.skip(f"test photo {name} is not there (KIZU_TESTDATA names their folder)")
    capture = read_capture(open_picture(path.read_bytes()).metadata)
    assert capture.place is not None
    (there,) = whereabouts.locate([capture.place], "en")
    assert there.name == place
    time = to_rows(capture, there)[0]
    assert (time["taken_at"], time["taken_at_offset_minutes"]) == (taken_at, offset)
