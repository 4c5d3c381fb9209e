from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models.pictures.file_names import moment_in_name
from models.pictures.moments import Moment, Precision

DAY = datetime(2024, 6, 1)  # noqa: DTZ001
TIME = datetime(2024, 6, 1, 12, 34, 56)  # noqa: DTZ001
EVENING = datetime(2024, 6, 1, 21, 34, 56)  # noqa: DTZ001


@pytest.mark.parametrize(
    "name",
    [
        "IMG-20240601-WA0001.jpg",
        "VID-20240601-WA0012.mp4",
        "2024-06-01 Beach.jpg",
        "2024_06_01.jpg",
        "2024.06.01 - 17.jpg",
        "20240601.jpg",
        "20240601_0001.jpg",
        "Scan_20240601.tif",
        "IMG_20240601_256199.jpg",
    ],
)
def test_a_name_may_know_the_day(name: str) -> None:
    assert moment_in_name(name) == Moment(at=DAY, precision=Precision.DAY)


@pytest.mark.parametrize(
    "name",
    [
        # messengers
        "WhatsApp Image 2024-06-01 at 12.34.56.jpeg",
        "WhatsApp Image 2024-06-01 at 12.34.56 PM (1).jpeg",
        "signal-2024-06-01-123456.jpg",
        "signal-2024-06-01-12-34-56.jpg",
        "signal-2024-06-01-123456_002.jpeg",
        "photo_2024-06-01_12-34-56.jpg",
        "photo_2024-06-01 12.34.56.jpeg",
        "photo_123@01-06-2024_12-34-56.jpg",
        "KakaoTalk_Photo_2024-06-01-12-34-56.jpeg",
        # cameras
        "IMG_20240601_123456.jpg",
        "IMG_20240601_123456_1.jpg",
        "IMG_20240601_123456~2.jpg",
        "IMG20240601123456.jpg",
        "20240601_123456.jpg",
        "20240601_123456(1).jpg",
        "MVIMG_20240601_123456.jpg",
        "WP_20240601_12_34_56_Pro.jpg",
        "DJI_20240601123456_0001_D.JPG",
        "P_20240601_123456.jpg",
        "2024-06-01T12-34-56.jpg",
        "2024-06-01 12.34.56.jpg",
        "2024-06-01 12.34.56-1.jpg",
        # screenshots of Android, macOS, Windows, GNOME, KDE and the simulator
        "Screenshot_20240601-123456.png",
        "Screenshot_20240601-123456_Chrome.jpg",
        "Screenshot_20240601_123456.png",
        "Screenshot_2024-06-01-12-34-56.png",
        "Screenshot 2024-06-01 at 12.34.56.png",
        "Screen Shot 2024-06-01 at 12.34.56 PM.png",
        "Bildschirmfoto 2024-06-01 um 12.34.56.png",
        "Capture d\u2019\u00e9cran 2024-06-01 \u00e0 12.34.56.png",
        "Captura de pantalla 2024-06-01 a las 12.34.56.png",
        "Sk\u00e4rmavbild 2024-06-01 kl. 12.34.56.png",
        "\u30b9\u30af\u30ea\u30fc\u30f3\u30b7\u30e7\u30c3\u30c8 2024-06-01 12.34.56.png",
        "Screenshot 2024-06-01 123456.png",
        "Screenshot from 2024-06-01 12-34-56.png",
        "Simulator Screen Shot - iPhone 8 - 2024-06-01 at 12.34.56.png",
        "folder.20230101/IMG_20240601_123456.jpg",
    ],
)
def test_a_name_may_know_the_second(name: str) -> None:
    assert moment_in_name(name) == Moment(at=TIME)


@pytest.mark.parametrize(
    "name", ["Screen Shot 2024-06-01 at 9.34.56 PM.png", "Screenshot 2024-06-01 at 9.34.56\u202fPM.png"]
)
def test_a_clock_of_twelve_hours_is_read(name: str) -> None:
    assert moment_in_name(name) == Moment(at=EVENING)
    assert moment_in_name("Screen Shot 2024-06-01 at 12.34.56 AM.png") == Moment(at=TIME.replace(hour=0))


@pytest.mark.parametrize(
    "name",
    [
        "signal-2024-06-01-12-34-56-789.jpg",
        "signal-2024-06-01-12-34-56-789-1.jpg",
        "viber_image_2024-06-01_12-34-56-789.jpg",
        "C360_2024-06-01-12-34-56-789.jpg",
        "Screenshot_2024-06-01-12-34-56-789_com.android.chrome.jpg",
        "IMG_20240601_123456789.jpg",
        "KakaoTalk_20240601_123456789.jpg",
        "00000IMG_00000_BURST20240601123456789_COVER.jpg",
    ],
)
def test_a_name_may_know_milliseconds(name: str) -> None:
    assert moment_in_name(name) == Moment(at=TIME.replace(microsecond=789_000))


@pytest.mark.parametrize(
    ("name", "milliseconds"),
    [
        ("PXL_20240601_123456789.jpg", 789),
        ("PXL_20240601_123456789.MP.jpg", 789),
        ("PXL_20240601_123456789~2.jpg", 789),
        ("20240601T123456Z.jpg", 0),
        ("FB_IMG_1717245296789.jpg", 789),
        ("mmexport1717245296789.jpg", 789),
    ],
)
def test_some_names_tell_utc_and_no_offset(name: str, milliseconds: int) -> None:
    at = TIME.replace(tzinfo=UTC, microsecond=milliseconds * 1000)
    assert moment_in_name(name) == Moment(at=at)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "nothing"),
        ("IMG_1234.JPG", "a counter"),
        ("DSC02024.JPG", "a counter"),
        ("P1010001.JPG", "a counter"),
        ("IMG_20181234.jpg", "month 12 has no day 34"),
        ("20012002.jpg", "there is no month 20"),
        ("19891231.jpg", "before names were dates"),
        ("12345678.jpg", "a number"),
        ("120240601.jpg", "a longer number"),
        ("202406011.jpg", "a longer number"),
        ("2024060112.jpg", "a longer number"),
        ("a20240601f3b.jpg", "within a word"),
        ("wallpaper-1920x1080.jpg", "a size"),
        ("1999-2000.jpg", "two years"),
        ("2024-13-01.jpg", "month 13"),
        ("2024-02-30.jpg", "30 February"),
        ("2024-06_01.jpg", "two separators"),
        ("Foto 12-06-01.jpg", "a year of two digits"),
        ("12.2024.06.01.jpg", "a version"),
        ("3f2504e0-4f89-11d3-9a0c-202406011200.jpg", "a UUID"),
        ("20240601-4f89-11d3-9a0c-0305e82c3301.jpg", "a UUID"),
        ("20130726_10151512345678901_1234567890_n.jpg", "what Facebook calls a picture"),
        ("d41d8cd98f00b204e9800998ecf20240.jpg", "a digest"),
        ("received_1717243200123456.jpeg", "an id"),
        ("Snapchat-1717243200.jpg", "an id"),
        ("4006381333931.jpg", "a bar code"),
        ("1717243200123.jpg", "a number"),
    ],
)
def test_a_number_is_not_a_date(name: str, why: str) -> None:
    assert moment_in_name(name) is None, why


def test_a_long_name_takes_no_time() -> None:
    assert moment_in_name("1-" * 100_000) is None
    assert moment_in_name("2024-06-01" + " a" * 100_000) is None


@pytest.mark.parametrize(
    "name",
    [
        "2024-06-01T12:34:56Z.jpg",
        "2024-06-01T12-34-56.000Z.jpg",
        "photo 2024-06-01T123456Z.jpg",
        "20240601T123456Z.jpg",
    ],
)
def test_a_name_that_ends_its_time_with_z_tells_utc(name: str) -> None:
    assert moment_in_name(name) == Moment(at=datetime(2024, 6, 1, 12, 34, 56, tzinfo=UTC))
