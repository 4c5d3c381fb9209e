"""What the handler makes of photos that are in no data yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from worker.context import Context
from worker.core.job import Ask, Done, Job, Staged
from worker.core.record import Record
from worker.handlers import locate_photos
from worker.settings import Settings
from worker.testing import MemoryRows, MemoryStaging


def photo(number: int, latitude: float = 41.8902, longitude: float = 12.4922, **more: Any) -> dict[str, Any]:
    return {
        "asset_id": str(UUID(int=number)),
        "latitude": latitude,
        "longitude": longitude,
        "was": "2024-06-01T20:00:00+00:00",
        "wall": None,
        "taken_at": None,
        **more,
    }


async def run(
    *photos: Mapping[str, Any], language: str = "en", **params: Any
) -> tuple[Done, Sequence[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The outcome, the rows that were sent ahead, and what was asked of the verb."""
    asked: list[Mapping[str, Any]] = []

    def places(args: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        asked.append(args)
        return photos

    job = Job(
        table="t",
        id=UUID(int=1),
        kind="locate_photos",
        user_id=UUID(int=2),
        epoch=1,
        asset={"language": language},
        params=params,
    )
    staging = MemoryStaging()
    context: Any = Context(
        job=job,
        files=None,  # type: ignore[arg-type]
        models=None,  # type: ignore[arg-type]
        generations=None,  # type: ignore[arg-type]
        rows=MemoryRows({"places": places}),
        staging=staging,
        settings=Settings(_env_file=None),
        pixels=None,  # type: ignore[arg-type]
        pictures=None,  # type: ignore[arg-type]
        record=Record(),
        progress=lambda percent, step: None,
    )
    done = await locate_photos.HANDLER.perform(job, context)
    assert isinstance(done, Done)
    return done, [row for page in staging.pages.values() for row in page], asked


async def test_photos_get_names_and_offsets() -> None:
    done, rows, (asked,) = await run(
        photo(1, wall="2024-06-01 20:00:00"),
        photo(2, taken_at="2024-06-01T20:00:00+00:00"),
        photo(3),
        photo(4, 30.0, -40.0, wall="2024-06-01 20:00:00"),
        language="de",
    )
    assert asked["again"] is False
    assert asked["version"].endswith("/de")
    assert [row["location_name"] for row in rows] == [*["Rom, Latium, Italien"] * 3, ""]
    assert {row["located_by"] for row in rows} == {asked["version"]}
    times = [(row.get("taken_at"), row.get("taken_at_offset_minutes"), row.get("was")) for row in rows]
    was = "2024-06-01T20:00:00+00:00"
    assert times == [
        ("2024-06-01T18:00:00+00:00", 120, was),
        ("2024-06-01T20:00:00+00:00", 120, was),
        (None, None, None),
        (None, None, None),
    ]
    assert done.result == {"photos": 4, "named": 3}
    assert done.next == []


async def test_it_asks_for_another_run_where_there_is_more_than_one_settlement_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locate_photos, "MOST", 1000)
    done, rows, asked = await run(*(photo(n) for n in range(2500)), again=True)
    assert (len(rows), len(asked)) == (1000, 1)
    assert asked[0]["again"] is True
    assert done.next == [Ask(kind="locate_photos", asset_id=None, params={"again": True}, dedupe="more")]


async def test_where_nothing_is_to_be_looked_up_nothing_is_written() -> None:
    done, rows, _ = await run()
    assert rows == []
    assert [write.rows for write in done.writes] == [Staged("places", 0)]  # type: ignore[union-attr]
    assert done.result == {"photos": 0, "named": 0}
