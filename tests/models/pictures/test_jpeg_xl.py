"""A JPEG XL that tells its colours in words of its own, of 8 x 8 pixels all of (200, 50, 50) or of grey 95.

Written by libjxl's `cjxl` 0.7, but for those that are made here.
"""

from __future__ import annotations

import io
from base64 import b64decode

import pytest

from models.pictures.jpeg_xl import space_of
from models.pictures.picture import open_picture
from models.pictures.spaces import P3, SRGB, Space, Transfer
from tests.models.pictures.mutations import drawing

pylibjxl = pytest.importorskip("pylibjxl")
numpy = pytest.importorskip("numpy")

_PIXELS = "080201005c004b188b15c249c2e505220018f295680000000000000000"
FILES = {
    "P3": "ff0a414040263702" + _PIXELS,
    "P3 of cinemas": "ff0a41408069f223" + _PIXELS,
    "PQ": "ff0a41041090478f381c0000000002" + _PIXELS,
    "HLG": "ff0a410410906720d0630000000008" + _PIXELS,
    "light": "ff0a414040d122" + _PIXELS,
    "a power": "ff0a4140405ef4aca208" + _PIXELS,
    "P3 with transparency": "ff0a41c0824c6e040808100064004b188b15c249c2e505240018f295e835010000000000000000",
    "grey": "ff0a4140505c080802010044004b188b15c241014e1f0000000000000000",
    "grey light": "ff0a414050b4080802010044004b188b15c241014e1f0000000000000000",
}
PROFILED = (  # lossless, lossy
    (
        "/wpBQAhtHZAwD4DmVoHdqLaS5MWL2fLzHWQuhSK2mCiKplbAB/oH+GnkDMJ9LMFBPpTaAEFlkFuBmkYY6AN9bl7J2joBCAIBAFwASxiL"
        "FcJJwuUFIgAY8pVoAAAAAAAAAAA="
    ),
    (
        "/wpBQAptHZAwD4DmVoHdqLaS5MWL2fLzHWQuhSK2mCiKplbAB/oH+GnkDMJ9LMFBPpTaAEFlkFuBmkYY6AN9bl7J2joBABKIAgDUAF3l"
        "EgAAFSqjjBu8nOv58kOHxbSN6wxttW1hSaLIODZJJ3BIEovAxgU8AwNgMHPKtAZKXEkC"
    ),
)


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("P3", (218, 24, 40)),
        ("P3 of cinemas", (213, 24, 41)),
        ("PQ", (255, 0, 0)),
        ("HLG", (255, 0, 28)),
        ("light", (229, 122, 122)),
        ("a power", (250, 0, 36)),
        ("P3 with transparency", (218, 24, 40)),
        ("grey", (95, 95, 95)),
        ("grey light", (164, 164, 164)),
    ],
)
def test_colours_are_those_that_the_file_means(name: str, colour: tuple[int, int, int]) -> None:
    """As `djxl` and a colour engine have them, too."""
    assert open_picture(bytes.fromhex(FILES[name])).upright().getpixel((4, 4)) == colour


def test_a_space_is_read_as_it_is_written() -> None:
    assert space_of(io.BytesIO(bytes.fromhex(FILES["P3"]))) == Space(primaries=P3, transfer=Transfer.SRGB)
    power = space_of(io.BytesIO(bytes.fromhex(FILES["a power"])))
    assert power is not None
    assert power.transfer == pytest.approx(2.2, abs=0.001)


@pytest.mark.parametrize("data", PROFILED)
def test_a_profile_is_that_of_the_numbers_and_not_of_what_is_decoded_in_its_place(data: str) -> None:
    """Of a lossy file libjxl answers light, whatever its profile says, which here is Adobe RGB."""
    assert open_picture(b64decode(data)).upright().getpixel((4, 4)) == (232, 46, 46)


def test_a_file_of_no_other_space_is_srgb() -> None:
    data = pylibjxl.encode(numpy.asarray(drawing(40, 30)), lossless=True)
    assert space_of(io.BytesIO(data)) == SRGB
    assert open_picture(data).profile is None
