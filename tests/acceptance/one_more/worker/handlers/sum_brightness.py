"""Sums up how bright a user's photos are."""

from typing import Literal

from pydantic import BaseModel, Field

from worker.context import Context
from worker.core.handler import Handler
from worker.core.job import Done, Replace


class Params(BaseModel):
    """The params of a `sum_brightness` job."""

    rounding: Literal["down", "up"] = "down"
    digits: int = Field(2, ge=0, le=6)


async def sum_up(params: Params, context: Context) -> Done:
    photos = [
        row["asset_id"]
        async for page in context.rows.pages("asset_facts", {"fact": "brightness", "limit": 1})
        for row in page
    ]
    row = {"photos": len(photos), "rounding": params.rounding, "digits": params.digits}
    return Done(result=row, writes=[Replace(table="brightness_sums", rows=[row])])


HANDLER = Handler(kind="sum_brightness", version="1", lane="ai", params=Params, run=sum_up, about_asset=False)
