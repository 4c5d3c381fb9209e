"""What photographers keep goes through the daemon like any photo, and what nobody reads says so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models.pictures.sniff import Format
from tests.acceptance.library import Library, drain, service
from tests.models.pictures.boxes import box
from tests.models.pictures.documents import EXIF_IN_JP2, document, jpeg2000
from tests.models.pictures.mutations import drawing
from tests.models.pictures.raws import POINTERS, jpeg, nikon, tiff_file

pytestmark = pytest.mark.stack

SAID = tiff_file(POINTERS)


@pytest.mark.parametrize(
    ("kind", "data", "size"),
    [
        (Format.RAW, nikon(jpeg(600, 400), orientation=8), (400, 600)),
        (Format.JPEG2000, jpeg2000(drawing(300, 200), box(b"uuid", EXIF_IN_JP2 + SAID)), (300, 200)),
        (Format.PHOTOSHOP, document(drawing(300, 200).split(), depth=16, resources={1058: SAID}), (300, 200)),
    ],
)
async def test_it_gets_a_thumbnail_a_time_and_a_place(
    library: Library, kind: Format, data: bytes, size: tuple[int, int]
) -> None:
    asset_id = library.add(data)
    await drain(service(library.stack))

    assert library.job(asset_id)["status"] == "completed"
    asset = library.asset(asset_id)
    assert (asset["width"], asset["height"]) == size
    assert asset["taken_at"] == datetime(2024, 6, 1, 10, tzinfo=UTC)
    assert (round(asset["latitude"], 4), round(asset["longitude"], 4)) == (48.1333, 11.5667)
    assert library.made(asset_id, "thumbnail").size == (min(300, *size),) * 2


async def test_a_format_that_nobody_reads_is_left_alone(library: Library) -> None:
    asset_id = library.add(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    await drain(service(library.stack))
    job = library.job(asset_id)
    assert (job["status"], job["error_code"], job["attempts"]) == ("failed", "unsupported_format", 1)
