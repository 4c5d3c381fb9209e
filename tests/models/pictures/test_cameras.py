"""Names of cameras, as makers write them into their files."""

from __future__ import annotations

import pytest

from models.pictures.cameras import LONGEST, camera_name
from models.pictures.capture import read_capture
from models.pictures.exif import Metadata
from models.pictures.picture import open_picture
from tests.models.pictures.mutations import exif_of
from tests.models.pictures.packets import xmp_of
from tests.models.pictures.test_capture import text
from tests.paths import TESTDATA

MAKE, MODEL = 0x010F, 0x0110


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Google", "Pixel 7", "Google Pixel 7"),
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("NIKON", "COOLPIX P6000", "NIKON COOLPIX P6000"),
        ("OLYMPUS IMAGING CORP.  ", "E-M1MarkII", "OLYMPUS E-M1MarkII"),
        ("SONY\0\0garbage", "ILCE-7M3\0", "SONY ILCE-7M3"),
        ("EASTMAN KODAK COMPANY", "KODAK DX4530", "KODAK DX4530"),
        ("Samsung Techwin Co., Ltd.", "<Digimax S500>", "Samsung <Digimax S500>"),
        ("apple", "Apple", "Apple"),
        ("Canon", "CanonScan 8800F", "Canon CanonScan 8800F"),
        ("", "Pixel\t \n7", "Pixel 7"),
        ("HTC", "", "HTC"),
        ("", "", ""),
        (" \0x", "\x01\x02", ""),
        ("Acme", "x" * 300, ("Acme " + "x" * 300)[:LONGEST]),
    ],
)
def test_a_camera_has_one_name(make: str, model: str, name: str) -> None:
    assert camera_name(make, model) == name


def test_it_is_read_from_exif_and_else_from_xmp() -> None:
    exif = exif_of([text(MAKE, "Google"), text(MODEL, "Pixel 7")])
    xmp = xmp_of('xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="Canon" tiff:Model="Canon EOS R5"')
    assert read_capture(Metadata(exif=exif, xmp=xmp)).camera == "Google Pixel 7"
    assert read_capture(Metadata(xmp=xmp)).camera == "Canon EOS R5"
    assert read_capture(Metadata(copy=Metadata(exif=exif))).camera == "Google Pixel 7"
    assert read_capture(Metadata()).camera is None


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("gps/DSCN0010.jpg", "NIKON COOLPIX P6000"),
        ("heic/IMG_5195.HEIC", "Apple iPhone 11 Pro Max"),
        ("formats/denali.webp", "Canon EOS 7D"),
        ("formats/density_plot.png", None),
    ],
)
def test_cameras_of_real_files_are_named(name: str, camera: str | None) -> None:
    path = TESTDATA / "photos" / name
    if not path.exists():
        pytest.skip(f"test photo {name} is not there (KIZU_TESTDATA names their folder)")
    assert read_capture(open_picture(path, short_side=300).metadata).camera == camera
