"""Looks up where photos of a user were taken: those from before, those that apps brought, and corrected ones.

Photos are read page by page while the library goes on changing; what is elsewhere by the time that the job
ends stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from models.places import places, towns
from worker import whereabouts
from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Ask, Done, Replace
from worker.core.rows import Row
from worker.whereabouts import Whereabouts

MOST: Final = 4_000
"""Photos that one settlement writes; what is left is for a run after it. A busy machine of two cores wrote
10,000 in 7.3 s, and what an app's user does may take 8 s."""


class Params(BaseModel):
    """The params of a `locate_photos` job."""

    model_config = ConfigDict(extra="ignore")

    again: bool = False
    """Whether photos are looked up, too, that were in other data, or in another language."""


async def locate_photos(params: Params, context: Context) -> Done:
    language = str(context.job.asset.get("language") or "")
    context.progress(5, "reading")
    data = await asyncio.to_thread(whereabouts.data_for, language)
    found: list[dict[str, Any]] = []
    named = 0
    more = False
    args = {"version": data, "again": params.again}
    with context.record.stage("locate"):
        async for page in context.rows.pages("places", args):
            points = [(row["latitude"], row["longitude"]) for row in page]
            there = await asyncio.to_thread(whereabouts.locate, points, language)
            found += to_rows(page, there)
            named += sum(1 for one in there if one.name)
            if more := len(found) >= MOST:
                break
    context.progress(85, "writing")
    with context.record.stage("write"):
        staged = await context.staging.keep("places", found)
    context.record.count("photos", len(found))
    context.record.count("named", named)
    again = Ask(
        kind=HANDLER.kind, asset_id=None, params=params.model_dump(exclude_defaults=True), dedupe="more"
    )
    return Done(
        result={"photos": len(found), "named": named},
        writes=[Replace(table="asset_places", rows=staged)],
        next=[again] if more else [],
    )


def to_rows(photos: Sequence[Row], there: Sequence[Whereabouts]) -> list[dict[str, Any]]:
    """Rows of `asset_places` of photos as the verb `places` tells them."""
    rows = []
    for photo, place in zip(photos, there, strict=True):
        row = {
            "asset_id": photo["asset_id"],
            "latitude": photo["latitude"],
            "longitude": photo["longitude"],
            "location_name": place.name,
            "located_by": place.data,
        }
        told = photo["taken_at"] or photo["wall"]
        if told and place.zone:
            timed = whereabouts.zoned(datetime.fromisoformat(told), place.zone)
            row |= {
                "was": photo["was"],
                "taken_at": timed.at.isoformat(),
                "taken_at_offset_minutes": timed.offset_minutes,
                "taken_at_zone": place.zone,
            }
        rows.append(row)
    return rows


HANDLER = Handler(
    kind="locate_photos",
    version="1",
    lane="ai",
    params=Params,
    run=locate_photos,
    about_asset=False,
    packages=(towns.PACKAGE, *places.PACKAGES),
    needs=frozenset(),
    timeout_seconds=600.0,
)
