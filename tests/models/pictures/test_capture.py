from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from PIL.PngImagePlugin import PngInfo

from models.pictures.capture import Capture, Origin, PlaceSource, Source, read_capture
from models.pictures.exif import Metadata
from models.pictures.moments import Moment, Precision
from models.pictures.picture import open_picture
from tests.models.pictures.mutations import Entry, drawing, encoded, exif_of, samples
from tests.models.pictures.packets import iptc_of, xmp_of
from tests.paths import TESTDATA

ORIGINAL, DIGITISED, MODIFIED = 0x9003, 0x9004, 0x0132
OFFSET, OFFSET_ORIGINAL = 0x9010, 0x9011
FRACTION_ORIGINAL = 0x9291


def text(tag: int, value: str) -> Entry:
    data = value.encode() + b"\0"
    return (tag, 2, len(data), data if len(data) > 4 else int.from_bytes(data, "little"))


def fractions(tag: int, *parts: tuple[int, int]) -> Entry:
    return (
        tag,
        5,
        len(parts),
        struct.pack(f"<{2 * len(parts)}I", *(number for part in parts for number in part)),
    )


def position(latitude: Entry, longitude: Entry, north: str = "N", east: str = "E") -> list[Entry]:
    return [text(1, north), latitude, text(3, east), longitude]


def at_longitude(degrees: int) -> list[Entry]:
    """A position on the 20th parallel."""
    longitude = fractions(4, (abs(degrees), 1), (0, 1), (0, 1))
    return position(fractions(2, (20, 1), (0, 1), (0, 1)), longitude, east="E" if degrees >= 0 else "W")


def naive(*numbers: int) -> datetime:
    """What a clock on the wall showed."""
    year, month, day, *time = numbers
    return datetime(year, month, day, *time)  # noqa: DTZ001


def capture(exif: bytes | None = None, origin: Origin | None = None, **blocks: bytes) -> Capture:
    return read_capture(Metadata(exif=exif, **blocks), origin or Origin())


def best(found: Capture) -> Moment | None:
    """The most trustworthy of the times."""
    return found.times[0].moment if found.times else None


def said(found: Capture) -> tuple[Source, datetime]:
    """The most trustworthy of the times, and what told it."""
    return found.times[0].source, found.times[0].moment.at


def taken(*exif: Entry, main: list[Entry] | None = None, gps: list[Entry] | None = None) -> datetime | None:
    moment = best(capture(exif_of(main or [], list(exif), gps or [])))
    return moment.at if moment else None


# What a time means


def test_the_original_time_goes_before_the_others() -> None:
    assert taken(
        text(DIGITISED, "2022:02:02 02:02:02"),
        text(ORIGINAL, "2021:01:01 01:01:01"),
        main=[text(MODIFIED, "2023:03:03 03:03:03")],
    ) == naive(2021, 1, 1, 1, 1, 1)


def test_an_unbelievable_time_makes_way_for_the_next() -> None:
    assert taken(
        text(ORIGINAL, "0000:00:00 00:00:00"),
        text(DIGITISED, "2022:13:02 02:02:02"),
        main=[text(MODIFIED, "2023:03:03 03:03:03")],
    ) == naive(2023, 3, 3, 3, 3, 3)


SCANNED = exif_of([text(MODIFIED, "2023:03:03 03:03:03")], [text(DIGITISED, "2022:02:02 02:02:02")])


@pytest.mark.parametrize(
    "blocks",
    [
        {"xmp": xmp_of('exif:DateTimeOriginal="1987-05-04T03:02:01"')},
        {"xmp": xmp_of('photoshop:DateCreated="1987-05-04T03:02:01"')},
        {"iptc": iptc_of({55: "19870504", 60: "030201"})},
    ],
)
def test_original_anywhere_goes_before_digitised_in_exif(blocks: dict[str, bytes]) -> None:
    assert said(capture(SCANNED, **blocks)) == (Source.ORIGINAL, naive(1987, 5, 4, 3, 2, 1))


@pytest.mark.parametrize(
    "blocks",
    [
        {"xmp": xmp_of('exif:DateTimeDigitized="1987-05-04T03:02:01"')},
        {"xmp": xmp_of('xmp:CreateDate="1987-05-04T03:02:01"')},
        {"xmp": xmp_of('xap:CreateDate="1987-05-04T03:02:01"')},
        {"iptc": iptc_of({62: "19870504", 63: "030201"})},
    ],
)
def test_digitised_anywhere_goes_before_modified_in_exif(blocks: dict[str, bytes]) -> None:
    edited = exif_of([text(MODIFIED, "2023:03:03 03:03:03")])
    assert said(capture(edited, **blocks)) == (Source.DIGITISED, naive(1987, 5, 4, 3, 2, 1))


@pytest.mark.parametrize("name", ["xmp:ModifyDate", "xap:ModifyDate", "tiff:DateTime"])
def test_a_packet_may_know_nothing_but_the_last_change(name: str) -> None:
    found = capture(xmp=xmp_of(f'{name}="2024-06-01T12:00:00+02:00"'))
    assert said(found) == (Source.MODIFIED, datetime(2024, 6, 1, 10, tzinfo=UTC))


def test_when_a_packet_was_changed_says_nothing_of_the_picture() -> None:
    assert capture(xmp=xmp_of('xmp:MetadataDate="2024-06-01T12:00:00"')) == Capture()


def test_raw_files_keep_the_original_time_in_the_main_directory() -> None:
    assert taken(main=[text(ORIGINAL, "2021:01:01 01:01:01")]) == naive(2021, 1, 1, 1, 1, 1)


def test_a_tiff_hands_over_the_blocks_in_its_tags() -> None:
    records = iptc_of({55: "19870504"})
    resources = (
        b"8BIM\x03\xe8\0\0\0\0\0\x03abc\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    )
    packet = xmp_of('xmp:CreateDate="1999-01-01T00:00:00"')
    for tag, data, expected in (
        (0x83BB, records, (Source.ORIGINAL, naive(1987, 5, 4))),
        (0x8649, resources, (Source.ORIGINAL, naive(1987, 5, 4))),
        (0x02BC, packet, (Source.DIGITISED, naive(1999, 1, 1))),
    ):
        assert said(capture(exif_of([(tag, 7, len(data), data)]))) == expected


# How much of it is known


@pytest.mark.parametrize(
    ("records", "expected", "precision"),
    [
        ({55: "20240601", 60: "120000"}, naive(2024, 6, 1, 12), Precision.SECOND),
        ({55: "20240601"}, naive(2024, 6, 1), Precision.DAY),
        ({55: "19870500"}, naive(1987, 5, 1), Precision.MONTH),
        ({55: "19500000"}, naive(1950, 1, 1), Precision.YEAR),
    ],
)
def test_what_is_known_of_a_day_is_kept_before_an_editors_clock(
    records: dict[int, str], expected: datetime, precision: Precision
) -> None:
    found = capture(SCANNED, iptc=iptc_of(records))

    assert said(found) == (Source.ORIGINAL, expected)
    assert found.times[0].moment.precision is precision


def test_another_time_of_the_same_meaning_says_more_of_the_same_day() -> None:
    day = xmp_of('photoshop:DateCreated="2024-06-01"')
    assert said(capture(xmp=day, iptc=iptc_of({55: "20240601", 60: "120000"})))[1] == naive(2024, 6, 1, 12)
    assert said(capture(xmp=day, iptc=iptc_of({55: "20240602", 60: "120000"})))[1] == naive(2024, 6, 1)
    scanned_then = exif_of([], [text(DIGITISED, "2024:06:01 18:00:00")])
    assert said(capture(scanned_then, xmp=day)) == (Source.ORIGINAL, naive(2024, 6, 1))


# Offsets


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("+02:00", 120), ("-05:00", -300), ("+05:45", 345), ("+0200", 120), ("Z", 0), ("+14:00", 840)],
)
def test_an_offset_makes_the_instant_known(written: str, minutes: int) -> None:
    found = best(
        capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, written)]))
    )

    assert found == Moment(
        at=datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(minutes=minutes))), offset_minutes=minutes
    )


@pytest.mark.parametrize("written", ["", "   :  ", "+99:99", "+15:00", "+02:75", "CEST", "2"])
def test_an_impossible_offset_is_no_offset(written: str) -> None:
    found = best(
        capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, written)]))
    )

    assert found == Moment(at=naive(2024, 6, 1, 12))


def test_the_offset_of_the_file_serves_if_the_original_has_none() -> None:
    found = best(capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET, "+02:00")])))
    assert found
    assert found.offset_minutes == 120


@pytest.mark.parametrize(
    ("digits", "microseconds"), [("5", 500_000), ("042", 42_000), ("1234567", 123_456), ("x", 0)]
)
def test_fractions_of_a_second_are_kept(digits: str, microseconds: int) -> None:
    moment = taken(text(ORIGINAL, "2024:06:01 12:00:00"), text(FRACTION_ORIGINAL, digits))

    assert moment is not None
    assert moment.microsecond == microseconds


@pytest.mark.parametrize(
    ("clock", "longitude", "minutes"),
    [
        (((10, 1), (0, 1), (30, 1)), 11, 120),  # half a minute apart: central European summer
        (((10, 1), (0, 1), (0, 0)), 11, 120),  # the seconds are undefined
        (((6, 1), (15, 1), (0, 1)), 85, 345),  # Nepal
        (((10, 1), (7, 1), (0, 1)), 11, None),  # seven minutes off no offset: an old fix
        (((10, 1), (0, 1), (0, 1)), -74, None),  # New York, by a clock that is still in Europe
        (((11, 1), (45, 1), (0, 1)), 4, None),  # nobody lives at a quarter of an hour
        (((25, 1), (0, 1), (0, 1)), 11, None),
        (((0, 0), (0, 0), (0, 0)), 11, None),
    ],
)
def test_satellites_prove_the_offset_of_a_camera_where_it_exists(
    clock: tuple[tuple[int, int], ...], longitude: int, minutes: int | None
) -> None:
    gps = [fractions(7, *clock), text(29, "2024:06:01"), *at_longitude(longitude)]
    found = best(capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00")], gps)))

    assert found
    assert found.offset_minutes == minutes
    assert found.wall == naive(2024, 6, 1, 12)


def test_without_a_longitude_satellites_prove_no_offset() -> None:
    gps = [fractions(7, (10, 1), (0, 1), (0, 1)), text(29, "2024:06:01")]
    found = best(capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00")], gps)))
    assert found == Moment(at=naive(2024, 6, 1, 12))


def test_without_a_camera_clock_the_satellites_tell_the_time_but_no_offset() -> None:
    found = capture(exif_of([], [], [fractions(7, (10, 1), (30, 1), (0, 1)), text(29, "2024:06:01")]))

    assert said(found) == (Source.SATELLITE, datetime(2024, 6, 1, 10, 30, tzinfo=UTC))
    assert found.times[0].moment.offset_minutes is None


def test_satellites_go_before_an_editors_clock() -> None:
    gps = [fractions(7, (10, 1), (30, 1), (0, 1)), text(29, "2019:06:01")]
    assert said(capture(exif_of([text(MODIFIED, "2023:03:03 03:03:03")], [], gps))) == (
        Source.SATELLITE,
        datetime(2019, 6, 1, 10, 30, tzinfo=UTC),
    )


def test_satellites_vouch_for_the_only_clock_of_a_camera() -> None:
    gps = [fractions(7, (10, 1), (30, 1), (1, 1)), text(29, "2019:06:01"), *at_longitude(11)]
    found = capture(exif_of([text(MODIFIED, "2019:06:01 12:30:00")], [], gps))

    assert said(found) == (Source.MODIFIED, datetime(2019, 6, 1, 10, 30, tzinfo=UTC))
    assert found.times[0].moment.offset_minutes == 120


@pytest.mark.parametrize("date", ["1980:01:06", "1970:01:01", "", "2024:00:01"])
def test_a_receiver_without_a_fix_tells_no_time(date: str) -> None:
    gps = [fractions(7, (0, 1), (0, 1), (0, 1)), text(29, date)]
    assert capture(exif_of([], [], gps)) == Capture()


def test_packets_know_the_satellites_time_too() -> None:
    found = capture(xmp=xmp_of('exif:GPSTimeStamp="2024-06-01T10:30:00Z"'))
    assert said(found) == (Source.SATELLITE, datetime(2024, 6, 1, 10, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20240601", "120000+0200", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        ("20240601", "120000+0000", naive(2024, 6, 1, 12)),
        ("20240601", "120000", naive(2024, 6, 1, 12)),
        ("", "120000", None),
        ("20241301", "120000", None),
        ("2024 601", "120000", None),
    ],
)
def test_iptc_tells_the_time_if_exif_and_xmp_do_not(date: str, time: str, expected: datetime | None) -> None:
    found = best(capture(iptc=iptc_of({55: date, 60: time})))

    assert (found.at if found else None) == expected


# What lies beside the file

TAKEOUT = json.dumps(
    {
        "title": "IMG_0001.jpg",
        "photoTakenTime": {"timestamp": "1717236000", "formatted": "1 Jun 2024, 10:00:00 UTC"},
        "creationTime": {"timestamp": "1719828000"},
        "geoData": {"latitude": 43.51, "longitude": -11.0, "altitude": 0.0},
    }
).encode()


def test_without_a_word_in_the_file_its_sidecar_tells_when_and_where() -> None:
    found = capture(origin=Origin(sidecars=[TAKEOUT]))
    assert said(found) == (Source.SIDECAR, datetime(2024, 6, 1, 10, tzinfo=UTC))
    assert (found.place, found.place_source) == ((43.51, -11.0), PlaceSource.SIDECAR)

    packet = xmp_of(
        'exif:DateTimeOriginal="2024-06-01T12:00:00" exif:GPSLatitude="43,30.6N" exif:GPSLongitude="11,0W"'
    )
    found = capture(origin=Origin(sidecars=[packet]))
    assert said(found) == (Source.SIDECAR, naive(2024, 6, 1, 12))
    assert (found.place, found.place_source) == ((43.51, -11.0), PlaceSource.SIDECAR)


def test_a_sidecars_original_goes_before_what_the_file_says_of_its_scan() -> None:
    assert said(capture(SCANNED, Origin(sidecars=[TAKEOUT])))[0] is Source.SIDECAR
    own = exif_of([], [text(ORIGINAL, "2021:01:01 01:01:01")])
    assert said(capture(own, Origin(sidecars=[TAKEOUT])))[0] is Source.ORIGINAL


def test_sources_are_listed_as_they_are_trusted() -> None:
    gps = [fractions(7, (10, 1), (30, 1), (0, 1)), text(29, "2019:06:01"), *at_longitude(11)]
    block = exif_of(
        [text(MODIFIED, "2023:03:03 03:03:03")],
        [text(ORIGINAL, "2021:01:01 01:01:01"), text(DIGITISED, "2022:02:02 02:02:02")],
        gps,
    )
    origin = Origin(
        file_name="IMG-20180102-WA0001.jpg",
        modified_at=datetime(2025, 5, 5, tzinfo=UTC),
        sidecars=[TAKEOUT],
    )

    found = capture(block, origin)

    assert [(told.source, told.moment.at.year) for told in found.times] == [
        (Source.ORIGINAL, 2021),
        (Source.SIDECAR, 2024),
        (Source.DIGITISED, 2022),
        (Source.SATELLITE, 2019),
        (Source.MODIFIED, 2023),
        (Source.FILE_NAME, 2018),
        (Source.SIDECAR, 2024),  # when Google got it
        (Source.FILE_TIME, 2025),
    ]
    assert found.place_source is PlaceSource.FILE


@pytest.mark.parametrize(
    "modified_at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1980, 1, 1, tzinfo=UTC), None]
)
def test_a_disk_that_kept_no_time_tells_none(modified_at: datetime | None) -> None:
    assert capture(origin=Origin(modified_at=modified_at, file_name="IMG_0001.jpg")) == Capture()


# PNG's texts


@pytest.mark.parametrize(
    ("keyword", "written", "expected"),
    [
        ("Creation Time", "Sat, 01 Jun 2024 12:00:00 +0200", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        ("Creation Time", "1 Jun 2024 12:00:00 GMT", datetime(2024, 6, 1, 12, tzinfo=UTC)),
        ("Creation Time", "2024-06-01T12:00:00", naive(2024, 6, 1, 12)),
        ("Creation Time", "2024:06:01", naive(2024, 6, 1)),
        ("exif:DateTimeOriginal", "2024:06:01 12:00:00", naive(2024, 6, 1, 12)),
        ("Creation Time", "yesterday", None),
        ("Creation Time", "Sat, 99 Jun 2024 12:00:00 +0200", None),
        ("Comment", "2024-06-01T12:00:00", None),
    ],
)
def test_a_png_tells_when_its_picture_was_created(
    keyword: str, written: str, expected: datetime | None
) -> None:
    info = PngInfo()
    info.add_text(keyword, written)

    found = best(read_capture(open_picture(encoded(drawing(), "PNG", pnginfo=info)).metadata))

    assert (found.at if found else None) == expected


# Place


_FINE = fractions(4, (11, 1), (0, 1), (0, 1))


@pytest.mark.parametrize(
    ("latitude", "longitude", "references", "expected"),
    [
        (((43, 1), (30, 1), (36, 1)), ((11, 1), (0, 1), (0, 1)), "NE", (43.51, 11.0)),
        (((43, 1), (30, 1), (36, 1)), ((11, 1), (0, 1), (0, 1)), "SW", (-43.51, -11.0)),
        (((43, 1), (306, 10), (0, 1)), ((11, 1), (0, 1), (0, 1)), "NE", (43.51, 11.0)),
        (((43, 1), (306, 10), (0, 0)), ((11, 1), (0, 1), (0, 0)), "NE", (43.51, 11.0)),
        (((4351, 100), (0, 0), (0, 0)), ((11, 1), (0, 1), (0, 0)), "NE", (43.51, 11.0)),
        (((4351, 100),), ((11, 1),), "NE", (43.51, 11.0)),
        (((0, 1), (0, 1), (0, 1)), ((11, 1), (0, 1), (0, 1)), "NE", (0.0, 11.0)),
        (((51, 1), (0, 1), (0, 1)), ((0, 1), (0, 1), (0, 1)), "NE", (51.0, 0.0)),
        (((90, 1), (0, 1), (0, 1)), ((180, 1), (0, 1), (0, 1)), "SW", (-90.0, -180.0)),
    ],
)
def test_a_position_is_read(
    latitude: tuple[tuple[int, int], ...],
    longitude: tuple[tuple[int, int], ...],
    references: str,
    expected: tuple[float, float],
) -> None:
    found = capture(exif_of([], [], position(fractions(2, *latitude), fractions(4, *longitude), *references)))

    assert found.place == pytest.approx(expected)
    assert found.place_source is PlaceSource.FILE


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        (position(text(2, "43.51"), _FINE), (43.51, 11.0)),
        ([text(2, "43.51N"), text(4, "11 E")], (43.51, 11.0)),
        ([text(2, "43 deg 30' 36.00\" S"), text(4, "11 deg E")], (-43.51, 11.0)),
        ([(2, 10, 1, struct.pack("<2i", -43, 1)), text(3, "E"), _FINE], (-43.0, 11.0)),
        (position((2, 10, 1, struct.pack("<2i", -43, 1)), _FINE, north="S"), (-43.0, 11.0)),
        (position(fractions(2, (43, 1), (0, 1), (0, 1)), _FINE, "North", "West"), (43.0, -11.0)),
    ],
)
def test_a_reference_beside_the_number_counts(gps: list[Entry], expected: tuple[float, float]) -> None:
    assert capture(exif_of([], [], gps)).place == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gps", "why"),
    [
        (
            position(fractions(2, (0, 1), (0, 1), (0, 1)), fractions(4, (0, 1), (0, 1), (0, 1))),
            "a receiver without a fix",
        ),
        (position(fractions(2, (0, 0), (0, 0), (0, 0)), _FINE), "0/0"),
        (position(fractions(2, (43, 1), (0, 0), (0, 0)), _FINE), "whole degrees of no minutes"),
        (position(fractions(2, (43, 1), (30, 0), (0, 1)), _FINE), "30/0 minutes"),
        (position(fractions(2, (43, 1), (30, 1), (1, 0)), _FINE), "1/0 seconds"),
        (position(fractions(2, (90, 1), (0, 1), (1, 1)), _FINE), "beyond the pole"),
        (position(fractions(2, (43, 1), (61, 1), (0, 1)), _FINE), "61 minutes"),
        (
            position(fractions(2, (43, 1), (0, 1), (0, 1)), fractions(4, (181, 1), (0, 1), (0, 1))),
            "181 degrees",
        ),
        (position((2, 12, 3, struct.pack("<3d", float("nan"), 0, 0)), _FINE), "NaN"),
        (position((2, 12, 3, struct.pack("<3d", float("inf"), 0, 0)), _FINE), "infinity"),
        (position((2, 10, 1, struct.pack("<2i", -43, 1)), _FINE), "a sign against its hemisphere"),
        (position(text(2, "43 north-ish of here"), _FINE), "a text"),
        (position(fractions(2, (43, 1), (0, 1), (0, 1)), _FINE, north="X"), "an unknown hemisphere"),
        (position(fractions(2, (43, 1), (0, 1), (0, 1)), _FINE, north="E"), "the wrong hemisphere"),
        ([fractions(2, (43, 1), (0, 1), (0, 1)), _FINE], "no hemispheres"),
        ([text(1, "N"), fractions(2, (43, 1), (0, 1), (0, 1))], "half a position"),
        (position(fractions(2, *[(1, 1)] * 4), _FINE), "four numbers"),
    ],
)
def test_an_impossible_position_is_refused(gps: list[Entry], why: str) -> None:
    assert capture(exif_of([], [], gps)).place is None, why


@pytest.mark.parametrize(
    "packet",
    [
        'exif:GPSLatitude="37,46.494N" exif:GPSLongitude="122,25,9.84W"',
        'exif:GPSLatitude="37.7749N" exif:GPSLongitude="122.4194W"',
        'exif:GPSLatitude="37.7749" exif:GPSLongitude="-122.4194"',
        """exif:GPSLatitude="37.7749" exif:GPSLatitudeRef="N"
           exif:GPSLongitude="122.4194" exif:GPSLongitudeRef="W" """,
    ],
)
def test_xmp_tells_the_place_if_exif_does_not(packet: str) -> None:
    assert capture(xmp=xmp_of(packet)).place == pytest.approx((37.7749, -122.4194))


# Never an error


def test_no_metadata_is_no_capture() -> None:
    assert capture() == Capture()


def test_no_cut_and_no_byte_makes_reading_fail() -> None:
    block = exif_of(
        [text(MODIFIED, "2024:06:01 12:00:00"), (0x0112, 3, 1, 6)],
        [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, "+02:00")],
        position(fractions(2, (43, 1), (30, 1), (36, 1)), _FINE),
    )
    packet = xmp_of('exif:DateTimeOriginal="2024-06-01T12:00:00" exif:GPSLatitude="37,46.494N"')
    for whole, step in ((block, 1), (packet, 7), (TAKEOUT, 1)):
        for at in range(0, len(whole), step):
            for changed in (
                whole[:at],
                whole[:at] + b"\xff" + whole[at + 1 :],
                whole[:at] + b"\0" + whole[at + 1 :],
            ):
                origin = Origin(sidecars=[changed])
                assert isinstance(capture(changed, origin, xmp=changed, iptc=changed), Capture)


# Through a file


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_every_kind_hands_over_its_exif(kind: str) -> None:
    samples()  # registers the writing of HEIF
    block = exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, "+02:00")])

    found = read_capture(open_picture(encoded(drawing(), kind, exif=block)).metadata)

    assert said(found) == (Source.ORIGINAL, datetime(2024, 6, 1, 10, tzinfo=UTC))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_every_kind_hands_over_its_xmp(kind: str) -> None:
    samples()
    packet = xmp_of('exif:DateTimeOriginal="2024-06-01T12:00:00+02:00"')
    options: dict[str, object] = {"xmp": packet}
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": info}
    if kind == "TIFF":
        options = {"tiffinfo": {700: packet}}

    found = read_capture(open_picture(encoded(drawing(), kind, **options)).metadata)

    assert said(found) == (Source.ORIGINAL, datetime(2024, 6, 1, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "taken_at", "offset_minutes", "source", "place"),
    [
        ("formats/date-priority-test.jpg", "2023-02-02T02:00:00", None, "original", None),
        ("formats/datetimeoriginal-gps.jpg", "2025-12-01T11:30:00", None, "original", (39.0, -108.0)),
        ("formats/density_plot.png", "2007-02-13T06:34:38", None, "original", None),
        (
            "formats/gps-datetime.jpg",
            "2023-11-15T12:30:00+00:00",
            None,
            "satellite",
            (37.7749, -122.4194),
        ),
        ("formats/time-created.jpg", None, None, None, None),
        ("formats/denali.webp", "2010-08-13T21:00:01.850000", None, "original", None),
        ("gps/DSCN0010.jpg", "2008-10-22T16:28:39", None, "original", (43.467448, 11.885127)),
        ("gps/empty_gps.jpg", "2025-06-01T16:59:26.023460", None, "original", None),
        (
            "gps/iphone_hdr_NO.jpg",
            "2015-04-10T20:12:23.016000+02:00",
            120,
            "original",
            (40.446972, -3.724753),
        ),
        ("gps/no_exif.jpg", "2013-09-23T10:09:46+02:00", 120, "digitised", None),
        (
            "gps/thompson-springs.jpg",
            "2022-01-10T15:15:44.310000-06:00",
            -360,
            "original",
            (39.115, -108.400968),
        ),
        (
            "heic/HMD_Nokia_8.3_5G.heif",
            "2022-02-03T14:44:07.722000+00:00",
            0,
            "modified",
            (40.788685, -4.005141),
        ),
        (
            "heic/IMG_5195.HEIC",
            "2021-04-11T15:47:53.054000-05:00",
            -300,
            "original",
            (39.051344, -94.288772),
        ),
        ("heic/samsung-one-ui-6.heic", "2024-01-12T21:38:53.853000-08:00", -480, "original", None),
        ("objects/bus.jpg", "2019-03-01T13:06:33.823000+01:00", 60, "original", (40.411389, -3.707364)),
    ],
)
def test_real_photos_tell_when_and_where(
    name: str,
    taken_at: str | None,
    offset_minutes: int | None,
    source: str | None,
    place: tuple[float, float] | None,
) -> None:
    path = TESTDATA / "photos" / name
    if not path.is_file():
        pytest.skip(f"test photo {name} is not there (KIZU_TESTDATA names their folder)")

    found = read_capture(open_picture(path, short_side=300).metadata)

    moment = best(found)
    assert (moment.at if moment else None) == (taken_at and datetime.fromisoformat(taken_at))
    assert (moment.offset_minutes if moment else None) == offset_minutes
    assert (found.times[0].source if found.times else None) == source
    assert found.place == (pytest.approx(place, abs=1e-5) if place else None)
