"""A motion photo's film is a part of its asset, for as long as the file has one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.library import Library, drain, jpeg, service
from tests.models.pictures.boxes import film

pytestmark = pytest.mark.stack


def parts(library: Library, asset_id: str) -> list[Any]:
    return library.db.execute(
        "select kind, path, first_byte, bytes, mime_type from asset_parts where asset_id = %s", [asset_id]
    ).fetchall()


async def test_the_film_of_a_motion_photo_becomes_a_part(library: Library) -> None:
    photo, behind = jpeg(), film()
    asset_id = library.add(photo + behind)
    await drain(service(library.stack))

    assert library.job(asset_id)["status"] == "completed"
    assert parts(library, asset_id) == [("motion", None, len(photo), len(behind), "video/mp4")]

    library.db.execute(
        "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, 'raw', %s)",
        [library.user_id, asset_id, f"{library.user_id}/photo.dng"],
    )
    library.db.execute(
        "update asset_parts set first_byte = 7 where asset_id = %s and kind = 'motion'", [asset_id]
    )
    library.db.execute("select enqueue_job('optimize_image', %s, p_force => true)", [asset_id])
    await drain(service(library.stack))
    assert sorted(part[:3] for part in parts(library, asset_id)) == [
        ("motion", None, len(photo)),
        ("raw", f"{library.user_id}/photo.dng", None),
    ]


async def test_a_film_that_is_not_there_any_more_is_no_part(library: Library) -> None:
    asset_id = library.add(jpeg())
    library.db.execute(
        "insert into asset_parts (user_id, asset_id, kind, first_byte, bytes)"
        " values (%s, %s, 'motion', 9, 9)",
        [library.user_id, asset_id],
    )
    await drain(service(library.stack))
    assert parts(library, asset_id) == []
