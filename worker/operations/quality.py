"""Measures what makes a picture the best of several of the same thing: sharpness, exposure, contrast.

With them goes a finer hash, by which near-duplicates are told from other pictures of the same layout.
"""

from __future__ import annotations

from models.pictures.detail import Detail
from models.pictures.hashes import bit_string
from models.pictures.quality import FINE_BITS, LONG_SIDE, measure_quality
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture


async def take_quality(picture: SharedPicture, context: Context) -> Finding:
    quality = await context.in_pixels(measure_quality, picture.frames["quality"].image())
    seen = {"sharpness": quality.sharpness, "exposure": quality.exposure, "contrast": quality.contrast}
    row = {**seen, "fine_hash": bit_string(quality.fine_hash, FINE_BITS)}
    return Finding(
        count=1,
        result={"success": True, **seen},
        writes=[Replace(table="asset_quality", rows=[row])],
    )


OPERATION = Operation(name="quality", detail=Detail(long_side=LONG_SIDE), run=take_quality)
