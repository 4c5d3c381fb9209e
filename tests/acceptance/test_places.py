"""Photos get names of places and offsets of clocks by a worker on the embedded stack, and are found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image
from psycopg.types.json import Jsonb

from models.search.names import Known
from models.search.understanding import understand
from tests.acceptance.library import Library, jpeg, service
from tests.sql.conftest import acting
from worker.app import run_worker
from worker.handlers import locate_photos, optimize_image
from worker.library.understanding import places_of

pytestmark = [pytest.mark.stack, pytest.mark.slow]


async def drain(library: Library) -> None:
    """Let a worker of these kinds alone work until nothing is due."""
    handlers = {handler.kind: handler for handler in (optimize_image.HANDLER, locate_photos.HANDLER)}
    await run_worker(service(library.stack, lanes={"ai": 1, "image": 2}), drain=True, handlers=handlers)


def in_rome(wall: str) -> bytes:
    """A photo whose camera knew where it was, and not by which clock."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: wall})
    exif.get_ifd(0x8825).update({1: "N", 2: (41.0, 53.0, 24.72), 3: "E", 4: (12.0, 29.0, 31.92)})
    return jpeg(exif=exif)


def found(library: Library, text: str) -> list[str]:
    """What a search finds, by an understanding as a worker makes it of the places the library knows."""
    words = library.db.execute(
        "select name from kizu.known_words(%s, 100) where kind = 'place'", [library.user_id]
    ).fetchall()
    known: list[Known] = places_of([name for (name,) in words])
    understood = understand(text, today=datetime(2026, 1, 1, tzinfo=UTC).date(), places=known)
    with acting(library.db, "authenticated", library.user_id):
        row = library.db.execute("select rank_search(%s)", [Jsonb(understood.as_json())]).fetchone()
    assert row
    results: list[Any] = row[0]["results"]
    return [result["asset_id"] for result in results]


async def test_photos_are_named_after_their_places_and_found_by_them(library: Library) -> None:
    summer = library.add(in_rome("2024:06:01 20:00:00"))
    winter = library.add(in_rome("2024:12:01 20:00:00"))
    library.add(jpeg())
    await drain(library)

    asset = library.asset(summer)
    assert (asset["location_name"], asset["location_source"]) == ("Rome, Lazio, Italy", "map")
    assert (asset["taken_at"], asset["taken_at_offset_minutes"]) == (
        datetime(2024, 6, 1, 18, tzinfo=UTC),
        120,
    )
    asset = library.asset(winter)
    assert (asset["taken_at"], asset["taken_at_offset_minutes"]) == (
        datetime(2024, 12, 1, 19, tzinfo=UTC),
        60,
    )
    for text in ("photos in Rome", "Rome", "Italy 2024"):
        assert set(found(library, text)) == {summer, winter}, text
    assert found(library, "Paris") == []


async def test_photos_from_before_are_looked_up_once_they_are_asked_about(library: Library) -> None:
    asset = library.add(jpeg())
    await drain(library)
    library.db.execute(
        "update assets set latitude = 48.1374, longitude = 11.5755, taken_at = '2020-01-01 12:00+00',"
        " taken_at_source = 'original', taken_at_precision = 'second' where id = %s",
        [asset],
    )
    await drain(library)
    assert library.asset(asset)["location_name"] is None
    with acting(library.db, "authenticated", library.user_id):
        library.db.execute("select locate_photos()")
    await drain(library)
    row = library.asset(asset)
    assert (row["location_name"], row["location_source"]) == ("Munich, Bavaria, Germany", "map")
    assert (row["taken_at"], row["taken_at_offset_minutes"], row["taken_at_zone"]) == (
        datetime(2020, 1, 1, 11, tzinfo=UTC),
        60,
        "Europe/Berlin",
    )
    assert found(library, "Munich") == [asset]
