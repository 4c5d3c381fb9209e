import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.pictures.exif import Capture, Metadata, read_camera, read_capture
from models.pictures.picture import open_picture
from tests.models.pictures.mutations import Entry, drawing, encoded, exif_of, samples
from tests.paths import TESTDATA

_NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

ORIGINAL, DIGITIZED, MODIFIED = 0x9003, 0x9004, 0x0132
OFFSET, OFFSET_ORIGINAL, OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
FRACTION_ORIGINAL = 0x9291


def text(tag: int, value: str) -> Entry:
    data = value.encode() + b"\0"
    return (tag, 2, len(data), data)


def fractions(tag: int, *parts: tuple[int, int]) -> Entry:
    return (
        tag,
        5,
        len(parts),
        struct.pack(f"<{2 * len(parts)}I", *(number for part in parts for number in part)),
    )


def position(latitude: Entry, longitude: Entry, north: str = "N", east: str = "E") -> list[Entry]:
    return [text(1, north), latitude, text(3, east), longitude]


def capture(exif: bytes | None = None, **blocks: bytes) -> Capture:
    return read_capture(Metadata(exif=exif, **blocks), now=_NOW)


def taken(*exif: Entry, main: list[Entry] | None = None, gps: list[Entry] | None = None) -> datetime | None:
    return capture(exif_of(main or [], list(exif), gps or [])).taken_at


# Time


def test_the_original_time_goes_before_the_others() -> None:
    assert taken(
        text(DIGITIZED, "2022:02:02 02:02:02"),
        text(ORIGINAL, "2021:01:01 01:01:01"),
        main=[text(MODIFIED, "2023:03:03 03:03:03")],
    ) == datetime(2021, 1, 1, 1, 1, 1)  # noqa: DTZ001


def test_an_unbelievable_time_makes_way_for_the_next() -> None:
    assert taken(
        text(ORIGINAL, "0000:00:00 00:00:00"),
        text(DIGITIZED, "2022:13:02 02:02:02"),
        main=[text(MODIFIED, "2023:03:03 03:03:03")],
    ) == datetime(2023, 3, 3, 3, 3, 3)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0000:00:00 00:00:00", "an empty clock"),
        ("0001:01:01 00:00:00", "a clock that was never set"),
        ("    :  :     :  :  ", "blanks"),
        ("", "nothing"),
        ("yesterday", "words"),
        ("2024:00:10 10:00:00", "month 0"),
        ("2024:13:10 10:00:00", "month 13"),
        ("2023:02:29 10:00:00", "no leap year"),
        ("2024:01:01 24:00:00", "hour 24"),
        ("2024:01:01 10:60:00", "minute 60"),
        ("2024:01:01", "a date without a time"),
        ("10:00:00", "a time without a date"),
        ("2026:06:02 12:00:01", "more than a day from now"),
        ("9999:12:31 23:59:59", "the end of time"),
        ("1799:01:01 00:00:00", "before photography"),
    ],
)
def test_an_impossible_time_is_refused(written: str, why: str) -> None:
    assert taken(text(ORIGINAL, written)) is None, why


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024:06:01 12:34:56", datetime(2024, 6, 1, 12, 34, 56)),  # noqa: DTZ001
        ("2024-06-01T12:34:56", datetime(2024, 6, 1, 12, 34, 56)),  # noqa: DTZ001
        ("2024:06:01 12:34", datetime(2024, 6, 1, 12, 34)),  # noqa: DTZ001
        ("2024:06:01 12:34:56.25", datetime(2024, 6, 1, 12, 34, 56, 250_000)),  # noqa: DTZ001
        ("2024:06:01 12:34:56Z", datetime(2024, 6, 1, 12, 34, 56, tzinfo=UTC)),
        ("2024:06:01 12:34:56+02:00", datetime(2024, 6, 1, 10, 34, 56, tzinfo=UTC)),
        ("2026:06:02 11:59:59", datetime(2026, 6, 2, 11, 59, 59)),  # noqa: DTZ001
        ("1840:01:01 00:00:00", datetime(1840, 1, 1)),  # noqa: DTZ001
    ],
)
def test_a_time_is_read_however_it_is_written(written: str, expected: datetime) -> None:
    assert taken(text(ORIGINAL, written)) == expected


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("+02:00", 120), ("-05:00", -300), ("+05:45", 345), ("+0200", 120), ("Z", 0), ("+14:00", 840)],
)
def test_an_offset_makes_the_instant_known(written: str, minutes: int) -> None:
    found = capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, written)]))

    assert found.offset_minutes == minutes
    assert found.taken_at == datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize("written", ["", "   :  ", "+99:99", "+15:00", "+02:75", "CEST", "2"])
def test_an_impossible_offset_is_no_offset(written: str) -> None:
    found = capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, written)]))

    assert found == Capture(taken_at=datetime(2024, 6, 1, 12))  # noqa: DTZ001


def test_the_offset_of_the_file_serves_if_the_original_has_none() -> None:
    assert (
        capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET, "+02:00")])).offset_minutes
        == 120
    )


@pytest.mark.parametrize(
    ("digits", "microseconds"), [("5", 500_000), ("042", 42_000), ("1234567", 123_456), ("x", 0)]
)
def test_fractions_of_a_second_are_kept(digits: str, microseconds: int) -> None:
    moment = taken(text(ORIGINAL, "2024:06:01 12:00:00"), text(FRACTION_ORIGINAL, digits))

    assert moment is not None
    assert moment.microsecond == microseconds


@pytest.mark.parametrize(
    ("clock", "minutes"),
    [
        (((10, 1), (0, 1), (30, 1)), 120),  # half a minute apart: central European summer
        (((6, 1), (15, 1), (0, 1)), 345),  # Nepal
        (((10, 1), (7, 1), (0, 1)), None),  # seven minutes off no offset: an old fix
        (((25, 1), (0, 1), (0, 1)), None),
        (((0, 0), (0, 0), (0, 0)), None),
    ],
)
def test_satellites_prove_the_offset_of_a_camera(
    clock: tuple[tuple[int, int], ...], minutes: int | None
) -> None:
    gps = [fractions(7, *clock), text(29, "2024:06:01")]
    found = capture(exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00")], gps))

    assert found.offset_minutes == minutes
    assert found.taken_at is not None
    assert found.taken_at.replace(tzinfo=None) == datetime(2024, 6, 1, 12)  # noqa: DTZ001


def test_without_a_camera_clock_the_satellites_tell_the_time_but_no_offset() -> None:
    found = capture(exif_of([], [], [fractions(7, (10, 1), (30, 1), (0, 1)), text(29, "2024:06:01")]))

    assert found == Capture(taken_at=datetime(2024, 6, 1, 10, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    "packet",
    [
        b'<rdf:Description exif:DateTimeOriginal="2024-06-01T12:00:00+02:00"/>',
        b"<exif:DateTimeOriginal>2024-06-01T12:00:00+02:00</exif:DateTimeOriginal>",
        b"<rdf:Description photoshop:DateCreated = '2024-06-01T12:00:00+02:00'>",
        b'<x xmp:CreateDate="2024-06-01T12:00:00+02:00">',
    ],
)
def test_xmp_tells_the_time_if_exif_does_not(packet: bytes) -> None:
    assert capture(xmp=packet).taken_at == datetime(2024, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        (b"20240601", b"120000+0200", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        (b"20240601", b"120000+0000", datetime(2024, 6, 1, 12)),  # noqa: DTZ001
        (b"20240601", b"120000", datetime(2024, 6, 1, 12)),  # noqa: DTZ001
        (b"20240601", b"", None),
        (b"", b"120000", None),
        (b"20241301", b"120000", None),
    ],
)
def test_iptc_tells_the_time_if_exif_and_xmp_do_not(
    date: bytes, time: bytes, expected: datetime | None
) -> None:
    records = b"".join(
        b"\x1c\x02" + bytes((dataset,)) + struct.pack(">H", len(value)) + value
        for dataset, value in ((55, date), (60, time))
    )

    assert capture(iptc=records).taken_at == expected


# Place


@pytest.mark.parametrize(
    ("latitude", "longitude", "references", "expected"),
    [
        (((43, 1), (30, 1), (36, 1)), ((11, 1), (0, 1), (0, 1)), "NE", (43.51, 11.0)),
        (((43, 1), (30, 1), (36, 1)), ((11, 1), (0, 1), (0, 1)), "SW", (-43.51, -11.0)),
        (((43, 1), (306, 10), (0, 1)), ((11, 1), (0, 1), (0, 1)), "NE", (43.51, 11.0)),
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

    assert (found.latitude, found.longitude) == pytest.approx(expected)


_FINE = fractions(4, (11, 1), (0, 1), (0, 1))


@pytest.mark.parametrize(
    ("gps", "why"),
    [
        (
            position(fractions(2, (0, 1), (0, 1), (0, 1)), fractions(4, (0, 1), (0, 1), (0, 1))),
            "a receiver without a fix",
        ),
        (position(fractions(2, (0, 0), (0, 0), (0, 0)), _FINE), "0/0"),
        (position(fractions(2, (43, 1), (30, 0), (0, 1)), _FINE), "30/0 minutes"),
        (position(fractions(2, (90, 1), (0, 1), (1, 1)), _FINE), "beyond the pole"),
        (position(fractions(2, (43, 1), (61, 1), (0, 1)), _FINE), "61 minutes"),
        (
            position(fractions(2, (43, 1), (0, 1), (0, 1)), fractions(4, (181, 1), (0, 1), (0, 1))),
            "181 degrees",
        ),
        (position((2, 12, 3, struct.pack("<3d", float("nan"), 0, 0)), _FINE), "NaN"),
        (position((2, 12, 3, struct.pack("<3d", float("inf"), 0, 0)), _FINE), "infinity"),
        (position((2, 10, 1, struct.pack("<2i", -43, 1)), _FINE), "a sign instead of a hemisphere"),
        (position(text(2, "43.5"), _FINE), "a text"),
        (position(fractions(2, (43, 1), (0, 1), (0, 1)), _FINE, north="X"), "an unknown hemisphere"),
        (position(fractions(2, (43, 1), (0, 1), (0, 1)), _FINE, north="E"), "the wrong hemisphere"),
        ([fractions(2, (43, 1), (0, 1), (0, 1)), _FINE], "no hemispheres"),
        ([text(1, "N"), fractions(2, (43, 1), (0, 1), (0, 1))], "half a position"),
        (position(fractions(2, *[(1, 1)] * 4), _FINE), "four numbers"),
    ],
)
def test_an_impossible_position_is_refused(gps: list[Entry], why: str) -> None:
    found = capture(exif_of([], [], gps))

    assert (found.latitude, found.longitude) == (None, None), why


def test_xmp_tells_the_place_if_exif_does_not() -> None:
    found = capture(xmp=b'<x exif:GPSLatitude="37,46.494N" exif:GPSLongitude="122,25,9.84W"/>')

    assert (found.latitude, found.longitude) == pytest.approx((37.7749, -122.4194))


# Camera


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ((0x0112, 3, 1, 6), 6),
        ((0x0112, 4, 1, 6), 6),
        ((0x0112, 1, 1, 6), 6),
        ((0x0112, 3, 1, 0), None),
        ((0x0112, 3, 1, 9), None),
        ((0x0112, 3, 2, 6), None),
        ((0x0112, 2, 2, b"6\0"), None),
        ((0x0112, 3, 0xFFFFFFFF, 6), None),
    ],
)
def test_an_orientation_is_one_whole_number_from_1_to_8(entry: Entry, expected: int | None) -> None:
    assert read_camera(Metadata(exif=exif_of([entry]))).orientation == expected


def test_big_endian_is_read_too() -> None:
    block = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)

    assert read_camera(Metadata(exif=block)).orientation == 6


# Never an error


def test_no_metadata_is_no_capture() -> None:
    assert capture() == Capture()


def test_no_cut_and_no_byte_makes_reading_fail() -> None:
    block = exif_of(
        [text(MODIFIED, "2024:06:01 12:00:00"), (0x0112, 3, 1, 6)],
        [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, "+02:00")],
        position(fractions(2, (43, 1), (30, 1), (36, 1)), _FINE),
    )
    for at in range(len(block)):
        for changed in (
            block[:at],
            block[:at] + b"\xff" + block[at + 1 :],
            block[:at] + b"\0" + block[at + 1 :],
        ):
            assert isinstance(capture(changed, xmp=changed, iptc=changed), Capture)


# Through a file


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_every_kind_hands_over_its_exif(kind: str) -> None:
    samples()  # registers the writing of HEIF
    block = exif_of([], [text(ORIGINAL, "2024:06:01 12:00:00"), text(OFFSET_ORIGINAL, "+02:00")])

    found = read_capture(open_picture(encoded(drawing(), kind, exif=block)).metadata, now=_NOW)

    assert found.taken_at == datetime(2024, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "taken_at", "offset_minutes", "place"),
    [
        ("formats/date-priority-test.jpg", "2023-02-02T02:00:00", None, None),
        ("formats/datetimeoriginal-gps.jpg", "2025-12-01T11:30:00", None, (39.0, -108.0)),
        ("formats/gps-datetime.jpg", "2023-11-15T12:30:00+00:00", None, (37.7749, -122.4194)),
        ("formats/time-created.jpg", None, None, None),
        ("formats/denali.webp", "2010-08-13T21:00:01.850000", None, None),
        ("gps/DSCN0010.jpg", "2008-10-22T16:28:39", None, (43.467448, 11.885127)),
        ("gps/empty_gps.jpg", "2025-06-01T16:59:26.023460", None, None),
        ("gps/iphone_hdr_NO.jpg", "2015-04-10T20:12:23.016000+02:00", 120, (40.446972, -3.724753)),
        ("gps/no_exif.jpg", "2013-09-23T10:09:46+02:00", 120, None),
        ("gps/thompson-springs.jpg", "2022-01-10T15:15:44.310000-06:00", -360, (39.115, -108.400968)),
        ("heic/IMG_5195.HEIC", "2021-04-11T15:47:53.054000-05:00", -300, (39.051344, -94.288772)),
        ("heic/samsung-one-ui-6.heic", "2024-01-12T21:38:53.853000-08:00", -480, None),
        ("objects/bus.jpg", "2019-03-01T13:06:33.823000+01:00", 60, (40.411389, -3.707364)),
    ],
)
def test_real_photos_tell_when_and_where(
    name: str, taken_at: str | None, offset_minutes: int | None, place: tuple[float, float] | None
) -> None:
    path = TESTDATA / "photos" / name
    if not path.is_file():
        pytest.skip(f"test photo {name} is not there (KIZU_TESTDATA names their folder)")

    found = read_capture(open_picture(path, short_side=300).metadata, now=_NOW)

    assert found.taken_at == (taken_at and datetime.fromisoformat(taken_at))
    assert found.offset_minutes == offset_minutes
    assert (found.latitude, found.longitude) == (pytest.approx(place, abs=1e-5) if place else (None, None))
