"""Measures how bright a picture is."""

from models.catalog.meter import BRIGHTNESS, Meter
from models.pictures.detail import Detail
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture, provenance


async def measure(picture: SharedPicture, context: Context) -> Finding:
    answer = await context.models.run(BRIGHTNESS, Meter.measure, picture.frames[BRIGHTNESS.name])
    row = {"brightness": answer.value, **provenance(answer.model)}
    return Finding(
        count=1,
        result={"success": True, "brightness": answer.value},
        writes=[Replace(table="image_brightness", rows=[row])],
        model=answer.model,
    )


OPERATION = Operation(name="brightness", detail=Detail(long_side=64), run=measure, task=BRIGHTNESS)
